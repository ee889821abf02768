"""A subscription in a sentence for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from connectors.message import JSONDict, Severity
from events import catalog
from events.routing import conditions, schedule

_SEVERITIES = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "Critical and high",
    Severity.MEDIUM: "Medium and worse",
    Severity.LOW: "Low and worse",
    Severity.INFO: "",
}

_FEW = 3  # names that are read at a glance; of more, the rest is counted


class Said(Protocol):
    """What a subscription says."""

    event_types: list[str]
    min_severity: str
    namespaces: list[str]
    clusters: list[str]
    conditions: JSONDict
    schedule: JSONDict
    send_resolved: bool


def in_words(said: Said) -> str:
    """All of it: "Critical and high pod crashes in prod-*, Mon-Fri 08:00-18:00 Europe/Berlin"."""
    severity = _SEVERITIES.get(said.min_severity, f"At least {said.min_severity}")  # type: ignore[call-overload]  # a text that may be one
    words = f"{severity} {_types(said)}".strip()
    if said.namespaces:
        words += f" in {_few(said.namespaces)}"
    if said.clusters:
        words += f" of {_few(said.clusters)}"
    if said.conditions:
        words += f" with {_few([_condition(key, value) for key, value in said.conditions.items()])}"
    if said.schedule:
        words += f", {schedule.in_words(said.schedule)}"
    if not said.send_resolved:
        words += ", without resolutions"
    return words[:1].upper() + words[1:]


def _types(said: Said) -> str:
    names = said.event_types
    if catalog.ALL in names or (not names and conditions.COST_THRESHOLD not in said.conditions):
        return "events of every type"
    return _few([_plural(name) for name in names]) if names else "cost events"


def _plural(name: str) -> str:
    """An event type or alias as people say it, of several."""
    return _PLURALS.get(name, name.replace("_", " "))


_PLURALS = {
    "pod_crash": "pod crashes",
    "pod_crash_loop": "pod crash loops",
    "pod_oom_restart": "out-of-memory kills",
    "pod_restarted": "pod restarts",
    "node_down": "nodes down",
    "node_unhealthy": "unhealthy nodes",
    "node_scaled_down": "removed nodes",
    "cluster_unhealthy": "unhealthy clusters",
    "high_cpu": "high CPU",
    "deployment_scaled": "scaled deployments",
    "hpa_maxed": "autoscalers at their maximum",
    "service_unavailable": "unavailable services",
    "http_500": "HTTP 500",
    "http_502": "HTTP 502",
    "http_503": "HTTP 503",
    "failed_post": "failing POST requests",
    "security_issue": "security issues",
    "security_vulnerability": "vulnerabilities",
    "rbac_violation": "RBAC violations",
    "unauthorized_access": "unauthorized access",
    "cost_threshold_exceeded": "exceeded cost thresholds",
    "idle_resource_detected": "idle resources",
    "high_impact_recommendation": "high-impact recommendations",
    "cost_optimization_available": "cost optimizations",
    "connector_failing": "failing connectors",
}


def _condition(key: str, value: Any) -> str:
    name = key.replace("_", " ")
    if isinstance(value, list):
        return f"{name} {' or '.join(str(item) for item in value)}"
    return f"{name} {value}" if isinstance(value, str) else f"{name} ≥ {value}"


def _few(names: Sequence[str]) -> str:
    if len(names) > _FEW + 1:
        names = [*names[:_FEW], f"{len(names) - _FEW} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
