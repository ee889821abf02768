"""Silences in the admin: what is silenced, until when and why, and what that held back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors import moments
from connectors.console.pages import ConsolePage, badge
from connectors.console.record_filters import link
from events import silences, silencing
from events.console.event_page import badges
from events.console.silence_form import SilenceForm, SilenceInForceForm
from events.models import Event, EventStatus, Silence, SilenceState

SHOWN = 25
"""Events that a silence's page lists at most."""


class StateFilter(admin.SimpleListFilter):
    """By whether it is in force."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three."""
        return [(state.value, str(state.label).capitalize()) for state in SilenceState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Silence]) -> QuerySet[Silence]:
        """Those in that state."""
        known = {state.value: state for state in SilenceState}
        state = known.get(self.value() or "")
        return silences.in_state(queryset, state) if state else queryset


@admin.register(Silence)
class SilenceAdmin(ConsolePage[Silence]):
    """Maintenance windows and what is known. They are ended, never deleted."""

    form = SilenceForm
    list_display = ("reason_shown", "state_shown", "what", "begins", "ends", "created_by")
    list_filter = (StateFilter,)
    search_fields = ("reason", "created_by")
    search_help_text = "Reason, or who made it"
    nothing_yet = "A silence holds messages back while work is planned. What happens is still on record."
    buttons = {"end": "events.change_silence"}  # also of one that is over: then it says so
    show_full_result_count = False

    # --- The list

    @admin.display(description="reason")
    def reason_shown(self, silence: Silence) -> SafeString:
        """Why; long ones are cut where the column ends."""
        return format_html('<span class="kg-title kg-short" title="{0}">{0}</span>', silence.reason)

    @admin.display(description="state")
    def state_shown(self, silence: Silence) -> SafeString:
        """Whether it is in force."""
        return badge(silence.state.value)

    @admin.display(description="what")
    def what(self, silence: Silence) -> SafeString:
        """What it is about, in a line."""
        return format_html('<span class="kg-title kg-short" title="{0}">{0}</span>', in_words(silence))

    @admin.display(description="from", ordering="starts_at")
    def begins(self, silence: Silence) -> SafeString:
        """When it begins or began."""
        return moments.shown(silence.starts_at)

    @admin.display(description="to", ordering="ends_at")
    def ends(self, silence: Silence) -> SafeString:
        """When it is or was over."""
        return moments.shown(silence.over_at)

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """What is in force first, then what is coming; of each the latest first."""
        now = timezone.now()
        rank = Case(
            When(Q(ended_at__isnull=False) | Q(ends_at__lte=now), then=Value(2)),
            When(starts_at__gt=now, then=Value(1)),
            default=Value(0),
            output_field=IntegerField(),
        )
        return (rank, "-starts_at", "-pk")

    # --- Who may do what

    def has_delete_permission(self, request: HttpRequest, obj: Silence | None = None) -> bool:
        """It is why people were not told, and stays on record."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Silence | None = None) -> bool:
        """What is over is a record."""
        if obj is not None and obj.state is SilenceState.OVER:
            return False
        return super().has_change_permission(request, obj)

    # --- Its form

    def get_form(
        self, request: HttpRequest, obj: Silence | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Silence]]:
        """Once it is in force, the end and the reason alone."""
        if _in_force(obj):
            kwargs["form"] = SilenceInForceForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Silence | None = None) -> Any:
        """Why and when, then what."""
        if _in_force(obj):
            return [(None, {"fields": ("reason", "duration", "ends_at")})]
        what = "Every matcher that is filled in must hold. For everything, enter * under clusters."
        return [
            (None, {"fields": ("reason", "starts_at", "duration", "ends_at")}),
            (
                "What is silenced",
                {"fields": ("clusters", "namespaces", "resources", "event_types"), "description": what},
            ),
        ]

    def save_model(self, request: HttpRequest, obj: Silence, form: Any, change: bool) -> None:
        """With the name of who made it."""
        if not change:
            obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Silence, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to its page."""
        self.message_user(request, "The silence is on record.", messages.SUCCESS)
        return HttpResponseRedirect(self.page_of(obj))

    def response_change(self, request: HttpRequest, obj: Silence) -> HttpResponse:
        """Back to its page."""
        self.message_user(request, "The silence is changed.", messages.SUCCESS)
        return HttpResponseRedirect(self.page_of(obj))

    # --- The page of one

    def end(self, request: HttpRequest, silence: Silence) -> None:
        """Ends it now."""
        if silences.end(silence, request.user.get_username()):
            words = "Ended. What it held back and is still so is told within seconds."
            self.message_user(request, words, messages.SUCCESS)
            return
        self.message_user(request, "It is over already.", messages.WARNING)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What it silences and what it held back; its form with `?edit`."""
        silence = self.get_object(request, unquote(object_id))
        if silence is not None and "version" in request.POST and self._over_meanwhile(request, silence):
            words = f"{standing(silence)}, after you had opened the page. Nothing has been saved."
            self.message_user(request, words, messages.WARNING)
            return HttpResponseRedirect(self.page_of(silence))
        if request.method == "POST" or "edit" in request.GET:
            return super().change_view(request, object_id, form_url, extra_context)
        page = "admin/events/silence/page.html"
        return self.page_to_read(request, object_id, page, self._shown, extra_context)

    def _over_meanwhile(self, request: HttpRequest, silence: Silence) -> bool:
        """Whether somebody who may change silences is late with this one."""
        return silence.state is SilenceState.OVER and super().has_change_permission(request, silence)

    def _shown(self, request: HttpRequest, silence: Silence) -> dict[str, Any]:
        now = timezone.now()
        may_see_events = request.user.has_perm("events.view_event")
        held = list(_held(silence)[: SHOWN + 1]) if may_see_events else []
        waiting = Event.objects.filter(silence=silence, held=True, status=EventStatus.FIRING)
        waiting_count = waiting[: SHOWN + 1].count()
        return {
            "original": silence,
            "state": badge(silence.state.value),
            "standing": standing(silence),
            "matchers": [(name.replace("_", " "), getattr(silence, name)) for name in silencing.MATCHERS],
            "from_": moments.shown(silence.starts_at, now),
            "to": moments.shown(silence.ends_at, now),
            "made": moments.shown(silence.created_at, now),
            "ended": moments.shown(silence.ended_at, now) if silence.ended_at else "",
            "may_see_events": may_see_events,
            "held": [
                (event, badge(event.severity), badges(event), moments.shown(event.first_seen, now))
                for event in held[:SHOWN]
            ],
            "more": len(held) > SHOWN,
            "waiting": f"{SHOWN} or more" if waiting_count > SHOWN else waiting_count,
            "held_url": link(reverse("admin:events_event_changelist"), silence=silence.pk),
            "can_change": self.has_change_permission(request, silence),
        }


def in_words(silence: Silence) -> str:
    """What it is about: `pod_crash of Deployment/web in shop, on production`."""
    said = ", ".join(silence.event_types) or "everything"
    if silence.resources:
        said += f" of {', '.join(silence.resources)}"
    if silence.namespaces:
        said += f" in {', '.join(silence.namespaces)}"
    return f"{said}, on {', '.join(silence.clusters)}" if silence.clusters else said


def standing(silence: Silence) -> str:
    """How far along it is: `In force for another 40 min`."""
    now = timezone.now()
    if silence.state is SilenceState.COMING:
        return f"Begins {moments.in_words(silence.starts_at, now)}"
    if silence.state is SilenceState.IN_FORCE:
        return f"In force for another {moments.span((silence.ends_at - now).total_seconds())}"
    if silence.ended_by:
        return f"Ended by {silence.ended_by} {moments.in_words(silence.over_at, now)}"
    return f"Over since {moments.in_words(silence.over_at, now)}"


def _held(silence: Silence) -> QuerySet[Event]:
    return Event.objects.filter(silence=silence).order_by("-first_seen")


def _in_force(silence: Silence | None) -> bool:
    return silence is not None and silence.state is SilenceState.IN_FORCE
