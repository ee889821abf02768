"""An autoscaler has reached its maximum, so that more load meets no more pods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

from connectors.message import JSONDict, Recommendation
from events.cluster.objects import Condition, Object, Ref, Resource, Struct
from events.detection import Change, Detector, Finding, Options


class ScaleTarget(Struct, frozen=True):
    """What is scaled."""

    kind: str = ""
    name: str = ""


class AutoscalerSpec(Struct, frozen=True):
    """Between how many pods, 1 if nothing else is said, and how many."""

    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int = 1
    max_replicas: int = 0


class AutoscalerStatus(Struct, frozen=True):
    """How many pods there are, and how many it wants, which is never more than the maximum."""

    current_replicas: int = 0
    desired_replicas: int = 0
    conditions: tuple[Condition, ...] | None = None


class HorizontalPodAutoscaler(Object, frozen=True):
    """https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/"""

    resource: ClassVar[Resource] = Resource(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
    )

    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()

    @property
    def refused(self) -> Condition | None:
        """What says that it would have more pods than it may, if something does."""
        for condition in self.status.conditions or ():
            if (condition.type, condition.status, condition.reason) == (
                "ScalingLimited",
                "True",
                "TooManyReplicas",
            ):
                return condition
        return None


class HpaMaxedOptions(Options, frozen=True):
    """A peak that five minutes at the maximum ride out is what the maximum is for."""

    for_seconds: float = 300.0
    clear_after: float = 300.0


class HpaMaxed(Detector[HorizontalPodAutoscaler, HpaMaxedOptions]):
    """An autoscaler that runs as many pods as it may and wants that many, or more.

    One whose minimum is its maximum is not meant to scale.
    """

    event_type = "hpa_maxed"
    watches: ClassVar[tuple[type[Object], ...]] = (HorizontalPodAutoscaler,)
    options_class = HpaMaxedOptions

    def detect(self, change: Change[HorizontalPodAutoscaler], options: HpaMaxedOptions) -> Iterator[Finding]:
        hpa = change.new
        if hpa is None or hpa.metadata.deletion_timestamp is not None:
            return
        spec, status = hpa.spec, hpa.status
        if spec.max_replicas <= spec.min_replicas or status.current_replicas < spec.max_replicas:
            return
        refused = hpa.refused
        if refused is None and status.desired_replicas < spec.max_replicas:
            return
        # Since when is not to be had: the condition keeps its date when only its reason changes.
        yield Finding(
            key="max",
            title=f"Autoscaler {change.ref.name} is at its maximum of {spec.max_replicas}",
            description=_description(hpa, refused),
            details=_details(hpa, refused),
            recommendations=_recommendations(hpa),
        )


def _description(hpa: HorizontalPodAutoscaler, refused: Condition | None) -> str:
    target = hpa.spec.scale_target_ref
    runs = f"{target.kind} {target.name} runs {hpa.status.current_replicas} pods"
    return f"{runs}; it wants more." if refused else f"{runs}; there is no room for more load."


def _details(hpa: HorizontalPodAutoscaler, refused: Condition | None) -> JSONDict:
    target = hpa.spec.scale_target_ref
    known: JSONDict = {
        "name": hpa.metadata.name,
        "namespace": hpa.metadata.namespace,
        "target": f"{target.kind}/{target.name}" if target.name else "",
        "reason": refused.reason if refused else "",
        "message": refused.message if refused else "",
    }
    return {name: value for name, value in known.items() if value} | {
        "current_replicas": hpa.status.current_replicas,
        "desired_replicas": hpa.status.desired_replicas,
        "min_replicas": hpa.spec.min_replicas,
        "max_replicas": hpa.spec.max_replicas,
    }


def _recommendations(hpa: HorizontalPodAutoscaler) -> tuple[Recommendation, ...]:
    more = -(-hpa.spec.max_replicas * 6 // 5)  # a fifth more, rounded up
    set_here, limit = hpa.ref, "maxReplicas"
    owner = hpa.controller
    if owner is not None and owner.kind == "ScaledObject":  # KEDA's, which would set it back
        set_here, limit = Ref(owner.kind, owner.name, hpa.metadata.namespace), "maxReplicaCount"
    patch = json.dumps({"spec": {limit: more}})
    return (
        Recommendation("See what it measures and wants", hpa.ref.kubectl("describe")),
        Recommendation("See whether the nodes have room for more pods", "kubectl top nodes"),
        Recommendation(
            f"If they have, raise the maximum, to {more} say",
            set_here.kubectl("patch", "--type=merge", "-p", patch),
        ),
    )
