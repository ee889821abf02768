"""Kubernetes objects for tests, shaped as a real API server sends them.

Each function returns a new dict; those that take an object change a copy of it, so that one reads
`server.put(crash_looping(pod("web-1")))`.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]

EARLIER = "2026-01-05T09:00:00Z"


def stamp(moment: datetime | None = None) -> str:
    """A time as the API writes it; now, if none is given."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(*parts: object, length: int) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:length]


def pod(
    name: str,
    namespace: str = "default",
    *,
    owner: str = "",
    owner_kind: str = "Deployment",
    containers: Sequence[str] = ("app",),
    node_name: str = "node-0",
    image: str = "registry.example.com/app:1.0",
    limits: dict[str, str] | None = None,
) -> JSON:
    """A running, ready pod. `owner` names the Deployment it belongs to (or another `owner_kind`)."""
    metadata: JSON = {"name": name, "namespace": namespace, "labels": {"app": owner or name}}
    if owner:
        kind, owner_name = owner_kind, owner
        if owner_kind == "Deployment":
            template_hash = _digest(namespace, owner, length=10)
            kind, owner_name = "ReplicaSet", f"{owner}-{template_hash}"
            metadata["labels"]["pod-template-hash"] = template_hash
        metadata["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "kind": kind,
                "name": owner_name,
                "uid": _digest(namespace, kind, owner_name, length=32),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    conditions = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready", "PodScheduled")
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": metadata,
        "spec": {
            "containers": [
                {"name": container, "image": image, "resources": {"limits": limits} if limits else {}}
                for container in containers
            ],
            "restartPolicy": "Always",
            "nodeName": node_name,
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": condition, "status": "True", "lastProbeTime": None, "lastTransitionTime": EARLIER}
                for condition in conditions
            ],
            "startTime": EARLIER,
            "containerStatuses": [
                {
                    "name": container,
                    "state": {"running": {"startedAt": EARLIER}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": 0,
                    "image": image,
                    "containerID": container_id(name, container, 0),
                    "started": True,
                }
                for container in containers
            ],
        },
    }


def container_id(pod_name: str, container: str, restart: int) -> str:
    """The id of a container's n-th run, the same whenever it is asked for."""
    return f"containerd://{_digest(pod_name, container, restart, length=64)}"


def _container(obj: JSON, name: str) -> JSON:
    statuses: list[JSON] = obj["status"]["containerStatuses"]
    return next(status for status in statuses if name in ("", status["name"]))


def _ended(obj: JSON, container: str, reason: str, exit_code: int, restarts: int | None) -> tuple[JSON, JSON]:
    """A copy of the pod whose container has ended once more, and that container's status in it."""
    obj = copy.deepcopy(obj)
    status = _container(obj, container)
    before = status["restartCount"]
    status["restartCount"] = before + 1 if restarts is None else restarts
    status["lastState"] = {
        "terminated": {
            "exitCode": exit_code,
            "reason": reason,
            "startedAt": EARLIER,
            "finishedAt": stamp(),
            "containerID": container_id(obj["metadata"]["name"], status["name"], status["restartCount"] - 1),
        }
    }
    return obj, status


def crash_looping(obj: JSON, container: str = "", *, restarts: int = 5, exit_code: int = 1) -> JSON:
    """The pod with a container that keeps failing, waiting in CrashLoopBackOff."""
    obj, status = _ended(obj, container, "Error", exit_code, restarts)
    message = f"back-off 2m40s restarting failed container={status['name']} pod={obj['metadata']['name']}"
    status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    status["ready"] = status["started"] = False
    return _with_ready(obj, "False")


