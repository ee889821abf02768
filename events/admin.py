"""Subscriptions in the admin, beside their connectors and in one list."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from connectors.console import ConsolePage, RowsBeside
from connectors.models import Connector
from events import cluster_admin, delivery_admin, event_admin, silence_admin  # noqa: F401 - importing them registers them
from events.connector_files import ConnectorFiles
from events.forms import SubscriptionForm
from events.models import Subscription


class SubscriptionInline(RowsBeside[Subscription, Connector]):
    """Which events the connector receives."""

    model = Subscription
    form = SubscriptionForm
    extra = 0

    def get_extra(self, request: HttpRequest, obj: Connector | None = None, **kwargs: Any) -> int:
        """A new connector is asked at once which events it shall receive."""
        return 0 if obj else 1


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


@admin.register(Subscription)
class SubscriptionAdmin(ConsolePage[Subscription]):
    """Who receives what, in one list."""

    form = SubscriptionForm
    list_display = ("connector", "types", "min_severity", "places", "conditions_shown", "enabled")
    list_display_links = ("connector", "types")
    list_filter = ("enabled", "min_severity", "connector")
    list_select_related = ("connector",)
    search_fields = ("connector__name",)

    @admin.display(description="events")
    def types(self, subscription: Subscription) -> str:
        """The types, or that it is all of them."""
        return ", ".join(subscription.event_types) or "all"

    @admin.display(description="where")
    def places(self, subscription: Subscription) -> str:
        """Clusters and namespaces."""
        return ", ".join([*subscription.clusters, *subscription.namespaces]) or "anywhere"

    @admin.display(description="conditions")
    def conditions_shown(self, subscription: Subscription) -> str:
        """Each condition as key=value."""
        return ", ".join(f"{name}={value}" for name, value in subscription.conditions.items())
