"""Who wants to hear of an event. Pure: each verdict names the first clause that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from connectors.message import JSONDict, Severity
from events import catalog
from events.routing import conditions
from events.routing.schedule import Hours


class EventFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an event when it is matched.

    `at` is when the connector would be told; without it, hours decide nothing.
    """

    event_type: str
    severity: Severity
    cluster: str = ""
    namespace: str = ""
    resource: str = ""
    title: str = ""
    count: int = 1
    details: Mapping[str, Any] = {}
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A subscription made ready for matching.

    `types` is None for every type, present and future; `hours` is None for always.
    """

    subscription_id: int
    connector_id: int
    types: frozenset[str] | None = None
    min_severity: Severity = Severity.INFO
    namespaces: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    conditions: JSONDict = field(default_factory=dict)
    hours: Hours | None = None
    send_resolved: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an event is wanted, and the clause that decided."""

    wanted: bool
    reason: str


def types_of(event_types: list[str], with_conditions: JSONDict) -> frozenset[str] | None:
    """The types a subscription asks for; None for every one.

    One that names none asks for all, except that a `cost_threshold` alone asks for the cost events, which
    are the only ones it can be true of. Raises catalog.UnknownEventType.
    """
    if event_types:
        return catalog.expand(event_types)
    return catalog.COST_EVENTS if conditions.COST_THRESHOLD in with_conditions else None


def judge(rule: Rule, facts: EventFacts) -> Verdict:
    """Whether this rule wants this event, clause by clause."""
    if rule.types is not None and facts.event_type not in rule.types:
        return Verdict(False, f"event type {facts.event_type} is not among those subscribed to")
    if not facts.severity.reaches(rule.min_severity):
        return Verdict(False, f"severity {facts.severity} is below the minimum {rule.min_severity}")
    if rule.clusters and not conditions.matches(rule.clusters, facts.cluster):
        return Verdict(False, f"cluster {facts.cluster!r} is not one of {', '.join(rule.clusters)}")
    if rule.namespaces and not conditions.matches(rule.namespaces, facts.namespace):
        return Verdict(False, f"namespace {facts.namespace!r} is not one of {', '.join(rule.namespaces)}")
    failing = conditions.first_that_fails(rule.conditions, facts)
    if failing is not None:
        return Verdict(False, failing)
    if rule.hours is not None and facts.at is not None and not rule.hours.include(facts.at):
        return _outside(rule.hours, rule.hours.next_beginning(facts.at))
    return _WANTED


_WANTED = Verdict(True, "every clause holds")


@lru_cache(maxsize=1024)
def _outside(hours: Hours, beginning: datetime) -> Verdict:
    return Verdict(False, f"outside its hours ({hours}); they begin {hours.moment(beginning)}")
