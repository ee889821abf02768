"""The demo as a Django application; installed only where KUBEGRAF_DEMO is set."""

from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Keeps what the inbox receives."""

    name = "demo"
    verbose_name = "Demo"
    default_auto_field = "django.db.models.BigAutoField"
