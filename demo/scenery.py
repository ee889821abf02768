"""The simulated cluster at rest: a shop on three nodes. Pure."""

from __future__ import annotations

import copy
from typing import Any

from tests.fakes import objects

JSON = dict[str, Any]

SHOP = "shop"
PAYMENTS = "payments"
NODES = ("node-a", "node-b", "node-c")
WORKLOADS = {"checkout": SHOP, "cart": SHOP, "search": SHOP, "payments-api": PAYMENTS}
REPLICAS = 3
# As a ReplicaSet's and a pod's generated ends look; they change with every round, as pods do.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def ending(*parts: object) -> str:
    """Five letters that look generated, the same for the same parts."""
    number = int(objects.container_id("/".join(map(str, parts)), "", 0)[-12:], 16)
    return "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(5))


def pods(name: str, round_: int) -> list[JSON]:
    """A workload's pods in that round, one on each node."""
    namespace = WORKLOADS[name]
    found = []
    for index in range(REPLICAS):
        pod = objects.pod(
            "pending",
            namespace,
            owner=name,
            node_name=NODES[index % len(NODES)],
            image=f"registry.example.com/{name}:1.{round_}",
            limits={"memory": "256Mi", "cpu": "500m"},
        )
        replica_set = pod["metadata"]["ownerReferences"][0]["name"]
        pod["metadata"]["name"] = f"{replica_set}-{ending(name, round_, index)}"
        found.append(pod)
    return found


def hpa(name: str, replicas: int, *, limited: bool = False) -> JSON:
    """An autoscaler; `limited` says that it would have more pods than it may."""
    condition = {
        "type": "ScalingLimited",
        "status": "True" if limited else "False",
        "reason": "TooManyReplicas" if limited else "DesiredWithinRange",
        "message": "the desired replica count is more than the maximum replica count"
        if limited
        else "the desired count is within the acceptable range",
        "lastTransitionTime": objects.stamp(),
    }
    return {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"name": name, "namespace": WORKLOADS[name]},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 10,
        },
        "status": {"currentReplicas": replicas, "desiredReplicas": replicas, "conditions": [condition]},
    }


def endpoints(name: str, behind: list[JSON], *, ready: bool = True) -> JSON:
    """A service's endpoints: these pods, all ready or none."""
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": f"{name}-endpoints",
            "namespace": WORKLOADS[name],
            "labels": {
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "creationTimestamp": objects.EARLIER,
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [f"10.0.0.{index + 10}"],
                "conditions": {"ready": ready, "serving": ready, "terminating": False},
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
            }
            for index, pod in enumerate(behind)
        ],
    }


def out_of_memory(pod: JSON) -> JSON:
    """The pod whose container was killed for its memory and runs again."""
    return objects.oom_killed(copy.deepcopy(pod))
