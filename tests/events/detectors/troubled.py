"""One whole object of each kind that no recording has in trouble, on which a detector finds something."""

from __future__ import annotations

from typing import Any

from events.cluster.objects import Object, Pod
from events.detectors.kyverno_policy import PolicyReport
from events.detectors.rbac_violation import ClusterRole
from events.detectors.trivy_vulnerability import VulnerabilityReport

TROUBLED_POD = {
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

TROUBLED: list[tuple[type[Object], Any]] = [
    (Pod, TROUBLED_POD),
    (
        ClusterRole,
        {
            "metadata": {"name": "all", "uid": "1", "creationTimestamp": "2026-11-23T03:04:25Z"},
            "rules": [{"verbs": ["*"], "resources": ["*"], "apiGroups": ["*"]}],
        },
    ),
    (
        VulnerabilityReport,
        {
            "metadata": {
                "name": "replicaset-web-7d87-app",
                "namespace": "shop",
                "uid": "1",
                "creationTimestamp": "2026-11-23T03:04:25Z",
                "labels": {
                    "trivy-operator.container.name": "a" * 63,
                    "trivy-operator.resource.kind": "ReplicaSet",
                    "trivy-operator.resource.name": "web-7d876db474",
                },
            },
            "report": {
                "updateTimestamp": "2026-11-23T03:04:25Z",
                "artifact": {"repository": "shop/web", "tag": "1.2"},
                "registry": {"server": "registry.example.com"},
                "vulnerabilities": [
                    {
                        "vulnerabilityID": f"CVE-2026-{number:04}",
                        "severity": severity,
                        "score": 9.8,
                        "resource": "openssl",
                        "installedVersion": "3.0.1",
                        "fixedVersion": "3.0.2",
                        "title": "x" * 1000,
                    }
                    for number, severity in enumerate(["CRITICAL", "HIGH", "LOW"])
                ],
            },
        },
    ),
    (
        PolicyReport,
        {
            "metadata": {
                "name": "0a1b",
                "namespace": "shop",
                "uid": "1",
                "creationTimestamp": "2026-11-23T03:04:25Z",
                "labels": {"app.kubernetes.io/managed-by": "kyverno"},
            },
            "scope": {"kind": "Deployment", "name": "web", "namespace": "shop"},
            "results": [
                {
                    "policy": "p" * 253,
                    "rule": "r",
                    "result": "fail",
                    "severity": "high",
                    "message": "x" * 5000,
                }
            ],
        },
    ),
]
