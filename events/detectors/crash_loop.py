"""A container crashes again and again, and is made to wait longer each time before it is started."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from connectors.message import Recommendation
from events.cluster.objects import Object, Pod, Ref
from events.detection import Change, Detector, Finding, Options


class CrashLoopOptions(Options, frozen=True):
    """Between two crashes the container runs, for up to ten minutes without being out of the loop.

    Ten minutes is what the kubelet asks for itself before it forgets the crashes and starts anew with the
    shortest wait: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
    """

    clear_after: float = 600.0


class CrashLoop(Detector[Pod, CrashLoopOptions]):
    """A container, or init container, that waits in CrashLoopBackOff.

    Only this reason counts: ImagePullBackOff is a wait as well, but nothing has crashed.
    """

    event_type = "pod_crash_loop"
    watches: ClassVar[tuple[type[Object], ...]] = (Pod,)
    options_class = CrashLoopOptions
    inhibited_by = ("node_unhealthy/Ready",)

    def detect(self, change: Change[Pod], options: CrashLoopOptions) -> Iterator[Finding]:
        pod = change.new
        if pod is None or pod.is_over:
            return
        for container in pod.containers:
            waiting = container.state.waiting
            if waiting is None or waiting.reason != "CrashLoopBackOff":
                continue
            ended = container.last_state.terminated
            times = "once" if container.restart_count == 1 else f"{container.restart_count} times"
            last = f"; last {ended.outcome}" if ended else ""
            # When the loop began is nowhere in the object: only its latest crash is.
            yield Finding(
                key=container.name,
                subject=pod.workload,
                rests_on=pod.rests_on,
                title=f"Pod {pod.metadata.name} in crash loop",
                description=f"Container {container.name} has restarted {times}{last}.",
                details=pod.facts(container, ended),
                recommendations=_recommendations(change.ref, pod.workload, container.name),
            )


def _recommendations(pod: Ref, workload: Ref, container: str) -> tuple[Recommendation, ...]:
    advice = [
        Recommendation(
            "Check what the container logged before it crashed",
            pod.kubectl("logs", "-c", container, "--previous", "--tail=100"),
        ),
        Recommendation("Check the pod's state and recent events", pod.kubectl("describe")),
    ]
    if workload.kind in ("Deployment", "StatefulSet", "DaemonSet"):
        advice.append(
            Recommendation(
                "If a release brought it, go back to the one before", workload.kubectl("rollout undo")
            )
        )
    return tuple(advice)
