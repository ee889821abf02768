"""The admin of clusters, events and what is told of them; connectors get their subscriptions beside them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from connectors.models import Connector
from events.console import cluster_admin, delivery_admin, event_admin, silence_admin
from events.console.connector_files import ConnectorFiles
from events.console.subscription_admin import SubscriptionInline

# Importing them registers them.
__all__ = ("SubscribingConnectorAdmin", "cluster_admin", "delivery_admin", "event_admin", "silence_admin")


class SubscribingConnectorAdmin(ConnectorFiles):
    """A connector's page, with its subscriptions.

    It takes the place of the delivery engine's own, which knows nothing of events.
    """

    inlines = (SubscriptionInline,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Saves, and says so when the connector would receive nothing, once it is enabled."""
        super().save_related(request, form, formsets, change)
        connector: Connector = form.instance
        if not connector.subscriptions.filter(enabled=True).exists():
            words = "It receives no events yet: add a subscription below."
            self.message_user(request, words, messages.WARNING)


admin.site.unregister(Connector)
admin.site.register(Connector, SubscribingConnectorAdmin)
