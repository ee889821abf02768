"""The plain key-and-value conditions of a subscription."""

from __future__ import annotations

import pytest

from connectors.message import Severity
from events.routing.conditions import CONDITIONS, first_that_fails, problems
from events.routing.match import EventFacts


def facts(**more: object) -> EventFacts:
    known: dict[str, object] = {"event_type": "pod_crash_loop", "severity": Severity.HIGH}
    return EventFacts(**{**known, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "namespace", "holds"),
    [
        ("production", "production", True),
        ("production", "production-eu", False),
        ("prod*", "production-eu", True),
        (["staging", "prod*"], "production", True),
        (["staging", "dev"], "production", False),
        ("production", "", False),
        ("Production", "production", False),
        ("prod-[ab]", "prod-b", True),
    ],
)
def test_a_namespace_is_a_name_a_pattern_or_a_list(
    pattern: str | list[str], namespace: str, holds: bool
) -> None:
    assert (first_that_fails({"namespace": pattern}, facts(namespace=namespace)) is None) is holds


@pytest.mark.parametrize(("cost", "holds"), [(999.99, False), (1000, True), (1000.5, True), ("1200", False)])
def test_a_cost_threshold_compares_the_monthly_cost(cost: object, holds: bool) -> None:
    conditions = {"cost_threshold": 1000}
    assert (first_that_fails(conditions, facts(details={"monthly_cost": cost})) is None) is holds


def test_an_event_that_does_not_tell_the_number_does_not_match() -> None:
    reason = first_that_fails({"restart_count": 3}, facts())
    assert reason is not None
    assert reason.startswith("condition restart_count=3:")


def test_every_condition_must_hold() -> None:
    conditions = {"namespace": "production", "restart_count": 3}
    assert first_that_fails(conditions, facts(namespace="production", details={"restart_count": 3})) is None
    reason = first_that_fails(conditions, facts(namespace="production", details={"restart_count": 2}))
    assert reason is not None
    assert "restart_count" in reason


def test_a_condition_that_is_not_known_holds_of_nothing() -> None:
    assert first_that_fails({"colour": "red"}, facts()) == "the condition 'colour' is not known"


FACTS_OF = {
    "namespace": ("shop", {"namespace": "shop"}),
    "cluster": ("east", {"cluster": "east"}),
    "resource": ("Pod/*", {"resource": "Pod/web-1"}),
    "title": ("*OOM*", {"title": "OOM kill of web"}),
    "count": (2, {"count": 2}),
    "cost_threshold": (1000, {"details": {"monthly_cost": 1000}}),
    "restart_count": (5, {"details": {"restart_count": 5}}),
    "exit_code": (137, {"details": {"exit_code": 137}}),
    "replicas": (3, {"details": {"replicas": 3}}),
}


@pytest.mark.parametrize("key", CONDITIONS)
def test_each_condition_looks_at_one_fact_of_its_own(key: str) -> None:
    value, _ = FACTS_OF[key]

    held_by = [
        name for name, (_, more) in FACTS_OF.items() if not first_that_fails({key: value}, facts(**more))
    ]

    assert held_by == [key]


def test_an_unknown_key_is_named_with_what_may_have_been_meant() -> None:
    assert problems({"namespaces": "production"}) == {
        "namespaces": "There is no condition 'namespaces'. Did you mean 'namespace'?"
    }


@pytest.mark.parametrize("value", ["1000", None, True, [1000], {}])
def test_a_threshold_that_is_no_number_is_refused(value: object) -> None:
    assert problems({"cost_threshold": value}) == {"cost_threshold": "'cost_threshold' wants a number."}


@pytest.mark.parametrize("value", [1, None, [], [1], {}])
def test_a_namespace_that_is_no_text_is_refused(value: object) -> None:
    assert list(problems({"namespace": value})) == ["namespace"]


@pytest.mark.parametrize("conditions", [[], "namespace", 3])
def test_conditions_that_are_no_object_are_refused(conditions: object) -> None:
    assert list(problems(conditions)) == [""]


def test_every_condition_says_what_it_means() -> None:
    for key, condition in CONDITIONS.items():
        assert condition.meaning, key
        assert condition.wants, key
