"""Clusters and events in the admin; connectors get their subscriptions beside them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors.admin import ConnectorAdmin
from connectors.console import ConsolePage, RecordPage, badge
from connectors.delivery_admin import pretty
from connectors.models import Connector, Delivery
from events import catalog
from events.forms import ClusterForm
from events.models import Cluster, Event
from events.subscription_admin import SubscriptionInline


class SubscribingConnectorAdmin(ConnectorAdmin):
    """A connector's page, with its subscriptions.

    It takes the place of the delivery engine's own, which knows nothing of events.
    """

    inlines = (SubscriptionInline,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Saves, and says so when the connector would receive nothing."""
        super().save_related(request, form, formsets, change)
        connector: Connector = form.instance
        if connector.enabled and not connector.subscriptions.filter(enabled=True).exists():
            words = "It receives no events yet: add a subscription below."
            self.message_user(request, words, messages.WARNING)


admin.site.unregister(Connector)
admin.site.register(Connector, SubscribingConnectorAdmin)


class EventTypeFilter(admin.SimpleListFilter):
    """By event type; the choices cost no search through all events."""

    title = "event type"
    parameter_name = "event_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The types there are."""
        return [(name, name) for name in catalog.EVENT_TYPES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """The events of that type."""
        return queryset.filter(event_type=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(RecordPage[Event]):
    """What happened, to read. Nobody edits it."""

    list_display = (
        "title",
        "state",
        "badness",
        "event_type",
        "cluster_name",
        "namespace",
        "count",
        "first_seen",
    )
    list_filter = ("status", "severity", EventTypeFilter, "cluster")
    search_fields = ("title", "resource", "subject", "namespace", "cluster_name")
    search_help_text = "Title, resource, namespace or cluster"
    change_form_template = "admin/events/event/change_form.html"
    fieldsets = (
        (None, {"fields": ("title", "description", "status", "severity", "event_type")}),
        ("Where", {"fields": ("cluster_name", "namespace", "resource", "subject")}),
        ("When", {"fields": ("occurred_at", "first_seen", "last_seen", "resolved_at", "count")}),
        ("Details", {"fields": ("details_shown", "recommendations_shown")}),
        ("Record", {"fields": ("id", "key", "source", "inhibited_by"), "classes": ("collapse",)}),
    )

    @admin.display(description="status", ordering="status")
    def state(self, event: Event) -> SafeString:
        """Where it stands."""
        return badge(event.status)

    @admin.display(description="severity", ordering="severity")
    def badness(self, event: Event) -> SafeString:
        """How bad it is."""
        return badge(event.severity)

    @admin.display(description="details")
    def details_shown(self, event: Event) -> SafeString:
        """Each detail by its name."""
        rows = (
            (name, value if isinstance(value, str) else pretty(value))
            for name, value in event.details.items()
        )
        return format_html("<dl>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))

    @admin.display(description="recommendations")
    def recommendations_shown(self, event: Event) -> SafeString:
        """What a person could do, with the command to paste."""
        commands = {True: "<li>{}<pre>{}</pre></li>", False: "<li>{}</li>"}
        rows = [
            format_html(commands[bool(item.get("command"))], item.get("action", ""), item.get("command", ""))
            for item in event.recommendations
        ]
        return format_html("<ul>{}</ul>", format_html_join("", "{}", ((row,) for row in rows)))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the deliveries that told of it."""
        event = self.get_object(request, unquote(object_id))
        may_see = request.user.has_perm("connectors.view_delivery")
        deliveries = (
            Delivery.objects.filter(message_id=str(event.pk)).order_by("id") if event and may_see else ()
        )
        context = {"deliveries": deliveries, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


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
