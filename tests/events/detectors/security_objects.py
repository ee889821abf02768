"""Bindings, roles and reports as the API server would send them, for tables of tests."""

from __future__ import annotations

import json
from typing import Any

from events.cluster.decoding import decode
from events.detectors.kyverno_policy import PolicyReport
from events.detectors.rbac_violation import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from events.detectors.trivy_vulnerability import VulnerabilityReport
from tests.events.detectors.objects import EARLIER, JSON


def account(name: str, namespace: str = "default") -> JSON:
    """A service account to be bound."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def binding(
    role: str,
    *subjects: JSON,
    kind: type[ClusterRoleBinding] | type[RoleBinding] = ClusterRoleBinding,
    role_kind: str = "ClusterRole",
    meta: JSON | None = None,
) -> ClusterRoleBinding | RoleBinding:
    """The binding `my-binding` that gives this role to these subjects."""
    return decode(
        json.dumps(
            {
                "metadata": {
                    "name": "my-binding",
                    "namespace": "default" if kind is RoleBinding else "",
                    "uid": "binding-uid",
                    "creationTimestamp": EARLIER,
                    **(meta or {}),
                },
                "subjects": list(subjects) or None,
                "roleRef": {"kind": role_kind, "name": role},
            }
        ).encode(),
        kind,
    )


def role(
    *rules: JSON, kind: type[ClusterRole] | type[Role] = ClusterRole, meta: JSON | None = None
) -> ClusterRole | Role:
    """The role `my-role` with these rules."""
    return decode(
        json.dumps(
            {
                "metadata": {
                    "name": "my-role",
                    "namespace": "" if kind is ClusterRole else "default",
                    "uid": "role-uid",
                    "creationTimestamp": EARLIER,
                    **(meta or {}),
                },
                "rules": list(rules) or None,
            }
        ).encode(),
        kind,
    )


def vulnerability(name: str, severity: str = "HIGH", **more: Any) -> JSON:
    """One vulnerability of openssl, with a fix, as Trivy tells it."""
    return {
        "vulnerabilityID": name,
        "severity": severity,
        "resource": "openssl",
        "installedVersion": "3.0.1",
        "fixedVersion": "3.0.2",
        "title": "buffer overflow",
        **more,
    }


def scan(
    *vulnerabilities: JSON, owner: tuple[str, str] = ("ReplicaSet", "my-app-7d876db474"), uid: str = "scan-1"
) -> VulnerabilityReport:
    """What Trivy found in the container `app` of that owner."""
    kind, name = owner
    return decode(
        json.dumps(
            {
                "metadata": {
                    "name": f"{kind.lower()}-{name}-app",
                    "namespace": "default",
                    "uid": uid,
                    "creationTimestamp": EARLIER,
                    "labels": {
                        "trivy-operator.container.name": "app",
                        "trivy-operator.resource.kind": kind,
                        "trivy-operator.resource.name": name,
                        "trivy-operator.resource.namespace": "default",
                    },
                },
                "report": {
                    "updateTimestamp": EARLIER,
                    "artifact": {"repository": "shop/app", "tag": "1.2"},
                    "registry": {"server": "registry.example.com"},
                    "vulnerabilities": list(vulnerabilities),
                },
            }
        ).encode(),
        VulnerabilityReport,
    )


def verdict(policy: str, result: str = "fail", **more: Any) -> JSON:
    """What Kyverno says of one rule of a policy."""
    return {"policy": policy, "rule": f"{policy}-rule", "result": result, "source": "kyverno", **more}


def policy_report(
    *results: JSON, kind: str = "Deployment", name: str = "my-app", meta: JSON | None = None
) -> PolicyReport:
    """What Kyverno reports on one object."""
    return decode(
        json.dumps(
            {
                "metadata": {
                    "name": "0a1b",
                    "namespace": "default",
                    "uid": "report-1",
                    "creationTimestamp": EARLIER,
                    "labels": {"app.kubernetes.io/managed-by": "kyverno"},
                    **(meta or {}),
                },
                "scope": {"kind": kind, "name": name, "namespace": "default", "uid": "uid-1"},
                "results": list(results),
            }
        ).encode(),
        PolicyReport,
    )
