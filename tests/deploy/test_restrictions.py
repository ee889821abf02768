"""What KubeGraf may do in a cluster: the watcher's rights, the pods' restrictions, who talks to whom."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from events.annotations import Namespace
from events.detection import all_detectors
from tests.deploy.reading import containers, deployments, of_kind, pod_of

PROCESSES = ("web", "worker", "beat", "watcher")

each_process = pytest.mark.parametrize("process", PROCESSES)
each_container = pytest.mark.parametrize("name", sorted(containers()))


# --- Rights ---------------------------------------------------------------------------------------------


def _watched() -> dict[str, list[str]]:
    """The plurals of what is watched, by API group: for the detectors, and to route their events."""
    kinds = {Namespace, *(kind for detector in all_detectors() for kind in detector.watches)}
    found: dict[str, set[str]] = {}
    for kind in kinds:
        found.setdefault(kind.resource.group, set()).add(kind.resource.plural)
    return {group: sorted(plurals) for group, plurals in sorted(found.items())}


def _rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = of_kind("ClusterRole")["kubegraf-watcher"]["rules"]
    return rules


def test_the_watcher_may_read_all_that_is_watched_and_no_more() -> None:
    expected: list[dict[str, Any]] = [
        {"apiGroups": [group], "resources": plurals, "verbs": ["get", "list", "watch"]}
        for group, plurals in _watched().items()
    ]
    expected.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    expected.append({"apiGroups": [""], "resources": ["events"], "verbs": ["list"]})
    expected.append({"nonResourceURLs": ["/readyz"], "verbs": ["get"]})
    assert _rules() == expected, "These rules belong into deploy/kubernetes/rbac.yaml:\n" + yaml.safe_dump(
        expected, default_flow_style=None, sort_keys=False
    )


def test_the_watcher_may_keep_leases_in_its_own_namespace_alone() -> None:
    (role,) = of_kind("Role").values()
    expected = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "create", "update"],
    }
    assert role["rules"] == [expected]
    assert "leases" not in [plural for rule in _rules() for plural in rule.get("resources", ())]


@pytest.mark.parametrize(
    ("binding", "role"), [("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")]
)
def test_only_the_watchers_account_has_rights(binding: str, role: str) -> None:
    (bound,) = of_kind(binding).values()
    assert (bound["roleRef"]["kind"], bound["roleRef"]["name"]) == (role, next(iter(of_kind(role))))
    assert bound["subjects"] == [
        {"kind": "ServiceAccount", "name": "kubegraf-watcher", "namespace": "kubegraf"}
    ]


@each_process
def test_only_the_watcher_has_a_token(process: str) -> None:
    pod = pod_of(deployments()[process])
    assert pod["automountServiceAccountToken"] is (process == "watcher")
    assert pod["serviceAccountName"] == ("kubegraf-watcher" if process == "watcher" else "kubegraf")
    assert of_kind("ServiceAccount")[pod["serviceAccountName"]]["automountServiceAccountToken"] is False


# --- Restricted -----------------------------------------------------------------------------------------


def test_the_namespace_enforces_the_restricted_standard() -> None:
    labels = of_kind("Namespace")["kubegraf"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@each_process
def test_a_pod_runs_as_nobody_in_particular(process: str) -> None:
    security = pod_of(deployments()[process])["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] >= 10000
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


@each_container
def test_a_container_gains_nothing_and_writes_nowhere(name: str) -> None:
    assert containers()[name]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@each_container
def test_a_container_can_write_temporary_files_and_every_mount_has_its_volume(name: str) -> None:
    volumes = {volume["name"]: volume for volume in pod_of(deployments()[name.split("/")[0]])["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in containers()[name]["volumeMounts"]}
    assert "emptyDir" in mounts["/tmp"]
    for variable in containers()[name].get("env", ()):
        folder = variable["value"].removesuffix("/heartbeat")
        assert "emptyDir" in mounts[folder], variable["name"]


@each_container
def test_a_container_says_what_it_needs_and_ends_when_it_takes_too_much(name: str) -> None:
    resources = containers()[name]["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


# --- Network --------------------------------------------------------------------------------------------


def _ports(name: str, direction: str) -> set[object]:
    rules = of_kind("NetworkPolicy")[name]["spec"].get(direction, [])
    return {port["port"] for rule in rules for port in rule["ports"]}


def _selected(name: str) -> set[str]:
    """The processes that a policy is about."""
    selector = of_kind("NetworkPolicy")[name]["spec"]["podSelector"]
    if not selector:
        return set(PROCESSES)
    labels = dict(selector["matchLabels"])
    assert labels.pop("app.kubernetes.io/name") == "kubegraf"
    chosen = set(labels.values())
    for expression in selector.get("matchExpressions", ()):
        assert (expression["key"], expression["operator"]) == ("app.kubernetes.io/component", "In")
        chosen |= set(expression["values"])
    return chosen


def test_nobody_comes_in_but_to_the_web_process() -> None:
    assert _selected("kubegraf") == set(PROCESSES)
    assert of_kind("NetworkPolicy")["kubegraf"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in of_kind("NetworkPolicy")["kubegraf"]["spec"]
    open_to = {name: _ports(name, "ingress") for name in of_kind("NetworkPolicy") if _ports(name, "ingress")}
    assert open_to == {"kubegraf-web": {"http"}}
    assert _selected("kubegraf-web") == {"web"}


def test_each_process_gets_out_to_what_it_needs() -> None:
    out: dict[str, set[object]] = {process: set() for process in PROCESSES}
    for name in of_kind("NetworkPolicy"):
        for process in _selected(name):
            out[process] |= _ports(name, "egress")
    inside, mail = {53, 5432, 6379}, {25, 465, 587}
    assert out == {
        "web": inside | mail | {443},
        "worker": inside | mail | {443},
        "beat": inside,
        "watcher": inside | {443, 6443},
    }
