"""Nodes, and what announces that one is about to go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from events.cluster.objects.base import Condition, Object, Resource, Struct


class Taint(Struct, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


REMOVAL_TAINTS = (
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",  # before Karpenter 1.0
    "cloud.google.com/impending-node-termination",
    "aws-node-termination-handler/",
)
"""How the taints begin that announce a removal, each under the name its project documents."""


_SPOT_LABELS = frozenset(
    {
        ("cloud.google.com/gke-preemptible", "true"),
        ("cloud.google.com/gke-spot", "true"),
        ("eks.amazonaws.com/capacityType", "SPOT"),
        ("karpenter.sh/capacity-type", "spot"),
        ("kubernetes.azure.com/scalesetpriority", "spot"),
    }
)
"""The labels by which clouds and Karpenter mark a machine that its cloud may take back at any time."""


JOINING = timedelta(minutes=5)
"""How long a new node may take to be ready: its machine starts, and its network is set up."""
_AT_THE_START = timedelta(seconds=30)


class NodeSpec(Struct, frozen=True):
    taints: tuple[Taint, ...] | None = None
    unschedulable: bool = False


class NodeStatus(Struct, frozen=True):
    conditions: tuple[Condition, ...] | None = None


class Node(Object, frozen=True):
    resource: ClassVar[Resource] = Resource("", "v1", "nodes", "Node", namespaced=False)

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def removal(self) -> str:
        """The key of the taint by which something announces that it is about to remove the node, or ""."""
        keys = (taint.key for taint in self.spec.taints or ())
        return next((key for key in keys if key.startswith(REMOVAL_TAINTS)), "")

    @property
    def is_spot(self) -> bool:
        """Whether its cloud may take the machine back at any time."""
        return not _SPOT_LABELS.isdisjoint((self.metadata.labels or {}).items())

    @property
    def joins_until(self) -> datetime | None:
        """Until when it may be on its way to be ready for the first time; None once it has been."""
        created = self.metadata.creation_timestamp
        ready = next((each for each in self.status.conditions or () if each.type == "Ready"), Condition())
        if created is None or ready.status == "True":
            return None
        changed = ready.last_transition_time
        if changed is None or changed - created <= _AT_THE_START or ready.reason == "NodeStatusNeverUpdated":
            return created + JOINING
        return None
