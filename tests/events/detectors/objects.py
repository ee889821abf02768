"""Small objects as the API server would send them, for tables of tests; and asking a detector about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from events.cluster.decoding import decode
from events.cluster.objects import Deployment, Node, Object, Pod, StatefulSet
from events.detection import Change, Detector, Finding
from events.detectors.hpa_maxed import HorizontalPodAutoscaler
from events.detectors.service_unavailable import EndpointSlice

JSON = dict[str, Any]

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
EARLIER = "2026-01-15T10:29:00Z"

TROUBLED_POD: JSON = {
    "metadata": {
        "name": "web-7d87-x2x4z",
        "namespace": "shop",
        "uid": "57c871c1-de52-49eb-8646-1c97fddf4f35",
        "labels": {"pod-template-hash": "7d87"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7d87", "controller": True}],
    },
    "spec": {
        "nodeName": "node-1",
        "containers": [{"name": "app", "image": "app:1", "resources": {"limits": {"memory": "256Mi"}}}],
    },
    "status": {
        "phase": "Running",
        "reason": "Evicted",
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-23T03:04:25Z"}],
        "initContainerStatuses": [
            {"name": "a" * 63, "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        ],
        "containerStatuses": [
            {
                "name": "app",
                "restartCount": 3,
                "state": {"running": {"startedAt": "2026-11-23T03:04:25Z"}},
                "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-11-23T03:04:24Z"}},
            },
            {
                "name": "sidecar",
                "state": {
                    "terminated": {
                        "reason": "OOMKilled",
                        "finishedAt": "2026-11-23T03:04:24Z",
                        "containerID": "containerd://" + "f" * 64,
                    }
                },
            },
        ],
    },
}


def terminated(reason: str = "Error", code: int = 1, run: str = "aaa", **more: Any) -> JSON:
    """The state of a container that has ended. `run` is its container's id."""
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "startedAt": "2026-01-15T10:28:00Z",
            "finishedAt": EARLIER,
            "containerID": f"containerd://{run}",
            **more,
        }
    }


def waiting(reason: str, message: str = "") -> JSON:
    """The state of a container that waits."""
    return {"waiting": {"reason": reason, "message": message}}


def running(since: str = "2026-01-15T10:29:05Z") -> JSON:
    """The state of a container that runs."""
    return {"running": {"startedAt": since}}


def container(state: JSON, last: JSON | None = None, restarts: int = 0, name: str = "app") -> JSON:
    """The status of a container."""
    return {
        "name": name,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
        "image": "app@sha",
    }


def pod(
    *containers: JSON,
    init: JSON | None = None,
    meta: JSON | None = None,
    spec: JSON | None = None,
    **status: Any,
) -> Pod:
    """The pod `my-app-123` of the Deployment `my-app`, with these container statuses."""
    return decode(
        json.dumps(
            {
                "metadata": {
                    "name": "my-app-123",
                    "namespace": "default",
                    "uid": "pod-uid",
                    "labels": {"pod-template-hash": "7d87"},
                    "ownerReferences": [{"kind": "ReplicaSet", "name": "my-app-7d87", "controller": True}],
                    **(meta or {}),
                },
                "spec": {
                    "nodeName": "node-1",
                    "containers": [
                        {
                            "name": "app",
                            "image": "example.com/app:1.2",
                            "resources": {"limits": {"memory": "256Mi"}, "requests": {"memory": "128Mi"}},
                        }
                    ],
                    **(spec or {}),
                },
                "status": {
                    "phase": "Running",
                    "containerStatuses": list(containers),
                    "initContainerStatuses": [init] if init else None,
                    **status,
                },
            }
        ).encode(),
        Pod,
    )


