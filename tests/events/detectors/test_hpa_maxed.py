from __future__ import annotations

import pytest

from events.detectors.hpa_maxed import HpaMaxed
from tests.events.detectors.objects import ask, ask_gone, autoscaler


def test_at_its_maximum_and_refused_more_it_is_told() -> None:
    (finding,) = ask(HpaMaxed(), autoscaler(refused=True))

    assert finding.key == "max"
    assert finding.title == "Autoscaler my-app is at its maximum of 5"
    assert finding.description == "Deployment my-app runs 5 pods; it wants more."
    assert finding.subject is None
    assert finding.severity is None
    assert finding.since is None
    assert finding.details == {
        "name": "my-app",
        "namespace": "default",
        "target": "Deployment/my-app",
        "reason": "TooManyReplicas",
        "message": "it says why",
        "current_replicas": 5,
        "desired_replicas": 5,
        "min_replicas": 2,
        "max_replicas": 5,
    }


def test_wanting_just_as_many_as_it_may_have_leaves_no_room() -> None:
    (finding,) = ask(HpaMaxed(), autoscaler(current=5, desired=5))

    assert finding.description == "Deployment my-app runs 5 pods; there is no room for more load."
    assert "reason" not in finding.details


def test_more_pods_than_allowed_are_the_maximum_too() -> None:
    assert ask(HpaMaxed(), autoscaler(current=7, desired=5, refused=True))


def test_no_minimum_means_one() -> None:
    (finding,) = ask(HpaMaxed(), autoscaler(at_least=None))

    assert finding.details["min_replicas"] == 1


@pytest.mark.parametrize(
    "hpa",
    [
        autoscaler(current=4, desired=4),
        autoscaler(current=4, desired=5, refused=True),
        autoscaler(current=5, desired=3),
        autoscaler(at_least=5, refused=True),
        autoscaler(current=0, desired=0, at_most=0, at_least=0),
        autoscaler(refused=True, meta={"deletionTimestamp": "2026-01-15T10:29:30Z"}),
    ],
    ids=["below", "on its way", "going down", "not meant to scale", "empty", "being deleted"],
)
def test_what_is_not_maxed_is_not_told(hpa: object) -> None:
    assert ask(HpaMaxed(), hpa) == []  # type: ignore[arg-type]  # pytest's parameters have no types


def test_another_reason_to_limit_it_is_not_the_maximum() -> None:
    limited = autoscaler(current=5, desired=2)  # it goes down as fast as it is allowed to

    assert ask(HpaMaxed(), limited) == []


def test_an_autoscaler_that_is_gone_has_nothing() -> None:
    assert ask_gone(HpaMaxed(), autoscaler(refused=True)) == []


@pytest.mark.parametrize(("at_most", "more"), [(2, 3), (5, 6), (10, 12), (11, 14), (100, 120)])
def test_a_fifth_more_is_recommended(at_most: int, more: int) -> None:
    (finding,) = ask(HpaMaxed(), autoscaler(at_most, at_most, at_most, at_least=1))

    assert [item.command for item in finding.recommendations] == [
        "kubectl describe horizontalpodautoscaler my-app -n default",
        "kubectl top nodes",
        "kubectl patch horizontalpodautoscaler my-app -n default --type=merge -p "
        f"""'{{"spec": {{"maxReplicas": {more}}}}}'""",
    ]


def test_what_keda_made_is_changed_where_keda_reads_it() -> None:
    owner = {"kind": "ScaledObject", "name": "my-scaler", "controller": True}
    (finding,) = ask(HpaMaxed(), autoscaler(meta={"ownerReferences": [owner]}))

    assert finding.recommendations[-1].command == (
        "kubectl patch scaledobject my-scaler -n default --type=merge -p "
        """'{"spec": {"maxReplicaCount": 6}}'"""
    )


def test_it_must_hold_and_be_over_for_five_minutes() -> None:
    assert HpaMaxed.options_class().for_seconds == 300.0
    assert HpaMaxed.options_class().clear_after == 300.0
