from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.cluster.objects import Pod, Ref
from events.detectors.pod_restarted import PodRestarted
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

RESTARTED = container(running(), terminated(run="f00d"), restarts=3)
EVICTED = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: memory.",
    "conditions": [
        {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-15T10:29:40Z"},
        {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2026-01-15T10:29:30Z"},
    ],
}


def test_a_container_that_runs_again_is_told_with_how_it_ended() -> None:
    (finding,) = ask(PodRestarted(), pod(RESTARTED))

    assert finding.title == "Pod my-app-123 restarted"
    assert finding.description == "Container app has restarted 3 times; last exit code 1 (Error)."
    assert finding.key == "app/f00d"
    assert finding.subject == Ref("Deployment", "my-app", "default")
    assert finding.since == datetime(2026, 1, 15, 10, 29, tzinfo=UTC)
    assert finding.details["restart_count"] == 3
    assert finding.details["finished_at"] == "2026-01-15T10:29:00Z"
    assert [item.command for item in finding.recommendations] == [
        "kubectl logs my-app-123 -n default -c app --previous --tail=100",
        "kubectl describe pod my-app-123 -n default",
    ]


def test_a_container_that_has_ended_once_more_was_restarted_before() -> None:
    ended_again = container(terminated(run="beef"), terminated(run="f00d"), restarts=1)

    assert [finding.key for finding in ask(PodRestarted(), pod(ended_again))] == ["app/f00d"]


def test_each_restarted_container_is_an_occurrence_of_its_own() -> None:
    init = container(running(), terminated(run="beef"), restarts=1, name="proxy")

    assert [finding.key for finding in ask(PodRestarted(), pod(RESTARTED, init=init))] == [
        "proxy/beef",
        "app/f00d",
    ]


def test_an_init_container_that_had_done_its_work_is_run_again_because_its_pod_restarted() -> None:
    done = container(
        terminated("Completed", 0, run="new"), terminated("Completed", 0), restarts=1, name="setup"
    )
    spec = {"initContainers": [{"name": "setup"}]}

    assert [finding.key for finding in ask(PodRestarted(), pod(RESTARTED, init=done, spec=spec))] == [
        "app/f00d"
    ]


@pytest.mark.parametrize(
    ("declared", "code"),
    [({"name": "proxy", "restartPolicy": "Always"}, 0), ({"name": "proxy"}, 1)],
    ids=["a sidecar", "one that failed"],
)
def test_a_sidecar_and_an_init_container_that_failed_are_told(declared: JSON, code: int) -> None:
    init = container(running(), terminated(code=code, run="beef"), restarts=1, name="proxy")

    (finding,) = ask(PodRestarted(), pod(init=init, spec={"initContainers": [declared]}))

    assert finding.key == "proxy/beef"


def test_a_run_that_its_node_lost_track_of_is_dated_by_the_next_one() -> None:
    lost = terminated("ContainerStatusUnknown", 137, startedAt=None, finishedAt=None, containerID="")
    (finding,) = ask(PodRestarted(), pod(container(running("2026-01-15T10:29:05Z"), lost, restarts=1)))

    assert finding.since == datetime(2026, 1, 15, 10, 29, 5, tzinfo=UTC)
    assert finding.key == "app/pod-uid@2026-01-15 10:29:05+00:00"


@pytest.mark.parametrize(
    "status",
    [
        container(running()),
        container(terminated("Completed", 0)),
        container(waiting("CrashLoopBackOff"), terminated(), restarts=1),
        container(waiting("CreateContainerError"), terminated(), restarts=1),
        container(running(), terminated("OOMKilled", 137), restarts=1),
        container(running(), restarts=1),
        container(running(), terminated(), restarts=0),
        container({}, terminated(), restarts=1),
    ],
)
def test_what_is_not_restarted_is_not_told(status: JSON) -> None:
    assert ask(PodRestarted(), pod(status)) == []


def test_a_pod_that_is_being_deleted_restarts_nothing() -> None:
    assert ask(PodRestarted(), pod(RESTARTED, meta={"deletionTimestamp": "2026-01-15T10:29:30Z"})) == []


def test_an_evicted_pod_is_told_once_with_the_reason() -> None:
    (finding,) = ask(PodRestarted(), pod(RESTARTED, **EVICTED))

    assert finding.title == "Pod my-app-123 was evicted"
    assert finding.description == "The node was low on resource: memory."
    assert finding.key == "evicted/pod-uid"
    assert finding.since == datetime(2026, 1, 15, 10, 29, 30, tzinfo=UTC)
    assert finding.details == {
        "pod_name": "my-app-123",
        "namespace": "default",
        "reason": "Evicted",
        "last_error": "The node was low on resource: memory.",
        "node": "node-1",
        "owner": "Deployment/my-app",
        "finished_at": "2026-01-15T10:29:30Z",
    }
    assert [item.command for item in finding.recommendations] == [
        "kubectl describe pod my-app-123 -n default",
        "kubectl describe node node-1",
    ]


@pytest.mark.parametrize(
    "message",
    [
        "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
        'Container app exceeded its local ephemeral storage limit "1Gi". ',
        'Usage of EmptyDir volume "cache" exceeds the limit "1Gi". ',
    ],
)
def test_who_was_evicted_for_a_limit_of_its_own_is_not_sent_to_the_node(message: str) -> None:
    (finding,) = ask(PodRestarted(), pod(RESTARTED, **{**EVICTED, "message": message}))

    assert [(item.action, item.command) for item in finding.recommendations[1:]] == [
        (
            "Have it write less to its local disk, or raise that limit",
            "kubectl edit deployment my-app -n default",
        )
    ]


def test_what_a_container_used_beyond_its_request_is_no_limit_of_its_own() -> None:
    low = "The node was low on resource: memory. Container app was using 9Mi, which exceeds its request of 0."
    (finding,) = ask(PodRestarted(), pod(RESTARTED, **{**EVICTED, "message": low}))

    assert finding.recommendations[1].command == "kubectl describe node node-1"


def test_a_restart_that_cannot_be_dated_is_left_alone() -> None:
    undated = terminated(finishedAt=None)

    assert ask(PodRestarted(), pod(container(terminated(run="beef"), undated, restarts=1))) == []


def test_an_eviction_that_cannot_be_dated_is_left_alone() -> None:
    assert ask(PodRestarted(), pod(**{**EVICTED, "conditions": None})) == []


def test_an_open_crash_loop_of_the_same_workload_tells_it_already() -> None:
    assert PodRestarted.inhibited_by == ("pod_crash_loop", "node_unhealthy/Ready")
