"""Events and subscriptions in the admin; connectors get their subscriptions beside them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors.admin import ConnectorAdmin
from connectors.console import ConsolePage, RecordPage, RowsBeside, badge
from connectors.delivery_admin import pretty
from connectors.models import Connector, Delivery
from events import catalog, cluster_admin
from events.forms import SubscriptionForm
from events.models import Event, Subscription

__all__ = ["EventAdmin", "SubscribingConnectorAdmin", "SubscriptionAdmin", "cluster_admin"]


class SubscriptionInline(RowsBeside[Subscription, Connector]):
    """Which events the connector receives."""

    model = Subscription
    form = SubscriptionForm
    extra = 0

    def get_extra(self, request: HttpRequest, obj: Connector | None = None, **kwargs: Any) -> int:
        """A new connector is asked at once which events it shall receive."""
        return 0 if obj else 1


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
