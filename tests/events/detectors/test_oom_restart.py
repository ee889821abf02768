from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.message import Severity
from events.cluster.objects import Pod, Ref
from events.detectors.oom_restart import OomRestart, OomRestartOptions
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

OOM = terminated("OOMKilled", 137, run="f00d")


def test_an_oom_kill_is_told_with_the_limit_it_hit() -> None:
    (finding,) = ask(OomRestart(), pod(container(running(), OOM, restarts=1)))

    assert finding.title == "Pod my-app-123 ran out of memory"
    assert finding.description == "Container app was killed at its memory limit of 256Mi."
    assert finding.subject == Ref("Deployment", "my-app", "default")
    assert finding.since == datetime(2026, 1, 15, 10, 29, tzinfo=UTC)
    assert finding.details == {
        "pod_name": "my-app-123",
        "namespace": "default",
        "container": "app",
        "restart_count": 1,
        "exit_code": 137,
        "reason": "OOMKilled",
        "last_error": "exit code 137 (OOMKilled)",
        "image": "example.com/app:1.2",
        "memory_limit": "256Mi",
        "memory_request": "128Mi",
        "node": "node-1",
        "owner": "Deployment/my-app",
        "finished_at": "2026-01-15T10:29:00Z",
    }


@pytest.mark.parametrize(
    "status",
    [
        container(OOM),
        container(running(), OOM, restarts=1),
        container(waiting("CrashLoopBackOff"), OOM, restarts=1),
        container(terminated("Error", 1, run="beef"), OOM, restarts=1),
    ],
)
def test_the_same_kill_is_the_same_occurrence_whatever_becomes_of_the_container(status: JSON) -> None:
    (finding,) = ask(OomRestart(), pod(status))

    assert (finding.key, finding.occurrence) == ("app", "app/f00d")


def test_two_kills_in_a_row_are_two_occurrences() -> None:
    again = container(terminated("OOMKilled", 137, run="beef"), OOM, restarts=1)

    assert [finding.occurrence for finding in ask(OomRestart(), pod(again))] == ["app/f00d", "app/beef"]


def test_a_kill_without_a_container_id_is_named_by_its_pod_and_time() -> None:
    nameless = terminated("OOMKilled", 137, containerID="")
    (finding,) = ask(OomRestart(), pod(container(running(), nameless, restarts=1)))

    assert finding.occurrence == "app/pod-uid@2026-01-15 10:29:00+00:00"


def test_a_kill_that_cannot_be_dated_is_left_alone() -> None:
    undated = terminated("OOMKilled", 137, finishedAt=None)

    assert ask(OomRestart(), pod(container(undated))) == []


def test_exit_code_137_alone_is_no_oom_kill() -> None:
    assert ask(OomRestart(), pod(container(running(), terminated("Error", 137), restarts=1))) == []


def test_an_init_container_counts_too() -> None:
    init = container(OOM, name="migrate")

    assert [finding.key for finding in ask(OomRestart(), pod(init=init))] == ["migrate"]


def test_the_limit_is_recommended_to_be_doubled() -> None:
    (finding,) = ask(OomRestart(), pod(container(OOM)))

    assert [item.command for item in finding.recommendations] == [
        "kubectl logs my-app-123 -n default -c app --previous --tail=100",
        "kubectl top pod my-app-123 -n default --containers",
        "kubectl set resources deployment my-app -n default -c app --limits=memory=512Mi",
    ]


def test_the_last_run_of_a_pod_that_starts_nothing_again_is_no_previous_one() -> None:
    (finding,) = ask(OomRestart(), pod(container(OOM), phase="Failed"))

    assert [item.command for item in finding.recommendations] == [
        "kubectl logs my-app-123 -n default -c app --tail=100",
        "kubectl set resources deployment my-app -n default -c app --limits=memory=512Mi",
    ]


def test_a_container_that_is_never_restarted_has_no_previous_run_though_its_pod_goes_on() -> None:
    (finding,) = ask(OomRestart(), pod(container(OOM), spec={"restartPolicy": "Never"}))

    assert finding.recommendations[0].command == "kubectl logs my-app-123 -n default -c app --tail=100"


def test_a_sidecar_is_started_again_though_its_pod_s_containers_are_not() -> None:
    declared = {"name": "proxy", "restartPolicy": "Always"}
    spec = {"restartPolicy": "Never", "initContainers": [declared]}
    (finding,) = ask(OomRestart(), pod(init=container(OOM, name="proxy"), spec=spec))

    assert finding.recommendations[0].command == (
        "kubectl logs my-app-123 -n default -c proxy --previous --tail=100"
    )


def test_the_limit_of_an_init_container_is_raised_by_hand() -> None:
    declared = {"name": "migrate", "resources": {"limits": {"memory": "1Gi"}}}
    init = container(running(), OOM, restarts=1, name="migrate")
    (finding,) = ask(OomRestart(), pod(init=init, spec={"initContainers": [declared]}))

    assert finding.recommendations[-1].action == "If it needs the memory, raise the limit, to 2Gi say"
    assert finding.recommendations[-1].command == "kubectl edit deployment my-app -n default"


def test_without_a_limit_the_node_is_looked_at() -> None:
    (finding,) = ask(OomRestart(), pod(container(OOM, name="sidecar")))

    assert finding.description.startswith("Container sidecar has no memory limit")
    assert finding.recommendations[-1].command == "kubectl describe node node-1"


@pytest.mark.parametrize(
    ("times", "severity", "words"),
    [(2, None, "2nd"), (3, Severity.CRITICAL, "3rd"), (11, Severity.CRITICAL, "11th")],
)
def test_the_third_kill_in_a_row_is_critical(times: int, severity: Severity | None, words: str) -> None:
    (finding,) = ask(OomRestart(), pod(container(OOM)))

    again = OomRestart().repeated(finding, times, OomRestartOptions())

    assert again.severity is severity
    assert again.description == f"{finding.description} It is the {words} such kill in a row."


def test_kills_less_than_half_an_hour_apart_are_in_a_row() -> None:
    assert OomRestartOptions().clear_after == 1800.0


def test_a_crash_loop_does_not_tell_that_memory_was_the_cause_and_so_does_not_inhibit_it() -> None:
    assert "pod_crash_loop" not in OomRestart.inhibited_by
