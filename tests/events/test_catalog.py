from __future__ import annotations

import pytest

from connectors.message import Severity
from events.catalog import ALIASES, COST_EVENTS, EVENT_TYPES, UnknownEventType, expand

DOCUMENTED = {
    "node_scaled_down",
    "node_unhealthy",
    "pod_restarted",
    "pod_crash_loop",
    "pod_oom_restart",
    "deployment_scaled",
    "hpa_maxed",
    "service_unavailable",
    "http_500",
    "http_502",
    "failed_post",
    "security_vulnerability",
    "rbac_violation",
    "unauthorized_access",
    "cost_threshold_exceeded",
    "idle_resource_detected",
    "high_impact_recommendation",
    "cost_optimization_available",
}
IN_EXAMPLES = {"pod_crash", "high_cpu", "security_issue", "node_down", "cluster_unhealthy", "all"}


def test_every_documented_type_is_there() -> None:
    assert set(EVENT_TYPES) >= DOCUMENTED


@pytest.mark.parametrize("name", sorted(DOCUMENTED | IN_EXAMPLES))
def test_every_name_that_the_documentation_uses_can_be_subscribed_to(name: str) -> None:
    assert expand([name]) != frozenset()


def test_a_type_stands_for_itself() -> None:
    assert expand(["pod_restarted", "hpa_maxed"]) == {"pod_restarted", "hpa_maxed"}


def test_an_alias_stands_for_its_types() -> None:
    assert expand(["pod_crash", "node_down"]) == {"pod_crash_loop", "pod_oom_restart", "node_unhealthy"}
    assert expand(["security_issue"]) == {"security_vulnerability", "rbac_violation", "unauthorized_access"}


def test_an_alias_names_only_types_and_is_none_itself() -> None:
    for alias, types in ALIASES.items():
        assert alias not in EVENT_TYPES
        assert types <= set(EVENT_TYPES)


def test_all_stands_for_every_type_whatever_stands_beside_it() -> None:
    assert expand(["all"]) is None
    assert expand(["pod_crash", "all"]) is None


def test_no_name_stands_for_no_type() -> None:
    assert expand([]) == frozenset()


def test_an_unknown_name_is_refused_with_what_may_have_been_meant() -> None:
    with pytest.raises(UnknownEventType, match=r"'pod_crashed'\. Did you mean 'pod_crash'\?"):
        expand(["pod_crashed"])


def test_an_unknown_name_like_no_other_is_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownEventType, match=r"There are: all, .*pod_crash_loop.*, node_down"):
        expand(["xyz"])


def test_an_unknown_name_is_refused_beside_all_too() -> None:
    with pytest.raises(UnknownEventType):
        expand(["all", "nonsense"])


def test_what_happens_and_is_over_at_once_is_momentary() -> None:
    momentary = {name for name, event_type in EVENT_TYPES.items() if event_type.momentary}

    assert momentary == {"node_scaled_down", "pod_restarted", "deployment_scaled"}


def test_the_worst_types_are_critical() -> None:
    critical = {name for name, event_type in EVENT_TYPES.items() if event_type.severity is Severity.CRITICAL}

    assert critical == {"node_unhealthy", "pod_crash_loop", "cluster_unhealthy", "service_unavailable"}


def test_the_cost_events_are_those_of_the_cost_heading() -> None:
    assert {"cost_threshold_exceeded", "idle_resource_detected"} == COST_EVENTS


def test_every_type_says_what_it_means_in_a_sentence() -> None:
    for name, event_type in EVENT_TYPES.items():
        assert event_type.name == name
        assert event_type.description.endswith(".")
