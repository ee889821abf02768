"""The form of a subscription: what it offers, and how what is entered is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from connectors.console.form_fields import JSONTextField, LinesField
from connectors.console.seen import SeenForm
from connectors.message import Severity
from events import catalog
from events.console.subscription_widgets import (
    ConditionsWidget,
    EventTypesWidget,
    NamesWidget,
    ScheduleWidget,
    SeverityWidget,
)
from events.models import Subscription
from events.routing.subscription_keys import KEYS, Wrong

SEVERITY_WORDS = {
    Severity.CRITICAL: "only what is critical",
    Severity.HIGH: "high and critical",
    Severity.MEDIUM: "medium and worse",
    Severity.LOW: "low and worse",
    Severity.INFO: "everything",
}


def event_type_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every name that a subscription may hold, under the headings of the catalog."""
    groups: dict[str, list[tuple[str, str]]] = {
        "Several at once": [(catalog.ALL, "every type, present and future")]
        + [(alias, " or ".join(sorted(types))) for alias, types in catalog.ALIASES.items()]
    }
    for event_type in catalog.EVENT_TYPES.values():
        choice = (event_type.name, event_type.description)
        groups.setdefault(event_type.category.value, []).append(choice)
    return list(groups.items())


class EventTypesField(forms.MultipleChoiceField):
    """Event types and aliases, picked by category."""

    widget = EventTypesWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=event_type_choices, **kwargs)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compares the names, whatever their order."""
        return set(initial or ()) != set(data or ())


class ScheduleField(forms.Field):
    """Delivery hours, or always. What they must be is known to `events.routing.subscription_keys`."""

    widget = ScheduleWidget

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compares what is meant."""
        return (initial or {}) != (data or {})


class SubscriptionForm(SeenForm[Subscription]):
    """Which events a connector receives."""

    event_types = EventTypesField(
        required=False,
        help_text="None for every type; with a cost_threshold among the conditions, for the cost events.",
    )
    min_severity = forms.ChoiceField(
        label="Minimum severity",
        initial=Severity.INFO.value,
        choices=[(severity.value, words) for severity, words in SEVERITY_WORDS.items()],
        widget=SeverityWidget,
    )
    namespaces = LinesField(
        required=False,
        widget=NamesWidget("namespaces"),
        help_text="Names or patterns such as prod-*, one per line; none for all of them, and for nodes.",
    )
    clusters = LinesField(
        required=False,
        widget=NamesWidget("clusters"),
        help_text="Names or patterns of clusters, one per line; none for all.",
    )
    conditions = JSONTextField(required=False, widget=ConditionsWidget, help_text="All of them must hold.")
    schedule = ScheduleField(
        required=False,
        label="Hours",
        help_text="Outside them the connector is not told. What is still open when they begin is told then;"
        " that something is over is told at any hour.",
    )

    class Meta:
        model = Subscription
        fields = (
            "connector",
            "enabled",
            "event_types",
            "min_severity",
            "namespaces",
            "clusters",
            "conditions",
            "schedule",
            "send_resolved",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["conditions"] = self.initial.get("conditions") or None
        self._offer(self.initial.get("event_types") or ())

    def _offer(self, names: Sequence[str]) -> None:
        """Shows names that are stored but no longer known, so that saving does not drop them unseen."""
        field = self.fields.get("event_types")
        groups = event_type_choices()
        known = {name for _, group in groups for name, _ in group}
        unknown = [(name, "there is no such type any more") for name in names if name not in known]
        if unknown and isinstance(field, EventTypesField):
            field.choices = [*groups, ("Unknown", unknown)]

    def clean(self) -> dict[str, Any]:
        """Reads each key as a file's would be read; a mistake lands at its field."""
        cleaned = super().clean() or {}
        if cleaned.get("conditions", "") is None:
            cleaned["conditions"] = {}
        for key in KEYS.values():
            if key.field in cleaned:
                try:
                    cleaned[key.field] = key.read(cleaned[key.field])
                except Wrong as error:
                    for text in error.problems.values():
                        self.add_error(key.field, text)
        return cleaned


class OfNewConnectorForm(SubscriptionForm):
    """A subscription on the page on which a connector is added.

    The first one counts as it stands there, also where nobody has touched it: what it shows is a subscription
    to everything, and whoever wants none removes it. Further ones that nobody has filled in are not meant.
    """

    def has_changed(self) -> bool:
        """Whether it is to be saved."""
        return str(self.prefix).endswith("-0") or super().has_changed()


class DraftForm(SubscriptionForm):
    """A subscription as it is typed, to be tried: it need not have a connector yet."""

    def __init__(self, data: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        self.fields["connector"].required = False
        del self.fields["version"]  # nothing is overwritten

    def draft(self) -> Subscription:
        """What is typed, not saved."""
        names = [name for name in self.cleaned_data if name in SubscriptionForm.Meta.fields]
        return Subscription(**{name: self.cleaned_data[name] for name in names})
