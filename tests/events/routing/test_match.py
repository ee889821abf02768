"""Whether a subscription wants an event, and the clause that decided."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from connectors.message import Severity
from events import catalog
from events.routing import schedule
from events.routing.match import EventFacts, Rule, judge, types_of

CRASH = EventFacts(
    event_type="pod_crash_loop", severity=Severity.HIGH, cluster="production", namespace="shop"
)


def rule(**more: object) -> Rule:
    return Rule(**{"subscription_id": 1, "connector_id": 1, **more})  # type: ignore[arg-type]


def test_a_rule_without_clauses_wants_everything() -> None:
    assert judge(rule(), CRASH).wanted


def test_another_event_type_is_not_wanted() -> None:
    verdict = judge(rule(types=frozenset({"node_unhealthy"})), CRASH)
    assert not verdict.wanted
    assert verdict.reason == "event type pod_crash_loop is not among those subscribed to"


@pytest.mark.parametrize(
    ("minimum", "wanted"), [("critical", False), ("high", True), ("medium", True), ("info", True)]
)
def test_the_severity_is_a_minimum(minimum: str, wanted: bool) -> None:
    assert judge(rule(min_severity=Severity(minimum)), CRASH).wanted is wanted


def test_the_first_clause_that_fails_is_the_reason() -> None:
    verdict = judge(rule(min_severity=Severity.CRITICAL, clusters=["staging"]), CRASH)
    assert verdict.reason == "severity high is below the minimum critical"


@pytest.mark.parametrize(("clusters", "wanted"), [(["staging"], False), (["prod*"], True), ([], True)])
def test_clusters_are_names_or_patterns(clusters: list[str], wanted: bool) -> None:
    assert judge(rule(clusters=clusters), CRASH).wanted is wanted


@pytest.mark.parametrize(("namespaces", "wanted"), [(["payments"], False), (["payments", "sh?p"], True)])
def test_namespaces_are_names_or_patterns(namespaces: list[str], wanted: bool) -> None:
    assert judge(rule(namespaces=namespaces), CRASH).wanted is wanted


def test_conditions_are_a_clause() -> None:
    assert not judge(rule(conditions={"namespace": "payments"}), CRASH).wanted
    assert judge(rule(conditions={"namespace": "shop"}), CRASH).wanted


HOURS = schedule.read({"timezone": "Europe/Berlin", "days": ["mon"], "from": "08:00", "to": "18:00"})


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        (datetime(2025, 1, 13, 12, tzinfo=UTC), True),
        (datetime(2025, 1, 14, 12, tzinfo=UTC), False),
        (None, True),  # nobody asks about a time
    ],
)
def test_hours_are_a_clause(at: datetime | None, wanted: bool) -> None:
    assert judge(rule(hours=HOURS), replace(CRASH, at=at)).wanted is wanted


def test_outside_the_hours_the_reason_says_when_they_begin() -> None:
    verdict = judge(rule(hours=HOURS), replace(CRASH, at=datetime(2025, 1, 14, 12, tzinfo=UTC)))
    assert verdict.reason == (
        "outside its hours (Mon 08:00-18:00 Europe/Berlin); they begin Mon 08:00 Europe/Berlin"
    )


def test_aliases_stand_for_their_types() -> None:
    assert types_of(["pod_crash", "http_500"], {}) == {"pod_crash_loop", "pod_oom_restart", "http_500"}


def test_all_stands_for_every_type_present_and_future() -> None:
    assert types_of(["http_500", "all"], {}) is None


def test_no_types_stand_for_all() -> None:
    assert types_of([], {"namespace": "production"}) is None


def test_a_cost_threshold_alone_asks_for_cost_events() -> None:
    conditions = {"cost_threshold": 1000, "namespace": "production"}
    assert types_of([], conditions) == {"cost_threshold_exceeded", "idle_resource_detected"}


def test_an_unknown_type_is_refused_with_what_may_have_been_meant() -> None:
    with pytest.raises(catalog.UnknownEventType, match="Did you mean 'pod_crash_loop'"):
        types_of(["pod_crashloop"], {})
