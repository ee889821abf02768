"""The forms of a silence: all of it, and what can still be changed while it is in force."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from connectors.console.form_fields import LinesField
from connectors.console.seen import SeenForm
from events import silencing
from events.console.subscription_form import EventTypesField
from events.models import Silence
from events.routing.subscription_keys import Wrong

DURATIONS = {
    "30m": "30 minutes",
    "1h": "1 hour",
    "2h": "2 hours",
    "8h": "8 hours",
    "1d": "1 day",
    "7d": "7 days",
}
"""How long to silence, as people choose it."""

UNTIL = "until"


class MomentField(forms.DateTimeField):
    """A moment, entered in UTC by the browser's own field for it."""

    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})
        super().__init__(widget=widget, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """As the browser's field takes it: to the minute."""
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M") if isinstance(value, datetime) else value


class SilenceForm(SeenForm[Silence]):
    """What is silenced, when, and why."""

    event_types = EventTypesField(required=False, help_text="None for every type.")
    clusters = LinesField(
        required=False, help_text="Names or patterns such as prod-*, one per line; * for all of them."
    )
    namespaces = LinesField(required=False, help_text="Names or patterns, one per line; none for all.")
    resources = LinesField(
        required=False,
        help_text="Kind/name of what it happens to or of its owner, such as Deployment/web or */web-*,"
        " one per line; none for all.",
    )
    starts_at = MomentField(required=False, label="From (UTC)", help_text="Leave it empty to begin at once.")
    duration = forms.ChoiceField(
        required=False,
        label="How long",
        choices=[*DURATIONS.items(), (UNTIL, "Until the time below")],
        initial="2h",
        widget=UnfoldAdminSelectWidget,
    )
    ends_at = MomentField(
        required=False, label="To (UTC)", help_text="Only if it is to last “Until the time below”."
    )

    class Meta:
        model = Silence
        fields: tuple[str, ...] = (
            "reason", "event_types", "clusters", "namespaces", "resources", "starts_at", "ends_at",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial.pop("starts_at", None)  # that is now, as long as the form is open
        else:
            self.initial["duration"] = UNTIL

    def clean(self) -> dict[str, Any]:
        """Reads matchers as the API reads them, and checks the whole; a mistake lands at its field."""
        cleaned = super().clean() or {}
        now, before = timezone.now(), self._before()
        for name, read in silencing.MATCHERS.items():
            if name in cleaned:
                try:
                    cleaned[name] = read(cleaned[name])
                except Wrong as error:
                    for text in error.problems.values():
                        self.add_error(name, text)
        if "starts_at" in self.fields:
            begins = cleaned.get("starts_at") or now
            cleaned["starts_at"] = begins if before is not None else max(now, begins)
        else:
            cleaned["starts_at"] = self.instance.starts_at
        chosen = cleaned.get("duration")
        if chosen and chosen != UNTIL:
            try:
                cleaned["ends_at"] = cleaned["starts_at"] + silencing.duration(chosen)
            except OverflowError:
                self.add_error("starts_at", "That is too far away.")
        if not cleaned.get("ends_at"):
            cleaned.pop("ends_at", None)  # or the silence that the page goes on to show would have none
            if not self.errors:
                self.add_error("ends_at", "Say when it ends, or choose how long it lasts.")
        if self.errors:
            return cleaned
        whole = {name: cleaned.get(name, getattr(self.instance, name)) for name in silencing.MATCHERS}
        whole |= {"starts_at": cleaned["starts_at"], "ends_at": cleaned["ends_at"]}
        for name, text in silencing.problems(whole, before).items():
            self.add_error(name if name in self.fields else None, text)
        return cleaned

    def _before(self) -> Silence | None:
        """As it is on record; the form's own instance changes as it is validated."""
        return Silence.objects.get(pk=self.instance.pk) if self.instance.pk else None


class SilenceInForceForm(SilenceForm):
    """What can be changed once it is in force: until when, and why."""

    event_types = clusters = namespaces = resources = starts_at = None  # type: ignore[assignment]  # not in this form

    class Meta(SilenceForm.Meta):
        fields = ("reason", "ends_at")
