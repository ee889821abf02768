"""Deliveries in the admin: the record of what was sent, to read, and to send once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors import outbox, registry
from connectors.console import RecordPage, badge
from connectors.engine.digest import ORIGIN
from connectors.models import UNSETTLED, Attempt, DeadLetter, Delivery, DeliveryStatus


def delivery_link(delivery: Delivery, words: str = "The delivery on record") -> SafeString:
    """A link to the delivery on record."""
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:connectors_delivery_change", args=(delivery.pk,)), words
    )


class TypeFilter(admin.SimpleListFilter):
    """By the connector's type, as it was then; the choices cost no search through all deliveries."""

    title = "type"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The types there are."""
        return registry.choices()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """The deliveries of that type."""
        return queryset.filter(provider=self.value()) if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(RecordPage[Delivery]):
    """Nobody but the engine writes here."""

    list_display = (
        "title",
        "state",
        "connector_name",
        "event_type",
        "attempt_count",
        "next_try",
        "created_at",
    )
    list_filter = ("status", TypeFilter, "connector", "reason")
    search_fields = ("connector_name", "message__title", "message__resource", "message_id", "key", "note")
    search_help_text = "Connector, title, resource, note, or the event's id"
    actions = ("redeliver_selected",)
    buttons = {"redeliver": "redeliver"}
    change_form_template = "admin/connectors/delivery/change_form.html"
    fieldsets = (
        (None, {"fields": ("title", "status", "reason", "note", "connector", "connector_name", "provider")}),
        ("When", {"fields": ("created_at", "attempt_count", "next_try", "settled_at")}),
        (
            "What",
            {
                "fields": (
                    "event_type",
                    "message_id",
                    "key",
                    "origin",
                    "digest",
                    "remote_shown",
                    "message_shown",
                )
            },
        ),
    )

    @admin.display(description="title")
    def title(self, delivery: Delivery) -> str:
        """What it is about."""
        return str(delivery.message.get("title", ""))

    @admin.display(description="status", ordering="status")
    def state(self, delivery: Delivery) -> SafeString:
        """Where it stands."""
        return badge(delivery.status)

    @admin.display(description="event type")
    def event_type(self, delivery: Delivery) -> str:
        """The type of what it reports."""
        return str(delivery.message.get("event_type", ""))

    @admin.display(description="next try", ordering="next_attempt_at")
    def next_try(self, delivery: Delivery) -> Any:
        """When it is due, while it is still on its way."""
        return delivery.next_attempt_at if delivery.status in UNSETTLED else None

    @admin.display(description="digest")
    def digest(self, delivery: Delivery) -> SafeString | str:
        """The digest that told of it; of a digest, what it told of."""
        if delivery.origin == ORIGIN:
            listed = reverse("admin:connectors_delivery_changelist")
            return format_html('<a href="{}?sent_in={}">What it tells of</a>', listed, delivery.pk)
        return delivery_link(delivery.sent_in, "The digest that tells of it") if delivery.sent_in else ""

    @admin.display(description="message")
    def message_shown(self, delivery: Delivery) -> SafeString:
        """All that was to be said."""
        return format_html("<pre>{}</pre>", pretty(delivery.message))

    @admin.display(description="at the receiver")
    def remote_shown(self, delivery: Delivery) -> SafeString | str:
        """Where a person can look at what came of it, or the reference it left."""
        if delivery.remote_url.startswith(("https://", "http://")):
            return format_html('<a href="{0}" rel="noopener noreferrer">{0}</a>', delivery.remote_url)
        return pretty(delivery.remote) if delivery.remote else ""

    # --- Who may do what

    def has_view_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        """Whoever may view deliveries, or have them sent again."""
        return request.user.has_perm("connectors.view_delivery") or self.has_redeliver_permission(request)

    def has_redeliver_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        """Sending once more takes the right to change deliveries."""
        return request.user.has_perm("connectors.change_delivery")

    # --- Sending once more

    @admin.action(description="Send selected deliveries once more", permissions=["redeliver"])
    def redeliver_selected(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        """Sends those that are settled and still have a connector."""
        chosen = deliveries.count()
        sent = outbox.redeliver(deliveries.only("pk"))
        words = f"{sent} of {chosen} are sent once more."
        if sent < chosen:
            words += " The others are still on their way, or have no connector any more."
        self.message_user(request, words, messages.SUCCESS if sent else messages.WARNING)

    def redeliver(self, request: HttpRequest, delivery: Delivery) -> None:
        """Sends one delivery once more."""
        self.redeliver_selected(request, Delivery.objects.filter(pk=delivery.pk))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With every attempt, and the button."""
        delivery = self.get_object(request, unquote(object_id))
        context = {
            "attempts": list(attempt_rows(delivery)) if delivery else [],
            "may_redeliver": self.has_redeliver_permission(request),
            "can_redeliver": delivery and delivery.connector_id and delivery.status not in UNSETTLED,
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


@admin.register(DeadLetter)
class DeadLetterAdmin(DeliveryAdmin):
    """What has failed for good, to look through, and to send once more when the receiver is mended."""

    list_display = ("page", "connector_name", "event_type", "reason", "note", "attempt_count", "settled_at")
    list_display_links = None
    buttons = {}  # sending once more has its address with the deliveries
    list_filter = ("reason", TypeFilter, "connector", "settled_at")

    @admin.display(description="title")
    def page(self, delivery: Delivery) -> SafeString:
        """What it is about, as a link to the delivery with its attempts."""
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:connectors_delivery_change", args=(delivery.pk,)),
            self.title(delivery) or delivery.pk,
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """The failed ones."""
        return super().get_queryset(request).filter(status=DeliveryStatus.FAILED)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever may see deliveries sees these: they have no rights of their own."""
        return self.has_view_permission(request)


def attempt_rows(delivery: Delivery) -> Iterator[dict[str, Any]]:
    """The attempts as the page shows them."""
    for attempt in delivery.attempts.all():
        yield {
            "attempt": attempt,
            "seconds": _seconds(attempt),
            "exchanges": [pretty(e) for e in attempt.exchanges],
        }


def _seconds(attempt: Attempt) -> str:
    if attempt.finished_at is None:
        return ""
    return f"{(attempt.finished_at - attempt.started_at).total_seconds():.2f} s"


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)
