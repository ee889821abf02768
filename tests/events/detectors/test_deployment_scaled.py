from __future__ import annotations

from datetime import UTC, datetime

from connectors.message import Severity
from events.cluster.objects import StatefulSet
from events.detectors.deployment_scaled import DeploymentScaled
from tests.events.detectors.objects import NOW, ask, ask_gone, deployment, managed

THREE = {"replicas": 3}


def test_more_replicas_are_a_scale_up() -> None:
    (finding,) = ask(DeploymentScaled(), deployment(5, generation=7), THREE)

    assert finding.title == "Deployment my-app scaled up from 3 to 5"
    assert finding.description == "Replicas went from 3 to 5."
    assert finding.key == "uid-1/7/3-5"
    assert finding.severity is None
    assert finding.since is None
    assert finding.details == {
        "name": "my-app",
        "namespace": "default",
        "from": 3,
        "to": 5,
        "direction": "up",
    }
    assert [item.command for item in finding.recommendations] == [
        "kubectl describe deployment my-app -n default",
        "kubectl scale deployment my-app -n default --replicas=3",
    ]


def test_fewer_replicas_are_a_scale_down() -> None:
    (finding,) = ask(DeploymentScaled(), deployment(2), THREE)

    assert finding.title == "Deployment my-app scaled down from 3 to 2"
    assert finding.details["direction"] == "down"
    assert finding.severity is None


def test_a_scale_to_nothing_is_high() -> None:
    (finding,) = ask(DeploymentScaled(), deployment(0), THREE)

    assert finding.title == "Deployment my-app scaled to 0"
    assert finding.severity is Severity.HIGH


def test_a_stateful_set_counts_too() -> None:
    (finding,) = ask(DeploymentScaled(), deployment(5, kind=StatefulSet), THREE)

    assert finding.title == "StatefulSet my-app scaled up from 3 to 5"
    assert finding.recommendations[1].command == "kubectl scale statefulset my-app -n default --replicas=3"


def test_who_set_the_number_is_told_with_when() -> None:
    editor = managed("kubectl-edit", "replicas", time="2026-01-15T10:29:00Z")
    (finding,) = ask(DeploymentScaled(), deployment(5, managed("helm", "template"), editor), THREE)

    assert finding.details["actor"] == "kubectl-edit"
    assert finding.description == "Replicas went from 3 to 5, set by kubectl-edit."
    assert finding.since == datetime(2026, 1, 15, 10, 29, tzinfo=UTC)


def test_the_controller_manager_scales_for_the_autoscaler() -> None:
    hpa = managed("kube-controller-manager", "replicas", subresource="scale")
    (finding,) = ask(DeploymentScaled(), deployment(5, hpa), THREE)

    assert finding.details["actor"] == "HorizontalPodAutoscaler"


def test_what_an_autoscaler_has_set_is_not_to_be_scaled_back_by_hand() -> None:
    hpa = managed("kube-controller-manager", "replicas", subresource="scale")
    (finding,) = ask(DeploymentScaled(), deployment(5, hpa), THREE)

    assert [item.command for item in finding.recommendations] == [
        "kubectl describe deployment my-app -n default",
        "kubectl get horizontalpodautoscalers -n default",
    ]


def test_when_several_own_the_number_nobody_is_named() -> None:
    owners = [managed("kubectl", "replicas"), managed("argocd-controller", "replicas")]
    (finding,) = ask(DeploymentScaled(), deployment(5, *owners), THREE)

    assert "actor" not in finding.details


def test_another_generation_with_the_same_number_is_a_rolling_update() -> None:
    assert ask(DeploymentScaled(), deployment(3, generation=9), THREE) == []


def test_no_number_means_one() -> None:
    assert ask(DeploymentScaled(), deployment(None), {"replicas": 1}) == []
    assert DeploymentScaled().remember(deployment(None), None, NOW) == {"replicas": 1}


def test_what_is_seen_for_the_first_time_has_not_been_scaled() -> None:
    assert ask(DeploymentScaled(), deployment(5)) == []


def test_the_same_scale_after_being_made_anew_is_another_occurrence() -> None:
    (first,) = ask(DeploymentScaled(), deployment(5), THREE)
    (second,) = ask(DeploymentScaled(), deployment(5, meta={"uid": "uid-2"}), THREE)

    assert first.key != second.key


def test_what_is_deleted_has_not_been_scaled() -> None:
    going = deployment(0, meta={"deletionTimestamp": "2026-01-15T10:29:30Z"})

    assert ask(DeploymentScaled(), going, THREE) == []
    assert ask_gone(DeploymentScaled(), deployment(3), THREE) == []
