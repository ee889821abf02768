"""Objects of the Kubernetes API, decoded into just the fields that detectors read.

Decoding is most of a watcher's work: the official client's typed models cost about twenty times the time and
fifty times the memory of these structs. Every field has a default, because a field that is absent, null or
new must never stop a stream: `events.cluster.decoding` sees to nulls.

Here are the kinds that several detectors read. What only one does is declared in that detector's file.
"""

from __future__ import annotations

from events.cluster.objects.base import (
    Condition,
    Meta,
    Object,
    OwnerReference,
    Ref,
    Resource,
    Struct,
    bounded,
)
from events.cluster.objects.names import deployment_of, is_generated
from events.cluster.objects.nodes import REMOVAL_TAINTS, Node, NodeSpec, NodeStatus, Taint
from events.cluster.objects.pods import (
    Container,
    ContainerState,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
    Resources,
    Running,
    Terminated,
    Waiting,
)
from events.cluster.objects.workloads import (
    Deployment,
    ManagedField,
    OwnedFields,
    OwnedSpec,
    StatefulSet,
    Workload,
    WorkloadMeta,
    WorkloadSpec,
)

__all__ = [
    "REMOVAL_TAINTS",
    "Condition",
    "Container",
    "ContainerState",
    "ContainerStatus",
    "Deployment",
    "ManagedField",
    "Meta",
    "Node",
    "NodeSpec",
    "NodeStatus",
    "Object",
    "OwnedFields",
    "OwnedSpec",
    "OwnerReference",
    "Pod",
    "PodSpec",
    "PodStatus",
    "Ref",
    "Resource",
    "Resources",
    "Running",
    "StatefulSet",
    "Struct",
    "Taint",
    "Terminated",
    "Waiting",
    "Workload",
    "WorkloadMeta",
    "WorkloadSpec",
    "bounded",
    "deployment_of",
    "is_generated",
]
