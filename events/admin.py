"""Clusters and subscriptions in the admin; connectors get their subscriptions beside them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors.console import ConsolePage, RowsBeside, badge
from connectors.models import Connector
from events import delivery_admin, event_admin, silence_admin  # noqa: F401 - importing them registers them
from events.connector_files import ConnectorFiles
from events.forms import ClusterForm, SubscriptionForm
from events.models import Cluster, Subscription


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


STATE_FIELDS = (
    "state_words",
    "problems_shown",
    "connected_since",
    "last_change_at",
    "heartbeat_at",
    "lag_shown",
    "objects_known",
    "nodes_shown",
    "stream_restarts",
)


@admin.register(Cluster)
class ClusterAdmin(ConsolePage[Cluster]):
    """What is watched, and how that goes."""

    form = ClusterForm
    list_display = ("name", "enabled", "access", "state_shown", "state_message", "last_change_at")
    list_filter = ("enabled", "state")
    search_fields = ("name",)
    readonly_fields = STATE_FIELDS
    fieldsets = (
        (None, {"fields": ("name", "enabled", "namespaces")}),
        ("Access", {"fields": ("access", "context", "kubeconfig_text", "kubeconfig_file")}),
        ("How it goes", {"fields": STATE_FIELDS}),
    )

    @admin.display(description="state", ordering="state")
    def state_shown(self, cluster: Cluster) -> SafeString:
        """How the watch goes, in a word."""
        return badge(cluster.state)

    @admin.display(description="state")
    def state_words(self, cluster: Cluster) -> str:
        """The state, and what there is to say of it."""
        words = str(cluster.get_state_display())
        return f"{words}: {cluster.state_message}" if cluster.state_message else words

    @admin.display(description="lag")
    def lag_shown(self, cluster: Cluster) -> str:
        """The lag, in milliseconds where it is short."""
        lag = cluster.lag_seconds
        if lag is None:
            return "-"
        return f"{lag * 1000:.0f} ms" if lag < 1 else f"{lag:.1f} s"

    @admin.display(description="nodes")
    def nodes_shown(self, cluster: Cluster) -> str:
        """How many there are, and how many of them do not work."""
        return f"{cluster.nodes_known}, of which {cluster.nodes_not_ready} not ready"

    @admin.display(description="not watched")
    def problems_shown(self, cluster: Cluster) -> SafeString | str:
        """What cannot be watched, and why."""
        if not cluster.problems:
            return "Nothing is missing."
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}: {}</li>", cluster.problems.items()))

    def get_fieldsets(self, request: HttpRequest, obj: Cluster | None = None) -> Any:
        """Whoever may only look is not shown where a kubeconfig goes."""
        own, (title, options), state = self.fieldsets
        if obj and not self.has_change_permission(request, obj):
            return [own, (title, {"fields": ("access", "context")}), state]
        return [own, (title, options), state] if obj else [own, (title, options)]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Says so plainly when nothing is watched."""
        if self.has_view_permission(request) and not Cluster.objects.exists():
            words = (
                "No cluster is watched. Add one here: the current context of the server's kubeconfig, the"
                " service account the server runs under, or a kubeconfig of its own."
            )
            self.message_user(request, words, messages.WARNING)
        return super().changelist_view(request, extra_context)
