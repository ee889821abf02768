"""Watching, events and subscriptions as a Django application."""

from __future__ import annotations

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Named as people see it in the sidebar."""

    name = "events"
    verbose_name = "Clusters and events"
    default_auto_field = "django.db.models.BigAutoField"
