"""The detectors alone over what a real API server sent: they find what scenario.txt tells, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.message import Severity
from events.cluster.decoding import decode
from events.cluster.objects import Deployment, Node, Object, Pod, Ref, StatefulSet
from events.detection import Change, Detector, Finding
from events.detectors.crash_loop import CrashLoop
from events.detectors.deployment_scaled import DeploymentScaled
from events.detectors.hpa_maxed import HpaMaxed
from events.detectors.node_scaled_down import NodeScaledDown
from events.detectors.node_unhealthy import NodeUnhealthy
from events.detectors.oom_restart import OomRestart
from events.detectors.pod_restarted import PodRestarted
from events.detectors.rbac_violation import PUBLIC, ClusterRoleBinding, RbacViolation
from events.detectors.service_unavailable import ServiceUnavailable
from tests.recordings import BEGAN, items, plurals, recorded

DETECTORS = (
    CrashLoop,
    DeploymentScaled,
    HpaMaxed,
    NodeScaledDown,
    NodeUnhealthy,
    OomRestart,
    PodRestarted,
    RbacViolation,
    ServiceUnavailable,
)

FAKE_NODE_1 = "2b6ff091-81de-4629-86f4-d837c9f13fab"
WEB = "5d97f5ff-bb12-4f00-b49e-9d090bef3113"
API = "45587ffb-ba35-4fab-afe6-ca8f787b78b9"
RESTARTED = "d52267cedc9af2e70d050e344cb400d9a3e928cefbea03a990fda9bc19375e3a"
CRASHED = "7411426d8285c11f515b1def3892bc5646f9da113c16ec89152a3558d0bb8ca8"


def replay(detector: Detector[Any, Any]) -> Iterator[tuple[float, Change[Any], Finding]]:
    """Every finding of a detector with when it was made (seconds), over the list and then the watch."""
    for at, change in changes(detector):
        for finding in detector.detect(change, detector.options_class()):
            yield at, change, finding


def changes(detector: Detector[Any, Any]) -> Iterator[tuple[float, Change[Any]]]:
    """What the detector is asked, and at how many seconds: about each object, or about its group."""
    for kind in detector.watches:
        if kind.resource.plural not in plurals():
            continue
        remembered: dict[str, Any] = {}
        groups: dict[Ref, dict[str, Any]] = {}
        for at, gone, obj in observations(kind):
            uid, group = obj.metadata.uid, detector.group(obj)
            before, when = remembered.get(uid), BEGAN + timedelta(seconds=at)
            new, now = None if gone else obj, detector.remember(obj, before, when)
            remembered[uid] = now
            if group is None:
                yield at, Change(obj.ref, new, when, before)
                continue
            members = groups.setdefault(group, {})
            members[uid] = now
            if gone:
                del members[uid]
            if members:
                yield at, Change(group, new, when, before, dict(members))


def observations(kind: type[Object]) -> Iterator[tuple[float, bool, Object]]:
    """The objects of a kind as they were seen: at how many seconds, and whether they were deleted then."""
    for item in items(kind.resource.plural):
        yield 0.0, False, decode(item, kind)
    for line in recorded(kind.resource.plural):
        if line.type != "BOOKMARK":
            yield line.at, line.type == "DELETED", decode(line.object, kind)


def found(detector: Detector[Any, Any]) -> dict[tuple[str, str, str], list[float]]:
    """By (type, subject, key): at how many seconds it was found."""
    times: dict[tuple[str, str, str], list[float]] = {}
    for at, change, finding in replay(detector):
        subject = finding.subject or change.ref
        times.setdefault((detector.event_type, subject.resource, finding.key), []).append(at)
    return times


def test_they_find_exactly_what_was_done_to_the_cluster() -> None:
    assert {problem for detector in DETECTORS for problem in found(detector())} == {
        ("pod_restarted", "Deployment/web", f"nginx/{RESTARTED}"),
        ("pod_oom_restart", "Deployment/web", "nginx"),
        ("pod_crash_loop", "Deployment/web", "nginx"),
        # The end of the crash loop: the container runs again. The crash loop, still open, inhibits it.
        ("pod_restarted", "Deployment/web", f"nginx/{CRASHED}"),
        ("deployment_scaled", "Deployment/web", f"{WEB}/2/3-5"),
        # The scenario brings the autoscaler of `api` to its maximum, and so `api` to five replicas.
        ("deployment_scaled", "Deployment/api", f"{API}/4/3-5"),
        ("node_unhealthy", "Node/fake-node-3", "Ready"),
        ("node_unhealthy", "Node/fake-node-2", "MemoryPressure"),
        ("node_scaled_down", "Node/fake-node-1", FAKE_NODE_1),
        ("deployment_scaled", "Deployment/web", f"{WEB}/3/5-0"),
        ("hpa_maxed", "HorizontalPodAutoscaler/api", "max"),
        ("service_unavailable", "Service/ledger", "endpoints"),
        ("rbac_violation", "ClusterRoleBinding/oops-admin", "ServiceAccount/shop/default"),
        ("rbac_violation", "ClusterRoleBinding/anon-view", "User//system:anonymous"),
    }


@pytest.mark.parametrize(
    ("detector", "first", "last"),
    [(CrashLoop, 16.2, 22.7), (NodeScaledDown, 89.0, 89.0)],
)
def test_it_is_found_from_when_it_began_until_it_was_over(
    detector: type[Detector[Any, Any]], first: float, last: float
) -> None:
    ((times),) = found(detector()).values()

    assert (round(times[0], 1), round(times[-1], 1)) == (first, last)


def test_an_unready_node_is_found_from_when_it_began_until_it_was_over() -> None:
    times = found(NodeUnhealthy())[("node_unhealthy", "Node/fake-node-3", "Ready")]

    # At 78.914 s it was ready again.
    assert (times[0], times[-1]) == (53.912, 78.904)


def test_the_actor_of_a_scale_is_told_where_the_api_server_tells_it() -> None:
    actors = {
        (change.ref.name, finding.details["to"]): (finding.details.get("actor"), finding.severity)
        for _, change, finding in replay(DeploymentScaled())
    }

    assert actors == {
        ("web", 5): ("kubectl", None),
        ("api", 5): ("kubectl", None),
        ("web", 0): (None, Severity.HIGH),  # nobody owns the field once it is 0
    }


def test_the_deleted_node_was_ready_and_unannounced() -> None:
    ((_, _, finding),) = replay(NodeScaledDown())

    assert finding.details["cause"] == "unknown"
    assert finding.severity is Severity.HIGH


def test_a_service_is_unavailable_from_its_last_ready_endpoint_until_the_next() -> None:
    unavailable = ServiceUnavailable()
    asked = [at for at, change in changes(unavailable) if change.ref.name == "ledger"]
    ((_, times),) = found(unavailable).items()

    # At 45.2 s one of two was ready still, and at 72.9 s one was again.
    assert times == [45.573]
    assert asked[asked.index(45.573) + 1] == 72.936


def test_a_service_that_is_scaled_to_nothing_is_not_unavailable() -> None:
    web = [change for at, change in changes(ServiceUnavailable()) if change.ref.name == "web" and at > 109]

    assert [sum(slice_["ready"] for slice_ in change.group.values()) for change in web] == [3, 0, 0]
    assert not [change for _, change, _ in replay(ServiceUnavailable()) if change.ref.name == "web"]


def test_an_autoscaler_is_maxed_from_when_it_is_seen_so() -> None:
    ((_, times),) = found(HpaMaxed()).items()

    assert times == [44.721, 53.46]


def test_rights_are_found_from_when_they_are_given_until_they_are_taken_away() -> None:
    given = found(RbacViolation())
    taken = [change.ref.name for at, change in changes(RbacViolation()) if at and change.new is None]

    assert given == {
        ("rbac_violation", "ClusterRoleBinding/oops-admin", "ServiceAccount/shop/default"): [99.903],
        ("rbac_violation", "ClusterRoleBinding/anon-view", "User//system:anonymous"): [103.178],
    }
    assert taken == ["oops-admin"]


def test_rights_are_dated_by_when_they_were_given() -> None:
    dates = {change.ref.name: finding.since for _, change, finding in replay(RbacViolation())}

    assert dates == {
        "oops-admin": datetime(2026, 11, 23, 3, 5, 11, tzinfo=UTC),
        "anon-view": datetime(2026, 11, 23, 3, 5, 14, tzinfo=UTC),
    }


def test_the_recordings_hold_what_would_mislead_them() -> None:
    pods = [decode(line.object, Pod) for line in recorded("pods")]
    reasons = {
        status.state.waiting.reason for pod in pods for status in pod.containers if status.state.waiting
    }
    api = {decode(line.object, Deployment).metadata.generation for line in recorded("deployments")}

    assert "ImagePullBackOff" in reasons
    assert {2, 3, 4} <= api
    assert not items("statefulsets")
    assert {line.type for line in recorded("statefulsets")} == {"BOOKMARK"}
    assert all(decode(line.object, StatefulSet).replicas == 0 for line in recorded("statefulsets"))
    assert [decode(line.object, Node).ref.name for line in recorded("nodes") if line.type == "DELETED"]
    bindings = [decode(item, ClusterRoleBinding) for item in items("clusterrolebindings")]
    assert {binding.metadata.name for binding in bindings if binding.role_ref.name == "cluster-admin"}
    assert {subject.name for binding in bindings for subject in binding.subjects or ()} & set(PUBLIC)
