"""Events in the admin: the list with its timeline, the page of one, and what people do with them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors import moments, text
from connectors.console.looking_back import LookingBackPage
from connectors.console.pages import COUNTED, badge
from connectors.console.record_filters import link, other_row
from connectors.message import Severity
from events import handling, silencing
from events.console import event_chart, event_page
from events.console.event_filters import (
    AttentionFilter,
    EventTypeFilter,
    NamespaceFilter,
    SeenFilter,
    SilenceFilter,
)
from events.console.silence_form import DURATIONS
from events.models import Event, EventStatus
from events.routing import inquiry
from events.routing.subscription_keys import Wrong

RANK = Case(
    *(When(severity=severity.value, then=Value(severity.rank)) for severity in Severity),
    default=Value(-1),
    output_field=IntegerField(),
)
"""How bad it is, to sort by."""


@admin.register(Event)
class EventAdmin(LookingBackPage[Event]):
    """What happened. Nobody edits it; people acknowledge it, resolve it by hand, or silence its kind."""

    list_display = ("name", "state", "badness", "event_type", "place", "seen")
    list_filter = (
        "status", AttentionFilter, "severity", SeenFilter, EventTypeFilter,
        ("cluster", other_row("cluster", "of no cluster")), NamespaceFilter, SilenceFilter,
    )  # fmt: skip
    list_before_template = "admin/events/event/chart.html"
    search_fields = ("title", "resource", "subject", "namespace", "cluster_name")
    search_help_text = "Title, resource, namespace, cluster, or an id"
    nothing_yet = "What goes wrong in a watched cluster stands here, and what is reported over the API."
    actions = ("acknowledge_selected", "resolve_selected")
    buttons = {
        "acknowledge": "events.handle_event",
        "resolve": "events.handle_event",
        "silence": "events.add_silence",
    }

    when = "first_seen"
    quick = frozenset(("status__exact", "event_type", "since", "until"))
    narrow = frozenset(("silence",))
    resorts = True

    # --- The list

    @admin.display(description="event")
    def name(self, event: Event) -> SafeString:
        """What it is about, and how many it concerns; long ones are cut where the column ends."""
        shown = format_html('<span class="kg-title kg-event-title" title="{0}">{0}</span>', event.title)
        if event.count == 1:
            return shown
        return format_html(
            '{} <span class="kg-quiet" title="objects or occurrences">×{}</span>', shown, event.count
        )

    @admin.display(description="state", ordering="status")
    def state(self, event: Event) -> SafeString:
        """Where it stands."""
        shown = format_html_join("", "{}", ((label,) for label in event_page.badges(event)))
        return format_html('<span class="kg-labels">{}</span>', shown)

    @admin.display(description="severity", ordering=RANK)
    def badness(self, event: Event) -> SafeString:
        """How bad it is."""
        return badge(event.severity)

    @admin.display(description="where")
    def place(self, event: Event) -> SafeString | str:
        """Cluster and namespace."""
        parts = [part for part in (event.cluster_name, event.namespace) if part]
        return format_html('<span class="kg-place">{}</span>', " / ".join(parts)) if parts else ""

    @admin.display(description="first seen", ordering="first_seen")
    def seen(self, event: Event) -> SafeString:
        """When it was noticed."""
        return moments.shown(event.first_seen)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the bars of what is shown."""
        answer = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data and "cl" in answer.context_data:
            answer.context_data["chart"] = event_chart.chart(answer.context_data["cl"])
        return answer

    # --- What people do

    def has_handle_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        """Whether somebody may acknowledge and resolve."""
        return request.user.has_perm("events.handle_event")

    @admin.action(description="Acknowledge selected events", permissions=["handle"])
    def acknowledge_selected(self, request: HttpRequest, events: QuerySet[Event]) -> None:
        """Says that somebody is on those that are open."""
        chosen = _chosen(events)
        done = handling.acknowledge(chosen, request.user.get_username())
        self._tell(request, len(done), len(chosen), "acknowledged", "are not open, or were before")

    @admin.action(description="Resolve selected events", permissions=["handle"])
    def resolve_selected(self, request: HttpRequest, events: QuerySet[Event]) -> None:
        """Ends those that are open by hand."""
        chosen = _chosen(events)
        done = handling.resolve(chosen, request.user.get_username())
        self._tell(request, len(done), len(chosen), "resolved", "are not open")

    def _tell(self, request: HttpRequest, done: int, chosen: int, what: str, otherwise: str) -> None:
        words = f"{done} of {chosen} {'is' if done == 1 else 'are'} {what}."
        if done < chosen:
            words += f" The others {otherwise}."
        self.message_user(request, words, messages.SUCCESS if done else messages.WARNING)

    def acknowledge(self, request: HttpRequest, event: Event) -> None:
        """Says that somebody is on one event."""
        by, note = request.user.get_username(), request.POST.get("note", "")
        if handling.acknowledge([event.pk], by, note):
            words = "Acknowledged. Whoever was told of it hears that you are on it."
            self.message_user(request, words, messages.SUCCESS)
            return
        words = "It is not open any more, or was acknowledged before."
        self.message_user(request, words, messages.WARNING)

    def resolve(self, request: HttpRequest, event: Event) -> None:
        """Ends one event by hand."""
        by, note = request.user.get_username(), request.POST.get("note", "")
        if handling.resolve([event.pk], by, note):
            words = "Resolved. Whoever was told of it hears that it is over."
            self.message_user(request, words, messages.SUCCESS)
            return
        self.message_user(request, "It is not open any more.", messages.WARNING)

    def silence(self, request: HttpRequest, event: Event) -> None:
        """Silences that kind of event."""
        reason = text.one_line(request.POST.get("reason", ""))
        try:
            lasting = silencing.duration(request.POST.get("duration"))
            wrong = silencing.problem_of_times(timezone.now(), timezone.now() + lasting)
        except Wrong as error:
            lasting, wrong = timedelta(), str(error)
        if not reason:
            wrong = "Say why nobody needs to hear of it."
        if wrong or len(reason) > 500:
            self.message_user(request, f"Not silenced. {wrong or 'The reason is too long.'}", messages.ERROR)
            return
        silence = silencing.silence_kind(event, timezone.now() + lasting, reason, request.user.get_username())
        page = reverse("admin:events_silence_change", args=(silence.pk,))
        words = format_html(
            'Silenced until {}. <a href="{}">See the silence</a>',
            f"{silence.ends_at:%-d %b, %H:%M} UTC",
            page,
        )
        self.message_user(request, words, messages.SUCCESS)

    # --- The page of one

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How it stands, what happened, its life, and who was told: a page to read, with buttons."""
        page = "admin/events/event/page.html"
        return self.page_to_read(request, object_id, page, self._shown, extra_context)

    def _shown(self, request: HttpRequest, event: Event) -> dict[str, Any]:
        now = timezone.now()
        user = request.user
        listed = reverse("admin:events_event_changelist")
        deliveries = event_page.deliveries_of(event) if user.has_perm("connectors.view_delivery") else []
        may_ask_why = user.has_perm("events.view_subscription")
        is_open = event.status == EventStatus.FIRING
        may_handle = self.has_handle_permission(request)
        may_see_silences = user.has_perm("events.view_silence")
        return {
            "original": event,
            "severity": badge(event.severity),
            "badges": event_page.badges(event),
            "standing": event_page.standing(event, now),
            "cluster_url": reverse("admin:events_cluster_change", args=(event.cluster_id,))
            if event.cluster_id is not None and user.has_perm("events.view_cluster")
            else "",
            "namespace_url": link(listed, namespace=event.namespace),
            "type_url": link(listed, event_type=event.event_type),
            "details": event_page.details(event),
            "holds": list(inquiry.holds_of(event)),
            "covering": event_page.covering(event, now) if may_see_silences else [],
            "may_see_silences": may_see_silences,
            "steps": event_page.life(event, deliveries),
            "relations": event_page.related(event),
            "deliveries": [
                (each, badge(each.status), moments.shown(each.created_at, now)) for each in deliveries
            ],
            "may_see_deliveries": user.has_perm("connectors.view_delivery"),
            "may_see_connectors": user.has_perm("connectors.view_connector"),
            "may_ask_why": may_ask_why,
            "why": _why(event) if may_ask_why else None,
            "can_acknowledge": may_handle and is_open and event.acknowledged_at is None,
            "can_resolve": may_handle and is_open,
            "can_silence": user.has_perm("events.add_silence"),
            "silenced_kind": silencing.of_kind(event),
            "durations": DURATIONS.items(),
            "longest": handling.NOTE_LIMIT,
        }


def _why(event: Event) -> dict[str, Any]:
    explained = inquiry.why(event)
    return {
        "answers": [(answer, badge(str(answer.outcome))) for answer in explained.answers],
        "more": ", ".join(f"{amount} {outcome}" for outcome, amount in explained.more.items()),
    }


def _chosen(events: QuerySet[Event]) -> list[uuid.UUID]:
    """What an action is about: as many as the list has pages for, however many there are."""
    return list(events.values_list("pk", flat=True)[:COUNTED])
