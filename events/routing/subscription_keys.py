"""What may be said of a subscription: each key, what goes without saying, and how its value is read. Pure.

Files, forms and the API say the same things, and are told the same when they are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.message import JSONDict, Severity
from events import catalog
from events.routing import conditions as known_conditions
from events.routing import schedule as hours


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a subscription: the model's field, what goes without saying, and how the value is read."""

    field: str
    default: Any
    read: Callable[[Any], Any]


class Wrong(ValueError):
    """What is wrong with a value, by the place inside it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


def event_types(value: Any) -> list[str]:
    """Names of event types, aliases or `all`. Raises Wrong."""
    names = names_or_patterns(value)
    wrong = {}
    for index, name in enumerate(names):
        try:
            catalog.expand([name])
        except catalog.UnknownEventType as error:
            wrong[f"[{index}]"] = str(error)
    if wrong:
        raise Wrong(wrong)
    return names


def conditions(value: Any) -> JSONDict:
    """Conditions as `conditions` knows them. Raises Wrong."""
    wrong = known_conditions.problems(value)
    if wrong:
        raise Wrong({f".{name}" if name else "": text for name, text in wrong.items()})
    return dict(value)


def schedule(value: Any) -> JSONDict:
    """Delivery hours as `schedule` knows them, in the one form they are stored in. Raises Wrong."""
    wrong = hours.problems(value)
    if wrong:
        raise Wrong({f".{name}" if name else "": text for name, text in wrong.items()})
    return hours.normal(value)


def severity(value: Any) -> str:
    """A severity, the least that is wanted. Raises Wrong."""
    try:
        return Severity(value).value
    except ValueError:
        known = ", ".join(Severity)
        raise Wrong({"": f"There is no severity {value!r}. There are: {known}."}) from None


def names_or_patterns(value: Any) -> list[str]:
    """A list of texts, or one text with commas. Raises Wrong."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Wrong({"": 'This must be a list of texts, such as ["production"].'})
    return list(dict.fromkeys(item.strip() for item in value if item.strip()))


def flag(value: Any) -> bool:
    """True or false. Raises Wrong."""
    if not isinstance(value, bool):
        raise Wrong({"": "This must be true or false."})
    return value


KEYS: dict[str, Key] = {
    "events": Key("event_types", [], event_types),
    "conditions": Key("conditions", {}, conditions),
    "severity": Key("min_severity", Severity.INFO.value, severity),
    "namespaces": Key("namespaces", [], names_or_patterns),
    "clusters": Key("clusters", [], names_or_patterns),
    "schedule": Key("schedule", {}, schedule),
    "enabled": Key("enabled", True, flag),
    "send_resolved": Key("send_resolved", True, flag),
}
