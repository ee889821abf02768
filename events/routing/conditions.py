"""The `conditions` of a subscription: plain keys and values, each of which must hold. Pure.

An unknown key or a value of the wrong kind is an error when it is saved, never silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Protocol

from connectors.message import JSONDict


class Facts(Protocol):
    """What is known of an event when it is matched."""

    @property
    def cluster(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def details(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """One key: what it means in words, what its value must be, and the test."""

    meaning: str
    wants: str
    valid: Callable[[Any], bool]
    holds: Callable[[Facts, Any], bool]

    @property
    def numeric(self) -> bool:
        """Whether its value is a number; else it is a text or a list of them."""
        return self.valid is _is_number


def matches(patterns: str | list[str], value: str) -> bool:
    """Whether `value` is one of the names, or fits one of the patterns (`*` and `?`)."""
    several = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(value, pattern) for pattern in several)


def _text(read: Callable[[Facts], str], what: str) -> Condition:
    return Condition(
        f"the {what} is one of these names or patterns",
        'a name or pattern such as "prod-*", or a list of them',
        lambda value: (
            isinstance(value, str)
            or (isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value))
        ),
        lambda facts, value: matches(value, read(facts)),
    )


def _at_least(read: Callable[[Facts], Any], what: str) -> Condition:
    return Condition(
        f"{what} is at least this; an event that does not tell it does not match",
        "a number",
        _is_number,
        lambda facts, value: _is_number(known := read(facts)) and known >= value,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _detail(name: str) -> Callable[[Facts], Any]:
    return lambda facts: facts.details.get(name)


COST_THRESHOLD = "cost_threshold"

CONDITIONS: dict[str, Condition] = {
    "namespace": _text(lambda facts: facts.namespace, "namespace"),
    "cluster": _text(lambda facts: facts.cluster, "cluster"),
    "resource": _text(lambda facts: facts.resource, "resource (Kind/name)"),
    "title": _text(lambda facts: facts.title, "title"),
    "count": _at_least(lambda facts: facts.count, "the number of objects concerned"),
    COST_THRESHOLD: _at_least(_detail("monthly_cost"), "the monthly cost"),
    "restart_count": _at_least(_detail("restart_count"), "the number of restarts"),
    "exit_code": _at_least(_detail("exit_code"), "the exit code"),
    "replicas": _at_least(_detail("replicas"), "the number of replicas"),
}


def problems(conditions: object) -> dict[str, str]:
    """What is wrong with these conditions, by key, in words; empty when they are fine."""
    if not isinstance(conditions, dict):
        return {"": 'Conditions are an object such as {"namespace": "production"}.'}
    found: dict[str, str] = {}
    for key, value in conditions.items():
        condition = CONDITIONS.get(key)
        if condition is None:
            close = get_close_matches(str(key), CONDITIONS, n=1)
            meant = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(CONDITIONS)}."
            found[str(key)] = f"There is no condition {key!r}. {meant}"
        elif not condition.valid(value):
            found[str(key)] = f"{key!r} wants {condition.wants}."
    return found


def first_that_fails(conditions: JSONDict, facts: Facts) -> str | None:
    """Why these conditions do not hold, in words; None when all do."""
    for key, value in conditions.items():
        condition = CONDITIONS.get(key)
        if condition is None:
            return f"the condition {key!r} is not known"
        if not condition.holds(facts, value):
            return f"condition {key}={value!r}: it must be that {condition.meaning}"
    return None
