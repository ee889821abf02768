"""The object that the labels of a metric mean. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

# The labels that name an object, those of the smaller one first: a pod lies on a node, not the other way.
_KINDS = {
    "pod": "Pod",
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "job_name": "Job",
    "cronjob": "CronJob",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
    "hpa": "HorizontalPodAutoscaler",
    "replicaset": "ReplicaSet",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "deployment": "Deployment",
    "poddisruptionbudget": "PodDisruptionBudget",
    "ingress": "Ingress",
    "persistentvolume": "PersistentVolume",
    "node": "Node",
    "service": "Service",
}
WITHOUT_NAMESPACE = ("PersistentVolume", "Node")
_WORKLOADS = {kind.lower(): kind for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")}

# Programs that tell of other objects than themselves, and that Prometheus gives the labels of their own pod.
_EXPORTERS = ("kube-state-metrics", "node-exporter")
EXPORTED = "exported_"


def resource_of(labels: Mapping[str, str]) -> str:
    """Kind/name of what the alert is about; empty where no label tells."""
    named = _objects(labels)
    for label, kind in _KINDS.items():
        if label in named:
            return f"{kind}/{named[label]}"
    return ""


def _objects(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that name an object which the alert may be about.

    Prometheus labels what it scrapes with the pod and the service that it scrapes it from. Where the metric
    has such labels of its own, these become `exported_pod` and so on, or, with `honor_labels`, take their
    place; where it has none, the exporter's stand beside those that are meant.
    """
    own = {label: labels[label] for label in _KINDS if labels.get(label)}
    if (kind := _WORKLOADS.get(labels.get("workload_type", "").lower())) and labels.get("workload"):
        own.setdefault("job_name" if kind == "Job" else kind.lower(), labels["workload"])
    exported = {label: said for label in _KINDS if (said := labels.get(f"{EXPORTED}{label}"))}
    others = {label: name for label, name in own.items() if label not in ("pod", "service")}
    if any(name.startswith(EXPORTED) for name in labels):
        return {**others, **exported} or own
    if not _is_of_exporter(labels):
        return own
    if not others and _EXPORTERS[1] in labels.get("job", "") and (host := _host(labels)):
        return {"node": host}
    return others or own


def _is_of_exporter(labels: Mapping[str, str]) -> bool:
    """Whether the label `pod` is, or would be, that of an exporter."""
    pod, service = labels.get("pod", ""), labels.get("service", "")
    if any(name in pod for name in _EXPORTERS):
        return True
    scraped = " ".join(labels.get(name, "") for name in ("job", "service", "container"))
    scrapes = any(name in scraped for name in _EXPORTERS)
    return scrapes and (not pod or bool(service and pod.startswith(f"{service}-")))


def _host(labels: Mapping[str, str]) -> str:
    """The name in `instance`, if it is one: node-exporter's is often that of its node."""
    host = labels.get("instance", "").rpartition(":")[0] or labels.get("instance", "")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    return ""
