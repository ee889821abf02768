"""The form of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from connectors.form_fields import JSONTextField, LinesField
from events import catalog
from events import conditions as known_conditions
from events.models import Subscription
from events.subscription_keys import KEYS, Wrong


def event_type_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every name that a subscription may hold, under the headings of the catalog."""
    groups: dict[str, list[tuple[str, str]]] = {
        "Several at once": [(catalog.ALL, "all: every type, present and future")]
        + [(alias, f"{alias}: {', '.join(sorted(types))}") for alias, types in catalog.ALIASES.items()]
    }
    for event_type in catalog.EVENT_TYPES.values():
        label = f"{event_type.name}: {event_type.description}"
        groups.setdefault(event_type.category.value, []).append((event_type.name, label))
    return list(groups.items())


def condition_words() -> str:
    """What conditions there are, in a line for the form."""
    known = "; ".join(
        f"{name}: {condition.meaning}" for name, condition in known_conditions.CONDITIONS.items()
    )
    return f'All must hold. For example {{"namespace": "production"}}. {known}.'


class EventTypesField(forms.MultipleChoiceField):
    """Event types and aliases, picked by category."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=event_type_choices, **kwargs)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compares the names, whatever their order."""
        return set(initial or ()) != set(data or ())


class SubscriptionForm(forms.ModelForm[Subscription]):
    """Which events a connector receives."""

    event_types = EventTypesField(
        required=False,
        help_text="None for every type; with a cost_threshold among the conditions, for the cost events.",
    )
    namespaces = LinesField(required=False, help_text="Names or patterns such as prod-*, one per line.")
    clusters = LinesField(required=False, help_text="Names or patterns of clusters, one per line.")
    conditions = JSONTextField(required=False)

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
            "send_resolved",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["conditions"].help_text = condition_words()
        self.initial["conditions"] = self.initial.get("conditions") or None
        self._offer(self.initial.get("event_types") or ())

    def _offer(self, names: Sequence[str]) -> None:
        """Shows names that are stored but no longer known, so that saving does not drop them unseen."""
        field = self.fields["event_types"]
        groups = event_type_choices()
        known = {name for _, group in groups for name, _ in group}
        unknown = [(name, f"{name}: there is no such type any more") for name in names if name not in known]
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
