from __future__ import annotations

import pytest

from events.cluster.objects import Pod, Ref
from events.detectors.crash_loop import CrashLoop
from tests.events.detectors.objects import (
    JSON,
    TROUBLED_POD,
    ask,
    container,
    pod,
    running,
    terminated,
    waiting,
)

TROUBLED = [(Pod, TROUBLED_POD)]

LOOPING = waiting("CrashLoopBackOff", "back-off 40s restarting failed container=app")


def test_a_container_in_back_off_is_told_in_the_words_of_the_documentation() -> None:
    (finding,) = ask(CrashLoop(), pod(container(LOOPING, terminated(), restarts=5)))

    assert finding.title == "Pod my-app-123 in crash loop"
    assert finding.description == "Container app has restarted 5 times; last exit code 1 (Error)."
    assert finding.details == {
        "pod_name": "my-app-123",
        "namespace": "default",
        "container": "app",
        "restart_count": 5,
        "exit_code": 1,
        "reason": "Error",
        "last_error": "exit code 1 (Error)",
        "image": "example.com/app:1.2",
        "memory_limit": "256Mi",
        "memory_request": "128Mi",
        "node": "node-1",
        "owner": "Deployment/my-app",
    }


def test_it_belongs_to_the_deployment_so_that_twenty_pods_are_one_event() -> None:
    crashing = container(LOOPING, terminated(), restarts=5)
    (one,) = ask(CrashLoop(), pod(crashing))
    (other,) = ask(CrashLoop(), pod(crashing, meta={"name": "my-app-456", "uid": "other"}))

    assert one.subject == other.subject == Ref("Deployment", "my-app", "default")
    assert one.key == other.key == "app"


def test_the_commands_can_be_pasted() -> None:
    (finding,) = ask(CrashLoop(), pod(container(LOOPING, terminated(), restarts=5)))

    assert [item.command for item in finding.recommendations] == [
        "kubectl logs my-app-123 -n default -c app --previous --tail=100",
        "kubectl describe pod my-app-123 -n default",
        "kubectl rollout undo deployment my-app -n default",
    ]


def test_nothing_is_undone_of_a_pod_that_nobody_rolls_out() -> None:
    bare = pod(container(LOOPING, terminated(), restarts=5), meta={"ownerReferences": None})
    (finding,) = ask(CrashLoop(), bare)

    assert not any("rollout" in item.command for item in finding.recommendations)
    assert finding.subject == bare.ref
    assert "owner" not in finding.details


def test_the_last_words_of_the_container_are_its_last_error() -> None:
    said = terminated(message="x" * 3000 + "\nno such table: users\n")
    (finding,) = ask(CrashLoop(), pod(container(LOOPING, said, restarts=2)))

    assert finding.details["last_error"].endswith("x\nno such table: users")
    assert len(finding.details["last_error"]) == 1000


def test_an_init_container_counts_too() -> None:
    init = container(LOOPING, terminated(), restarts=1, name="migrate")
    (finding,) = ask(CrashLoop(), pod(container(waiting("PodInitializing")), init=init))

    assert finding.key == "migrate"
    assert finding.description == "Container migrate has restarted once; last exit code 1 (Error)."


def test_a_container_whose_last_end_is_unknown_is_still_in_a_crash_loop() -> None:
    (finding,) = ask(CrashLoop(), pod(container(LOOPING, restarts=3)))

    assert finding.description == "Container app has restarted 3 times."
    assert "exit_code" not in finding.details


@pytest.mark.parametrize(
    "status",
    [
        container(running(), terminated(), restarts=5),
        container(terminated(), terminated(), restarts=5),
        container(waiting("ImagePullBackOff", "Back-off pulling image"), restarts=5),
        container(waiting("ContainerCreating")),
        container({}),
    ],
)
def test_another_state_is_no_crash_loop(status: JSON) -> None:
    assert ask(CrashLoop(), pod(status)) == []


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_over_crashes_no_more(phase: str) -> None:
    assert ask(CrashLoop(), pod(container(LOOPING, terminated(), restarts=5), phase=phase)) == []


def test_a_pod_that_is_being_deleted_crashes_no_more() -> None:
    dying = pod(container(LOOPING, terminated()), meta={"deletionTimestamp": "2026-01-15T10:29:30Z"})

    assert ask(CrashLoop(), dying) == []


def test_it_takes_ten_minutes_without_a_crash_to_be_over() -> None:
    assert CrashLoop.options_class().clear_after == 600.0
    assert CrashLoop.options_class().for_seconds == 0.0