def node(
    *taints: str,
    cordoned: bool = False,
    changed: str = EARLIER,
    meta: JSON | None = None,
    **conditions: str,
) -> Node:
    """The node `node-1`, ready unless `conditions` (type to status) say otherwise, which `changed` then."""
    statuses = {"Ready": "True", **conditions}
    return decode(
        json.dumps(
            {
                "metadata": {"name": "node-1", "uid": "node-uid", **(meta or {})},
                "spec": {
                    "unschedulable": cordoned,
                    "taints": [{"key": key, "effect": "NoSchedule"} for key in taints],
                },
                "status": {
                    "conditions": [
                        {
                            "type": kind,
                            "status": status,
                            "reason": "KubeletSays",
                            "message": "the kubelet says so",
                            "lastTransitionTime": changed,
                        }
                        for kind, status in statuses.items()
                    ]
                },
            }
        ).encode(),
        Node,
    )


def managed(manager: str, *fields: str, **more: Any) -> JSON:
    """An entry of the managed fields: who owns these fields of the spec."""
    return {"manager": manager, "fieldsV1": {"f:spec": {f"f:{name}": {} for name in fields}}, **more}


def deployment(
    replicas: int | None,
    *managers: JSON,
    generation: int = 2,
    meta: JSON | None = None,
    kind: type[Deployment] | type[StatefulSet] = Deployment,
) -> Deployment | StatefulSet:
    """The Deployment (or StatefulSet) `my-app` that asks for so many pods."""
    return decode(
        json.dumps(
            {
                "metadata": {
                    "name": "my-app",
                    "namespace": "default",
                    "uid": "uid-1",
                    "generation": generation,
                    "managedFields": list(managers),
                    **(meta or {}),
                },
                "spec": {"replicas": replicas},
            }
        ).encode(),
        kind,
    )


def autoscaler(
    current: int = 5,
    desired: int = 5,
    at_most: int = 5,
    at_least: int | None = 2,
    refused: bool = False,
    meta: JSON | None = None,
) -> HorizontalPodAutoscaler:
    """The autoscaler `my-app`, by how many pods there are, are wanted and are allowed."""
    limited = {
        "type": "ScalingLimited",
        "status": str(refused),
        "reason": "TooManyReplicas" if refused else "DesiredWithinRange",
        "message": "it says why",
    }
    return decode(
        json.dumps(
            {
                "metadata": {"name": "my-app", "namespace": "default", "uid": "hpa-uid", **(meta or {})},
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": "my-app"},
                    "minReplicas": at_least,
                    "maxReplicas": at_most,
                },
                "status": {
                    "currentReplicas": current,
                    "desiredReplicas": desired,
                    "conditions": [limited],
                },
            }
        ).encode(),
        HorizontalPodAutoscaler,
    )


def endpoints(
    *pods: tuple[str, JSON],
    uid: str = "slice-1",
    family: str = "IPv4",
    labels: JSON | None = None,
    created: str | None = None,
) -> EndpointSlice:
    """A slice of the service `my-app`, with these pods and the conditions of their endpoints."""
    return decode(
        json.dumps(
            {
                "metadata": {
                    "name": f"my-app-{uid}",
                    "namespace": "default",
                    "uid": uid,
                    "creationTimestamp": created,
                    "labels": {
                        "kubernetes.io/service-name": "my-app",
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                        **(labels or {}),
                    },
                },
                "addressType": family,
                "endpoints": [
                    {"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": {"name": name}}
                    for name, conditions in pods
                ]
                or None,
            }
        ).encode(),
        EndpointSlice,
    )


def ask(detector: Detector[Any, Any], obj: Object, before: Mapping[str, Any] | None = None) -> list[Finding]:
    """What the detector, with its own options, finds on the object now."""
    return list(detector.detect(Change(obj.ref, obj, NOW, before), detector.options_class()))


def ask_gone(
    detector: Detector[Any, Any], obj: Object, before: Mapping[str, Any] | None = None
) -> list[Finding]:
    """What the detector finds once the object is gone."""
    return list(detector.detect(Change(obj.ref, None, NOW, before), detector.options_class()))


def ask_group(detector: Detector[Any, Any], *members: Object) -> list[Finding]:
    """What the detector finds on the group that these make up, once each of them has been seen."""
    remembered = {member.metadata.uid: detector.remember(member, None, NOW) or {} for member in members}
    last = members[-1]
    group = detector.group(last)
    assert group is not None
    return list(detector.detect(Change(group, last, NOW, None, remembered), detector.options_class()))