def image_pull_failing(obj: JSON, container: str = "") -> JSON:
    """The pod waiting for an image that cannot be pulled: a back-off, but no crash loop."""
    obj = copy.deepcopy(obj)
    status = _container(obj, container)
    message = f'Back-off pulling image "{status["image"]}"'
    status["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
    status["ready"] = status["started"] = False
    obj["status"]["phase"] = "Pending"
    return _with_ready(obj, "False")


def restarted(obj: JSON, container: str = "", *, reason: str = "Error", exit_code: int = 1) -> JSON:
    """The pod whose container ended and runs again."""
    obj, status = _ended(obj, container, reason, exit_code, None)
    status["containerID"] = container_id(obj["metadata"]["name"], status["name"], status["restartCount"])
    status["state"] = {"running": {"startedAt": stamp()}}
    status["ready"] = status["started"] = True
    return obj


def oom_killed(obj: JSON, container: str = "") -> JSON:
    """The pod whose container was killed for its memory and runs again."""
    return restarted(obj, container, reason="OOMKilled", exit_code=137)


def healed(obj: JSON) -> JSON:
    """The pod with all containers running and ready; their restart counts stay."""
    obj = copy.deepcopy(obj)
    for status in obj["status"]["containerStatuses"]:
        status["state"] = {"running": {"startedAt": stamp()}}
        status["ready"] = status["started"] = True
    obj["status"]["phase"] = "Running"
    return _with_ready(obj, "True")


def _with_ready(obj: JSON, status: str) -> JSON:
    for condition in obj["status"]["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition.update(status=status, lastTransitionTime=stamp())
    return obj


NODE_CONDITIONS = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


def node(name: str, ready: bool = True, *, taints: Sequence[JSON] = (), labels: JSON | None = None) -> JSON:
    """A node, ready or not."""
    conditions: list[JSON] = [
        {"type": type_, "status": "False", "reason": reason, "message": message}
        for type_, (reason, message) in NODE_CONDITIONS.items()
    ]
    conditions.append(
        {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }
    )
    for condition in conditions:
        condition.update(lastHeartbeatTime=EARLIER, lastTransitionTime=EARLIER)
    obj: JSON = {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, **(labels or {})},
            "creationTimestamp": EARLIER,
        },
        "spec": {"taints": list(taints)} if taints else {},
        "status": {
            "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
            "allocatable": {"cpu": "4", "memory": "15Gi", "pods": "110"},
            "conditions": conditions,
        },
    }
    return obj if ready else not_ready(obj)


def with_condition(obj: JSON, type_: str, status: str, reason: str = "", message: str = "") -> JSON:
    """The object with one condition changed just now: `(node("a"), "MemoryPressure", "True")`."""
    obj = copy.deepcopy(obj)
    changed = {"type": type_, "status": status, "reason": reason, "message": message}
    changed["lastTransitionTime"] = stamp()
    others = [condition for condition in obj["status"].get("conditions", []) if condition["type"] != type_]
    obj["status"]["conditions"] = [*others, changed]
    return obj


def not_ready(obj: JSON) -> JSON:
    """The node as it looks once its kubelet has gone silent."""
    return with_condition(
        obj, "Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."
    )


def deployment(name: str, replicas: int = 3, namespace: str = "default", *, kind: str = "Deployment") -> JSON:
    """A Deployment with all its replicas available."""
    return {
        "kind": kind,
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1.0"}]},
            },
        },
        "status": {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas},
    }


def statefulset(name: str, replicas: int = 3, namespace: str = "default") -> JSON:
    """A StatefulSet with all its replicas available."""
    return deployment(name, replicas, namespace, kind="StatefulSet")


def scaled(obj: JSON, replicas: int) -> JSON:
    """The workload asked for another number of replicas."""
    obj = copy.deepcopy(obj)
    obj["spec"]["replicas"] = replicas
    return obj


def event_about(
    obj: JSON, reason: str, message: str, *, type_: str = "Warning", count: int = 1, last: str = EARLIER
) -> JSON:
    """An Event about an object that has a uid, seen `count` times."""
    meta = obj["metadata"]
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{meta['name']}.{_digest(reason, message, length=16)}",
            "namespace": meta["namespace"],
        },
        "involvedObject": {
            "kind": obj["kind"],
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
        "type": type_,
        "reason": reason,
        "message": message,
        "source": {"component": "kubelet"},
        "firstTimestamp": EARLIER,
        "lastTimestamp": last,
        "count": count,
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "",
    }
