"""The delivery engine as a Django application."""

from __future__ import annotations

from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    """Named as people see it in the sidebar."""

    name = "connectors"
    verbose_name = "Integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Has Django know of the checks."""
        from connectors import checks  # noqa: F401 - importing registers them, once models are there
