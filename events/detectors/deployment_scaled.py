"""A Deployment or StatefulSet asks for another number of pods than before."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from connectors.message import JSONDict, Recommendation, Severity
from events.cluster.objects import Deployment, ManagedField, Object, Ref, StatefulSet, Workload
from events.detection import Change, Detector, Finding, Options

AUTOSCALER = "HorizontalPodAutoscaler"


class DeploymentScaled(Detector[Workload, Options]):
    """`spec.replicas` is not what it was when the object was last seen.

    A rolling update scales ReplicaSets up and down and leaves this number alone, and so do pods that come
    and go.
    """

    event_type = "deployment_scaled"
    watches: ClassVar[tuple[type[Object], ...]] = (Deployment, StatefulSet)
    options_class = Options

    def remember(self, obj: Workload, before: Mapping[str, Any] | None, at: datetime) -> JSONDict:
        """How many pods it asks for."""
        return {"replicas": obj.replicas}

    def detect(self, change: Change[Workload], options: Options) -> Iterator[Finding]:
        workload, before = change.new, (change.before or {}).get("replicas")
        if workload is None or before is None or before == workload.replicas:
            return
        if workload.metadata.deletion_timestamp is not None:
            return
        now = workload.replicas
        setter = _setter(workload)
        actor = _name(setter) if setter else ""
        where = f"to {now}" if now == 0 else f"{'up' if now > before else 'down'} from {before} to {now}"
        yield Finding(
            key=f"{workload.metadata.uid}/{workload.metadata.generation}/{before}-{now}",
            title=f"{change.ref.kind} {change.ref.name} scaled {where}",
            description=f"Replicas went from {before} to {now}" + (f", set by {actor}." if actor else "."),
            severity=Severity.HIGH if now == 0 else None,
            since=setter.time if setter else None,
            details={
                "name": change.ref.name,
                "namespace": change.ref.namespace,
                "from": before,
                "to": now,
                "direction": "up" if now > before else "down",
            }
            | ({"actor": actor} if actor else {}),
            recommendations=_recommendations(change.ref, before, actor),
        )


def _recommendations(workload: Ref, before: int, actor: str) -> tuple[Recommendation, ...]:
    look = Recommendation("See its state and recent events", workload.kubectl("describe"))
    if actor == AUTOSCALER:  # it would set any other number back within seconds
        listed = shlex.join(("kubectl", "get", "horizontalpodautoscalers", "-n", workload.namespace))
        return look, Recommendation("See what the autoscalers measure and want", listed)
    scale = workload.kubectl("scale", f"--replicas={before}")
    return look, Recommendation("If that was not meant, scale it back", scale)


def _setter(workload: Workload) -> ManagedField | None:
    """Who set the number. When several own it, all but one merely agreed to it: then it is not known."""
    managers = workload.replicas_managers
    return managers[0] if len(managers) == 1 else None


def _name(setter: ManagedField) -> str:
    """The manager's name; of what the controller manager runs, only the autoscaler scales."""
    if setter.manager == "kube-controller-manager":
        return AUTOSCALER
    return setter.manager
