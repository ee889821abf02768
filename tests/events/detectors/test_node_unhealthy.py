from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.message import Severity
from events.detectors.node_unhealthy import NodeUnhealthy
from tests.events.detectors.objects import EARLIER, ask, node


def test_a_node_that_is_not_ready_is_critical() -> None:
    (finding,) = ask(NodeUnhealthy(), node("node.kubernetes.io/not-ready", Ready="False"))

    assert finding.key == "Ready"
    assert finding.title == "Node node-1 is not ready"
    assert finding.description == "the kubelet says so."
    assert finding.severity is Severity.CRITICAL
    assert finding.since == datetime(2026, 1, 15, 10, 29, tzinfo=UTC)
    assert finding.subject is None
    assert finding.details == {
        "node": "node-1",
        "condition": "Ready",
        "status": "False",
        "reason": "KubeletSays",
        "last_error": "the kubelet says so",
        "cordoned": False,
    }
    assert [item.command for item in finding.recommendations] == [
        "kubectl describe node node-1",
        "kubectl get pods -A -o wide --field-selector=spec.nodeName=node-1",
        "kubectl cordon node-1",
    ]


def test_a_node_that_has_stopped_answering_is_critical() -> None:
    (finding,) = ask(NodeUnhealthy(), node(Ready="Unknown"))

    assert finding.title == "Node node-1 does not answer"
    assert finding.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("MemoryPressure", "is short of memory"),
        ("DiskPressure", "is short of disk space"),
        ("PIDPressure", "is short of process ids"),
        ("NetworkUnavailable", "has no network"),
    ],
)
def test_a_pressure_is_high(condition: str, words: str) -> None:
    (finding,) = ask(NodeUnhealthy(), node(**{condition: "True"}))

    assert finding.key == condition
    assert finding.title == f"Node node-1 {words}"
    assert finding.severity is Severity.HIGH


def test_each_condition_is_a_finding_of_its_own() -> None:
    findings = ask(NodeUnhealthy(), node(Ready="False", DiskPressure="True", MemoryPressure="True"))

    assert [finding.key for finding in findings] == ["Ready", "DiskPressure", "MemoryPressure"]


def test_a_healthy_node_is_nothing() -> None:
    assert (
        ask(NodeUnhealthy(), node(MemoryPressure="False", DiskPressure="Unknown", KernelDeadlock="True"))
        == []
    )


def test_a_node_whose_kubelet_has_not_spoken_yet_is_nothing() -> None:
    assert ask(NodeUnhealthy(), node(Ready="")) == []


@pytest.mark.parametrize(
    "taint",
    [
        "ToBeDeletedByClusterAutoscaler",
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
        "cloud.google.com/impending-node-termination",
        "aws-node-termination-handler/spot-itn",
        "aws-node-termination-handler/asg-lifecycle-termination",
    ],
)
def test_a_node_that_is_being_removed_on_purpose_is_expected_to_go(taint: str) -> None:
    assert ask(NodeUnhealthy(), node("node.kubernetes.io/not-ready", taint, Ready="False")) == []


def test_a_node_that_is_being_deleted_is_expected_to_go() -> None:
    going = node(Ready="False", meta={"deletionTimestamp": "2026-01-15T10:29:30Z"})

    assert ask(NodeUnhealthy(), going) == []


def test_a_node_that_may_only_be_removed_some_day_is_told() -> None:
    assert ask(NodeUnhealthy(), node("DeletionCandidateOfClusterAutoscaler", Ready="False"))


def test_a_cordoned_node_is_put_on_record_and_rings_nobody() -> None:
    (finding,) = ask(NodeUnhealthy(), node(cordoned=True, Ready="Unknown"))

    assert finding.severity is Severity.INFO
    assert finding.description == "the kubelet says so. It is cordoned."
    assert finding.details["cordoned"] is True
    assert not any("cordon" in item.command for item in finding.recommendations)


@pytest.mark.parametrize("condition", [{"Ready": "False"}, {"NetworkUnavailable": "True", "Ready": "False"}])
def test_a_node_that_has_only_just_joined_has_five_minutes_to_be_ready(condition: dict[str, str]) -> None:
    findings = ask(NodeUnhealthy(), node(meta={"creationTimestamp": EARLIER}, **condition))

    assert {finding.not_before for finding in findings} == {datetime(2026, 1, 15, 10, 34, tzinfo=UTC)}


def test_a_node_that_has_been_ready_before_counts_as_ever() -> None:
    young = node(Ready="False", meta={"creationTimestamp": "2026-01-15T10:28:00Z"})  # unready since 10:29

    assert [finding.not_before for finding in ask(NodeUnhealthy(), young)] == [None]


def test_a_new_node_that_is_short_of_something_counts_as_ever() -> None:
    young = node(Ready="True", DiskPressure="True", meta={"creationTimestamp": EARLIER})

    assert [finding.not_before for finding in ask(NodeUnhealthy(), young)] == [None]


def test_it_must_hold_for_a_minute_and_be_over_for_two() -> None:
    assert NodeUnhealthy.options_class().for_seconds == 60.0
    assert NodeUnhealthy.options_class().clear_after == 120.0
