"""Every type of event: what it means, how bad it is by default, whether it is ever resolved, and its aliases.

Pure data, and the only list of event types there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from connectors.message import Severity

ALL = "all"


class Category(StrEnum):
    """The heading under which people find an event type."""

    INFRASTRUCTURE = "Infrastructure"
    APPLICATION = "Application"
    LOGS = "Logs"
    SECURITY = "Security"
    COST = "Cost"
    RECOMMENDATIONS = "ML recommendations"
    OTHERS = "From other systems"
    KUBEGRAF = "KubeGraf itself"


@dataclass(frozen=True, slots=True)
class EventType:
    """One type. `momentary` ones happen and are not resolved; the others open, and resolve when over."""

    name: str
    category: Category
    severity: Severity
    description: str
    momentary: bool = False


_C, _S = Category, Severity

EVENT_TYPES: dict[str, EventType] = {
    event_type.name: event_type
    for event_type in (
        EventType(
            "node_scaled_down",
            _C.INFRASTRUCTURE,
            _S.LOW,
            "A node was removed from the cluster.",
            momentary=True,
        ),
        EventType(
            "node_unhealthy",
            _C.INFRASTRUCTURE,
            _S.CRITICAL,
            "A node is not ready, or is short of a resource.",
        ),
        EventType(
            "pod_restarted",
            _C.INFRASTRUCTURE,
            _S.MEDIUM,
            "A container of a pod was restarted, or the pod was evicted.",
            momentary=True,
        ),
        EventType("pod_crash_loop", _C.INFRASTRUCTURE, _S.CRITICAL, "A container crashes again and again."),
        EventType(
            "pod_oom_restart",
            _C.INFRASTRUCTURE,
            _S.HIGH,
            "A container was killed for using more memory than its limit.",
        ),
        EventType(
            "cluster_unhealthy",
            _C.INFRASTRUCTURE,
            _S.CRITICAL,
            "The cluster as a whole does not work as it should.",
        ),
        EventType("high_cpu", _C.INFRASTRUCTURE, _S.MEDIUM, "A workload or node uses nearly all its CPU."),
        EventType(
            "deployment_scaled",
            _C.APPLICATION,
            _S.LOW,
            "A Deployment or StatefulSet was scaled up or down.",
            momentary=True,
        ),
        EventType("hpa_maxed", _C.APPLICATION, _S.HIGH, "An autoscaler is at its maximum and wants more."),
        EventType(
            "service_unavailable", _C.APPLICATION, _S.CRITICAL, "A service has no ready endpoint left."
        ),
        EventType("http_500", _C.LOGS, _S.HIGH, "A workload logs HTTP 500 answers."),
        EventType("http_502", _C.LOGS, _S.HIGH, "A workload logs HTTP 502 answers."),
        EventType("http_503", _C.LOGS, _S.HIGH, "A workload logs HTTP 503 answers."),
        EventType("failed_post", _C.LOGS, _S.HIGH, "POST requests to a workload fail."),
        EventType(
            "security_vulnerability",
            _C.SECURITY,
            _S.HIGH,
            "A scanner found a new vulnerability in a running workload.",
        ),
        EventType(
            "rbac_violation", _C.SECURITY, _S.HIGH, "Someone was given more rights than anyone should have."
        ),
        EventType(
            "unauthorized_access",
            _C.SECURITY,
            _S.HIGH,
            "Requests to the API server are refused again and again.",
        ),
        EventType("cost_threshold_exceeded", _C.COST, _S.HIGH, "The monthly cost passed a threshold."),
        EventType("idle_resource_detected", _C.COST, _S.LOW, "Something is paid for and hardly used."),
        EventType(
            "high_impact_recommendation",
            _C.RECOMMENDATIONS,
            _S.MEDIUM,
            "A change with a large effect on reliability or cost is recommended.",
        ),
        EventType(
            "cost_optimization_available", _C.RECOMMENDATIONS, _S.LOW, "The same work could be done for less."
        ),
        EventType(
            "prometheus_alert", _C.OTHERS, _S.MEDIUM, "An alert of Prometheus that is of no other type."
        ),
        EventType("connector_failing", _C.KUBEGRAF, _S.HIGH, "A connector does not deliver."),
    )
}

ALIASES: dict[str, frozenset[str]] = {
    "pod_crash": frozenset({"pod_crash_loop", "pod_oom_restart"}),
    "node_down": frozenset({"node_unhealthy"}),
    "security_issue": frozenset({"security_vulnerability", "rbac_violation", "unauthorized_access"}),
}
"""Names for several types at once. They are stored as typed and expanded when matching."""

COST_EVENTS = frozenset(
    name for name, event_type in EVENT_TYPES.items() if event_type.category is Category.COST
)


class UnknownEventType(ValueError):
    """A name that is neither a type, an alias nor `all`; its text says what may have been meant."""


def expand(names: Iterable[str]) -> frozenset[str] | None:
    """The types that these names stand for; None for every type, present and future (`all`).

    Raises UnknownEventType.
    """
    types: set[str] = set()
    everything = False
    for name in names:
        if name == ALL:
            everything = True
        elif name in EVENT_TYPES:
            types.add(name)
        elif name in ALIASES:
            types |= ALIASES[name]
        else:
            raise UnknownEventType(_unknown(name, (ALL, *EVENT_TYPES, *ALIASES)))
    return None if everything else frozenset(types)


def reported(name: str) -> EventType:
    """The type of an event that somebody reports, which is one type and no alias. Raises UnknownEventType."""
    if name in EVENT_TYPES:
        return EVENT_TYPES[name]
    types = EVENT_TYPES if name == ALL else sorted(ALIASES.get(name, ()))
    if types:
        raise UnknownEventType(
            f"{name!r} is a name for subscriptions: an event is one of {', '.join(types)}."
        )
    raise UnknownEventType(_unknown(name, tuple(EVENT_TYPES)))


def _unknown(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(str(name), known, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(known)}."
    return f"There is no event type {name!r}.{meant}"
