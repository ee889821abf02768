"""Deliveries in the admin: the record of what was sent, to read, send once more, cancel, and take along."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors import cancellation, export, moments, redelivery, registry, remedies, tasks
from connectors.console import delivery_page
from connectors.console.delivery_page import event_type_of, pretty, severity_of, title_of
from connectors.console.looking_back import LookingBackPage
from connectors.console.pages import COUNTED, badge
from connectors.console.record_filters import (
    DigestFilter,
    EventFilter,
    ReasonFilter,
    SeverityFilter,
    TypeFilter,
    WhenFilter,
    link,
    other_row,
)
from connectors.engine import leases
from connectors.engine.digest import ORIGIN
from connectors.models import Delivery, DeliveryStatus
from connectors.next_try import next_try


@admin.register(Delivery)
class DeliveryAdmin(LookingBackPage[Delivery]):
    """Nobody but the engine writes here."""

    list_display: tuple[str, ...] = (
        "title",
        "state",
        "connector_shown",
        "severity",
        "attempts",
        "next_try",
        "created",
    )
    list_filter: ClassVar[tuple[Any, ...]] = (
        "status", WhenFilter, ("connector", other_row("connector", "since deleted")), TypeFilter,
        SeverityFilter, ReasonFilter, EventFilter, DigestFilter,
    )  # fmt: skip
    search_fields = ("connector_name", "message__title", "message__resource", "message_id", "key", "note")
    search_help_text = "Connector, title, resource, note, or an id"
    actions: tuple[str, ...] = ("redeliver_selected", "cancel_selected", "export_selected")
    buttons = {"redeliver": "redeliver", "cancel": "redeliver"}

    when = "created_at"
    quick = frozenset(
        (
            "status__exact",
            "status__isnull",
            "connector__id__exact",
            "connector__isnull",
            "since",
            "until",
        )
    )
    narrow = frozenset(("event", "sent_in"))

    # --- The list

    @admin.display(description="title")
    def title(self, delivery: Delivery) -> SafeString:
        """What it is about, and of which type that is; long ones are cut where the column ends."""
        return format_html(
            '<span class="kg-title" title="{0}">{0}</span><span class="kg-under">{1}</span>',
            title_of(delivery),
            event_type_of(delivery),
        )

    @admin.display(description="state")
    def state(self, delivery: Delivery) -> SafeString:
        """Where it stands."""
        return badge(delivery.status)

    @admin.display(description="connector")
    def connector_shown(self, delivery: Delivery) -> SafeString:
        """The connector's name, as it was then."""
        return format_html('<span class="kg-title kg-name" title="{0}">{0}</span>', delivery.connector_name)

    @admin.display(description="severity")
    def severity(self, delivery: Delivery) -> SafeString | str:
        """How bad what it reports is."""
        severity = severity_of(delivery)
        return badge(severity) if severity else ""

    @admin.display(description="attempts")
    def attempts(self, delivery: Delivery) -> int:
        """How often it was tried."""
        return delivery.attempt_count

    @admin.display(description="next try")
    def next_try(self, delivery: Delivery) -> SafeString | None:
        """What it waits for, while it is still on its way."""
        following = next_try(delivery, timezone.now(), being_sent=_is_being_sent(delivery))
        if following is None:
            return None
        if following.at is not None:
            return moments.labelled(following.words, following.at)
        return format_html('<span class="kg-nowrap">{}</span>', following.words)

    @admin.display(description="written", ordering="created_at")
    def created(self, delivery: Delivery) -> SafeString:
        """When it was written."""
        return moments.shown(delivery.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """With each one's connector, but without its configuration, which takes decrypting.

        And with whether it is being sent.
        """
        deliveries = super().get_queryset(request).select_related("connector")
        deliveries = deliveries.annotate(being_sent=Q(pk__in=leases.taken()))
        return deliveries.defer("connector__secrets", "connector__options")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the way to take along what is shown."""
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export")
        query = request.GET.urlencode()
        context = {
            "export_url": f"{address}?{query}" if query else address,
            "export_at_most": export.AT_MOST,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def with_id(self, rows: QuerySet[Delivery], asked: uuid.UUID) -> QuerySet[Delivery]:
        """The delivery of that id, or those that tell of the event of that id."""
        return rows.filter(Q(pk=asked) | Q(message_id=str(asked)))

    # --- Who may do what

    def has_view_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        """Whoever may view deliveries, or have them sent again."""
        return request.user.has_perm("connectors.view_delivery") or self.has_redeliver_permission(request)

    def has_redeliver_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        """Sending once more, and cancelling, take the right to change deliveries."""
        return request.user.has_perm("connectors.change_delivery")

    # --- Sending once more

    @admin.action(description="Send selected deliveries once more", permissions=["redeliver"])
    def redeliver_selected(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        """Sends those that are settled and still have a connector."""
        chosen = _chosen(deliveries)
        sent = redelivery.redeliver(chosen)
        words = f"{sent} of {len(chosen)} are sent once more."
        if sent < len(chosen):
            words += " The others are still on their way, or have no connector any more."
        if sent:
            words += tasks.hold_up()
        self.message_user(request, words, messages.SUCCESS if sent else messages.WARNING)

    def redeliver(self, request: HttpRequest, delivery: Delivery) -> None:
        """Sends one delivery once more."""
        self.redeliver_selected(request, Delivery.objects.filter(pk=delivery.pk))

    # --- Cancelling

    @admin.action(description="Cancel selected deliveries", permissions=["redeliver"])
    def cancel_selected(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> HttpResponse | None:
        """Asks why, then cancels those that nobody is sending and that have not settled."""
        chosen = _chosen(deliveries)
        if "why" not in request.POST:
            return self._ask_why(request, chosen)
        done = cancellation.cancel(chosen, by=request.user.get_username(), why=request.POST["why"])
        words = f"{done} of {len(chosen)} are cancelled."
        if done < len(chosen):
            words += " The others have settled already, or are being sent right now."
        self.message_user(request, words, messages.SUCCESS if done else messages.WARNING)
        return None

    def _ask_why(self, request: HttpRequest, chosen: list[Delivery]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Cancel deliveries",
            "chosen": len(chosen),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "longest": cancellation.LONGEST_WHY,
        }
        return TemplateResponse(request, "admin/connectors/delivery/cancel.html", context)

    def cancel(self, request: HttpRequest, delivery: Delivery) -> None:
        """Cancels one delivery."""
        why = request.POST.get("why", "")
        if cancellation.cancel([delivery], by=request.user.get_username(), why=why):
            self.message_user(request, "Cancelled: it is not sent any more.", messages.SUCCESS)
            return
        delivery.refresh_from_db()
        self.message_user(request, cancellation.refusal(delivery), messages.WARNING)

    # --- Taking along

    def get_urls(self) -> list[URLPattern]:
        """With the address of the file."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export), name=name), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows with these parameters, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            shown: Any = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"../?{ERROR_FLAG}=1")  # as the list itself does
        return export.download(shown.queryset)

    @admin.action(description="Export selected deliveries as CSV", permissions=["view"])
    def export_selected(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> HttpResponseBase:
        """Those that were selected, as CSV."""
        chosen = [delivery.pk for delivery in _chosen(deliveries)]
        return export.download(Delivery.objects.filter(pk__in=chosen))

    # --- The page of one

    def event_url(self, request: HttpRequest, delivery: Delivery) -> str:
        """The page of what it reports. Whoever knows of events says where that is."""
        return ""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How it stands, every attempt, and the message: a page to read, with buttons."""
        page = "admin/connectors/delivery/page.html"
        return self.page_to_read(request, object_id, page, self._shown, extra_context, title=title_of)

    def _shown(self, request: HttpRequest, delivery: Delivery) -> dict[str, Any]:
        now = timezone.now()
        listed = reverse("admin:connectors_delivery_changelist")
        others = delivery_page.others(delivery)
        return {
            "original": delivery,
            "state": badge(delivery.status),
            "severity": self.severity(delivery),
            "event_type": event_type_of(delivery),
            "service": dict(registry.choices()).get(delivery.provider, delivery.provider),
            "asked_by": delivery_page.asked_by(delivery.origin),
            "connector_url": self._connector_url(request, delivery),
            "event_url": self.event_url(request, delivery),
            "remote_url": delivery_page.remote_link(delivery),
            "written": moments.shown(delivery.created_at, now),
            "said": _SAID.get(delivery.status, "What is to be said"),
            "settled": moments.shown(delivery.settled_at, now) if delivery.settled_at else "",
            "next_try": self.next_try(delivery),
            "trouble": remedies.trouble(delivery),
            "steps": delivery_page.timeline(delivery, now, being_sent=_is_being_sent(delivery)),
            "card": delivery_page.card(delivery),
            "raw": pretty(delivery.message),
            "remote": pretty(delivery.remote) if delivery.remote else "",
            "is_digest": delivery.origin == ORIGIN,
            "contents_url": link(listed, sent_in=delivery.pk),
            "others": [
                (other, badge(other.status), moments.shown(other.created_at, now))
                for other in others[: delivery_page.OTHERS]
            ],
            "others_url": link(listed, event=delivery.message_id) if others else "",
            "may_redeliver": self.has_redeliver_permission(request),
            "can_redeliver": delivery_page.may_be_sent_again(delivery),
            "can_cancel": delivery_page.may_be_cancelled(delivery, being_sent=_is_being_sent(delivery)),
            "longest": cancellation.LONGEST_WHY,
        }

    def _connector_url(self, request: HttpRequest, delivery: Delivery) -> str:
        if delivery.connector_id is None or not request.user.has_perm("connectors.view_connector"):
            return ""
        return reverse("admin:connectors_connector_change", args=(delivery.connector_id,))


_SAID: dict[str, str] = {
    DeliveryStatus.DELIVERED: "What was said",
    DeliveryStatus.FAILED: "What was to be said",
    DeliveryStatus.CANCELLED: "What was to be said",
}


def _chosen(deliveries: QuerySet[Delivery]) -> list[Delivery]:
    """What an action is about: as many as the list has pages for, however many there are."""
    return list(deliveries.select_related(None).only("pk")[:COUNTED])


def _is_being_sent(delivery: Delivery) -> bool:
    return bool(getattr(delivery, "being_sent", False))
