"""A container of a pod was started again, or a whole pod was evicted from its node to start on another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from connectors.message import Recommendation, iso
from events.cluster.objects import Object, Pod, Ref
from events.detection import Change, Detector, Finding, Options

NODE_SHORT = "The node "
"""How the kubelet's message begins unless the pod used more local storage than it may, and its node is well:
https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/eviction/eviction_manager.go
"""


class PodRestarted(Detector[Pod, Options]):
    """A container that runs, or ran, after an earlier run of it ended.

    A run that ended for want of memory is `pod_oom_restart`, and one that waits to be started is not
    restarted yet. An init container that had done its work is run again when its pod is set up anew, as
    after its node has started again: what restarted is the pod's other containers. The same run stays in
    the last state until the next one ends, so its key names it.
    """

    event_type = "pod_restarted"
    watches: ClassVar[tuple[type[Object], ...]] = (Pod,)
    options_class = Options
    inhibited_by = ("pod_crash_loop", "node_unhealthy/Ready")

    def detect(self, change: Change[Pod], options: Options) -> Iterator[Finding]:
        pod = change.new
        if pod is None:
            return
        if pod.status.reason == "Evicted":
            yield from _eviction(change, pod)
        if pod.is_over:
            return
        for container in pod.containers:
            ended = container.last_state.terminated
            if container.restart_count == 0 or ended is None or ended.reason == "OOMKilled":
                continue
            if container.state.running is None and container.state.terminated is None:
                continue
            if ended.exit_code == 0 and pod.runs_to_its_end(container.name):
                continue
            since = container.when_ended(ended)
            if since is None:  # without a date it could be from long before anyone watched
                continue
            times = "once" if container.restart_count == 1 else f"{container.restart_count} times"
            yield Finding(
                key=pod.occurrence(container, ended),
                subject=pod.workload,
                rests_on=pod.rests_on,
                title=f"Pod {pod.metadata.name} restarted",
                description=f"Container {container.name} has restarted {times}; last {ended.outcome}.",
                since=since,
                details=pod.facts(container, ended) | {"finished_at": iso(since)},
                recommendations=(
                    Recommendation(
                        "Check what the container logged before it ended",
                        change.ref.kubectl("logs", "-c", container.name, "--previous", "--tail=100"),
                    ),
                    Recommendation("Check the pod's state and recent events", change.ref.kubectl("describe")),
                ),
            )


def _eviction(change: Change[Pod], pod: Pod) -> Iterator[Finding]:
    """The kubelet ended the pod to save its node: whatever owns it starts another in its place."""
    since = _stopped(pod)
    if since is None:
        return
    facts = {
        "pod_name": pod.metadata.name,
        "namespace": pod.metadata.namespace,
        "reason": pod.status.reason,
        "last_error": pod.status.message,
        "node": pod.spec.node_name,
        "owner": pod.workload.resource if pod.workload != pod.ref else "",
        "finished_at": iso(since),
    }
    advice = [Recommendation("Check the pod's state and recent events", change.ref.kubectl("describe"))]
    if pod.status.message and NODE_SHORT not in pod.status.message:
        if pod.workload != pod.ref:
            advice.append(
                Recommendation(
                    "Have it write less to its local disk, or raise that limit", pod.workload.kubectl("edit")
                )
            )
    elif pod.spec.node_name:
        node = Ref("Node", pod.spec.node_name)
        advice.append(Recommendation("See what the node is short of", node.kubectl("describe")))
    yield Finding(
        key=f"evicted/{pod.metadata.uid}",
        subject=pod.workload,
        rests_on=pod.rests_on,
        title=f"Pod {pod.metadata.name} was evicted",
        description=pod.status.message or "Its node ended it to get resources back.",
        since=since,
        details={name: value for name, value in facts.items() if value},
        recommendations=tuple(advice),
    )


def _stopped(pod: Pod) -> datetime | None:
    """When the pod's conditions say that it stopped."""
    times = {condition.type: condition.last_transition_time for condition in pod.status.conditions or ()}
    return times.get("DisruptionTarget") or times.get("Ready")
