"""How the form of a subscription looks. Without scripts, every widget is plain inputs that work.

`kubegraf/subscriptions.js` adds to them what makes them quick: a filter, suggestions, rows for conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.urls import reverse
from unfold.widgets import CHECKBOX_CLASSES, INPUT_CLASSES, RADIO_CLASSES, TEXTAREA_CLASSES

from events import catalog
from events.routing.conditions import CONDITIONS
from events.routing.schedule import DAYS
from events.watched import watched_types


class EventTypesWidget(forms.CheckboxSelectMultiple):
    """Event types as cards, one for each category."""

    template_name = "events/widgets/event_types.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With what each name means, how bad it is unless an event says otherwise, and who finds it."""
        context = super().get_context(name, value, attrs)
        context["classes"] = " ".join(CHECKBOX_CLASSES)
        context["groups"] = [
            {"name": group, "options": [{**option, **_known(option["value"])} for option in options]}
            for group, options, _ in context["widget"]["optgroups"]
        ]
        return context


def _known(name: str) -> dict[str, Any]:
    event_type = catalog.EVENT_TYPES.get(name)
    if event_type is None:
        return {"severity": "", "only_reported": False}
    by_nature = event_type.category is catalog.Category.OTHERS
    only_reported = not by_nature and name not in watched_types()
    return {"severity": event_type.severity.value, "only_reported": only_reported}


class SeverityWidget(forms.RadioSelect):
    """Severities side by side, each with what reaches it."""

    template_name = "events/widgets/severity.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With the theme's classes."""
        options = super().get_context(name, value, attrs)["widget"]["optgroups"]
        return {"options": [option for _, group, _ in options for option in group], "classes": _RADIO}


_RADIO = " ".join(RADIO_CLASSES)


class NamesWidget(forms.Textarea):
    """Names, one per line. `what` is the kind of names that the record can suggest."""

    def __init__(self, what: str) -> None:
        classes = " ".join(TEXTAREA_CLASSES)
        super().__init__({"rows": 3, "spellcheck": "false", "class": classes, "data-kg-suggest": what})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With the address of the suggestions."""
        address = reverse("admin:events_subscription_suggestions")
        return dict(super().get_context(name, value, {**(attrs or {}), "data-kg-url": address}))


class ConditionsWidget(forms.Textarea):
    """Conditions as JSON; with scripts, a row for each."""

    template_name = "events/widgets/conditions.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With what conditions there are."""
        context = super().get_context(name, value, {"rows": 3, "spellcheck": "false", **(attrs or {})})
        context["textarea"] = " ".join(TEXTAREA_CLASSES)
        context["input"] = " ".join(INPUT_CLASSES)
        context["known"] = [
            {
                "name": key,
                "meaning": condition.meaning,
                "wants": condition.wants,
                "numeric": condition.numeric,
            }
            for key, condition in CONDITIONS.items()
        ]
        return context


class ScheduleWidget(forms.Widget):
    """Always, or the days and times at which a connector is told."""

    template_name = "events/widgets/schedule.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With each part of the schedule for an input of its own."""
        context = super().get_context(name, None, attrs)
        said = value if isinstance(value, dict) else {}
        days = said.get("days", DAYS[:5] if not said else DAYS)
        end = said.get("to", "18:00")
        return {
            **context,
            "hours": bool(said),
            "days": [(day, day.capitalize(), day in days) for day in DAYS],
            "from": said.get("from", "08:00"),
            "to": "00:00" if end == "24:00" else end,  # what an input of a time can show
            "timezone": said.get("timezone", ""),
            "input": " ".join(INPUT_CLASSES),
            "radio": _RADIO,
            "checkbox": " ".join(CHECKBOX_CLASSES),
        }

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> dict[str, Any]:
        """The schedule that the inputs say; empty for always."""
        if data.get(f"{name}_mode") != "hours":
            return {}
        several = getattr(data, "getlist", lambda key: data.get(key, []))
        end = (data.get(f"{name}_to") or "").strip()
        return {
            "timezone": (data.get(f"{name}_timezone") or "").strip(),
            "days": list(several(f"{name}_days")),
            "from": (data.get(f"{name}_from") or "").strip(),
            "to": "24:00" if end == "00:00" else end,
        }

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Leaving it out means always."""
        return False

    def id_for_label(self, id_: str) -> str:
        """None: the group names itself."""
        return ""
