from __future__ import annotations

import pytest

from connectors.message import Severity
from events.cluster.objects import Node
from events.detection import Finding
from events.detectors.node_scaled_down import NodeScaledDown
from tests.events.detectors.objects import NOW, ask, ask_gone, node


def gone(last_seen: Node) -> Finding:
    """What is found when a node is gone that was last seen like this."""
    detector = NodeScaledDown()
    (finding,) = ask_gone(detector, last_seen, detector.remember(last_seen, None, NOW))
    return finding


@pytest.mark.parametrize(
    ("taint", "cause"),
    [
        ("ToBeDeletedByClusterAutoscaler", "cluster-autoscaler"),
        ("karpenter.sh/disrupted", "karpenter"),
        ("karpenter.sh/disruption", "karpenter"),
        ("cloud.google.com/impending-node-termination", "spot"),
        ("aws-node-termination-handler/spot-itn", "spot"),
        ("aws-node-termination-handler/scheduled-maintenance", "unknown"),
    ],
)
def test_a_taint_tells_the_cause_and_that_it_was_no_accident(taint: str, cause: str) -> None:
    finding = gone(node(taint, cordoned=True))

    assert finding.details["cause"] == cause
    assert finding.details["taint"] == taint
    assert finding.severity is None


def test_a_node_that_was_ready_and_just_vanished_is_high() -> None:
    finding = gone(node())

    assert finding.key == "node-uid"
    assert finding.title == "Node node-1 was removed"
    assert finding.description == "It was ready, and nothing had announced it: its pods were not drained."
    assert finding.severity is Severity.HIGH
    assert finding.details == {
        "node": "node-1",
        "cause": "unknown",
        "was_ready": True,
        "was_cordoned": False,
    }


@pytest.mark.parametrize(
    "label",
    [
        {"cloud.google.com/gke-preemptible": "true"},
        {"cloud.google.com/gke-spot": "true"},
        {"eks.amazonaws.com/capacityType": "SPOT"},
        {"karpenter.sh/capacity-type": "spot"},
        {"kubernetes.azure.com/scalesetpriority": "spot"},
    ],
)
def test_a_spot_machine_that_just_vanished_was_taken_back_and_is_medium(label: dict[str, str]) -> None:
    finding = gone(node(meta={"labels": label}))

    assert (finding.details["cause"], finding.severity) == ("spot", Severity.MEDIUM)
    assert finding.description == (
        "It was ready, and nothing had announced it: its pods were not drained."
        " Its cloud may have taken the machine back, which is a spot one."
    )


def test_a_machine_that_is_no_spot_one_is_not_taken_for_it() -> None:
    assert gone(node(meta={"labels": {"karpenter.sh/capacity-type": "on-demand"}})).severity is Severity.HIGH


def test_a_node_that_was_cordoned_was_removed_by_hand() -> None:
    finding = gone(node(cordoned=True))

    assert finding.details["cause"] == "manual"
    assert finding.severity is None


def test_a_node_that_was_down_already_is_no_worse_for_being_removed() -> None:
    finding = gone(node("node.kubernetes.io/unreachable", Ready="Unknown"))

    assert finding.details["cause"] == "unknown"
    assert finding.description == "It was not ready when it was last seen."
    assert finding.severity is None


def test_a_node_that_is_still_there_is_nothing() -> None:
    before = NodeScaledDown().remember(node(), None, NOW)

    assert ask(NodeScaledDown(), node(cordoned=True), before) == []


def test_a_node_that_was_never_seen_is_not_missed() -> None:
    assert ask_gone(NodeScaledDown(), node()) == []
