from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.message import Severity
from events.detectors.rbac_violation import ClusterRole, RbacViolation, Role, RoleBinding
from tests.events.detectors.objects import JSON, ask, ask_gone
from tests.events.detectors.security_objects import account, binding, role

USER: JSON = {"kind": "User", "name": "ada@example.com"}
ANONYMOUS: JSON = {"kind": "User", "name": "system:anonymous"}
UNAUTHENTICATED: JSON = {"kind": "Group", "name": "system:unauthenticated"}
AUTHENTICATED: JSON = {"kind": "Group", "name": "system:authenticated"}
ALL_ACCOUNTS: JSON = {"kind": "Group", "name": "system:serviceaccounts"}
ACCOUNTS_OF_SHOP: JSON = {"kind": "Group", "name": "system:serviceaccounts:shop"}
MASTERS: JSON = {"kind": "Group", "name": "system:masters"}
DEFAULT_LABEL = {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
EVERYTHING: JSON = {"verbs": ["*"], "resources": ["*"], "apiGroups": ["*"]}

TROUBLED = [
    (
        ClusterRole,
        {
            "metadata": {"name": "all", "uid": "1", "creationTimestamp": "2026-11-23T03:04:25Z"},
            "rules": [{"verbs": ["*"], "resources": ["*"], "apiGroups": ["*"]}],
        },
    )
]


# --- bindings ---


def test_a_binding_to_cluster_admin_is_told() -> None:
    (finding,) = ask(RbacViolation(), binding("cluster-admin", USER))

    assert finding.key == "User//ada@example.com"
    assert finding.title == "ClusterRoleBinding my-binding gives cluster-admin to User ada@example.com"
    assert finding.description == (
        "These rights are to read every Secret, change everything and give rights to others."
    )
    assert finding.subject is None
    assert finding.severity is None
    assert finding.since == datetime(2026, 1, 15, 10, 29, tzinfo=UTC)
    assert finding.details == {
        "binding": "my-binding",
        "role": "cluster-admin",
        "role_kind": "ClusterRole",
        "subjects": ["User ada@example.com"],
        "rules": ["cluster-admin"],
    }
    assert [item.command for item in finding.recommendations] == [
        "kubectl describe clusterrolebinding my-binding",
        "kubectl auth can-i --list --as=ada@example.com",
        "kubectl delete clusterrolebinding my-binding",
    ]


def test_a_binding_within_a_namespace_counts_too() -> None:
    (finding,) = ask(RbacViolation(), binding("cluster-admin", USER, kind=RoleBinding))

    assert finding.title == "RoleBinding my-binding gives cluster-admin to User ada@example.com"
    assert finding.details["namespace"] == "default"
    assert [item.command for item in finding.recommendations] == [
        "kubectl describe rolebinding my-binding -n default",
        "kubectl auth can-i --list -n default --as=ada@example.com",
        "kubectl delete rolebinding my-binding -n default",
    ]


@pytest.mark.parametrize(
    ("role_name", "subject", "rule", "severity"),
    [
        ("cluster-admin", account("builder"), "cluster-admin", None),
        ("cluster-admin", {"kind": "Group", "name": "dev"}, "cluster-admin", None),
        ("cluster-admin", account("default", "shop"), "default-service-account", None),
        ("admin", account("default", "shop"), "default-service-account", None),
        ("edit", account("default", "shop"), "default-service-account", None),
        (
            "edit",
            {"kind": "User", "name": "system:serviceaccount:shop:default"},
            "default-service-account",
            None,
        ),
        ("view", ANONYMOUS, "anonymous", None),
        ("my-role", UNAUTHENTICATED, "anonymous", None),
        ("cluster-admin", ANONYMOUS, "anonymous", Severity.CRITICAL),
        ("cluster-admin", AUTHENTICATED, "everyone", Severity.CRITICAL),
        ("edit", ALL_ACCOUNTS, "everyone", Severity.CRITICAL),
        ("admin", ACCOUNTS_OF_SHOP, "everyone", Severity.CRITICAL),
    ],
)
def test_each_rule_has_a_name_and_the_broadest_are_critical(
    role_name: str, subject: JSON, rule: str, severity: Severity | None
) -> None:
    (finding,) = ask(RbacViolation(), binding(role_name, subject))

    assert finding.details["rules"] == [rule]
    assert finding.severity is severity


@pytest.mark.parametrize(
    ("role_name", "subject"),
    [
        ("view", account("default", "shop")),
        ("view", AUTHENTICATED),
        ("edit", USER),
        ("edit", account("builder")),
        ("my-role", account("default", "shop")),
        ("cluster-admin", MASTERS),
    ],
)
def test_what_is_usual_is_left_alone(role_name: str, subject: JSON) -> None:
    assert ask(RbacViolation(), binding(role_name, subject)) == []


def test_a_role_of_a_namespace_is_not_the_cluster_role_of_its_name() -> None:
    assert ask(RbacViolation(), binding("cluster-admin", USER, kind=RoleBinding, role_kind="Role")) == []


def test_a_binding_of_nobody_is_nothing() -> None:
    assert ask(RbacViolation(), binding("cluster-admin")) == []


def test_each_subject_is_told_by_itself_so_that_a_new_one_is_news() -> None:
    findings = ask(RbacViolation(), binding("cluster-admin", USER, account("builder"), MASTERS))

    assert [finding.key for finding in findings] == [
        "User//ada@example.com",
        "ServiceAccount/default/builder",
    ]
    assert findings[1].title.endswith("gives cluster-admin to ServiceAccount default/builder")


def test_a_binding_with_other_subjects_is_edited_rather_than_deleted() -> None:
    (finding,) = ask(RbacViolation(), binding("view", ANONYMOUS, USER))

    assert finding.recommendations[-1].command == "kubectl edit clusterrolebinding my-binding"


def test_very_many_subjects_are_one_event() -> None:
    crowd = [{"kind": "User", "name": f"user-{number}"} for number in range(500)]
    (finding,) = ask(RbacViolation(), binding("cluster-admin", *crowd, ANONYMOUS))

    assert finding.key == "many"
    assert finding.title == "ClusterRoleBinding my-binding gives cluster-admin to 501 subjects"
    assert finding.severity is Severity.CRITICAL
    assert finding.details["rules"] == ["anonymous", "cluster-admin"]
    assert len(finding.details["subjects"]) == 20


def test_names_of_any_length_give_keys_that_fit_and_differ() -> None:
    long = [{"kind": "User", "name": "x" * 1000 + end} for end in "ab"]
    one, two = ask(RbacViolation(), binding("cluster-admin", *long))

    assert one.key != two.key
    assert len(one.key) <= 255
    assert len(one.title) <= 500


@pytest.mark.parametrize(
    ("subject", "options"),
    [
        (account("builder", "shop"), "--as=system:serviceaccount:shop:builder"),
        ({"kind": "Group", "name": "dev team"}, "--as=anyone '--as-group=dev team'"),
        ({"kind": "User", "name": "system:serviceaccount:shop:ci"}, "--as=system:serviceaccount:shop:ci"),
    ],
)
def test_the_command_asks_as_whom_it_is_about(subject: JSON, options: str) -> None:
    (finding,) = ask(RbacViolation(), binding("cluster-admin", subject))

    assert finding.recommendations[1].command == f"kubectl auth can-i --list {options}"


# --- what Kubernetes brings with it ---


@pytest.mark.parametrize("name", ["system:public-info-viewer", "system:discovery", "system:basic-user"])
def test_what_anybody_may_see_of_a_cluster_is_left_alone(name: str) -> None:
    assert ask(RbacViolation(), binding(name, UNAUTHENTICATED, meta={"name": name})) == []


def test_what_kubeadm_gives_is_left_alone() -> None:
    admins = {"kind": "Group", "name": "kubeadm:cluster-admins"}
    joining = binding(
        "kubeadm:bootstrap-signer-clusterinfo",
        ANONYMOUS,
        kind=RoleBinding,
        role_kind="Role",
        meta={"name": "kubeadm:bootstrap-signer-clusterinfo", "namespace": "kube-public"},
    )

    assert ask(RbacViolation(), binding("cluster-admin", admins, meta={"name": admins["name"]})) == []
    assert ask(RbacViolation(), joining) == []


@pytest.mark.parametrize(
    "meta",
    [
        {"name": "system:harmless"},
        {"name": "kubeadm:cluster-admins"},
        {"name": "harmless", **DEFAULT_LABEL},
        {"name": "system:public-info-viewer", **DEFAULT_LABEL},
    ],
)
def test_a_name_or_label_of_kubernetes_hides_nothing(meta: JSON) -> None:
    assert len(ask(RbacViolation(), binding("cluster-admin", USER, meta=meta))) == 1
    assert len(ask(RbacViolation(), binding("view", ANONYMOUS, meta=meta))) == 1
    assert len(ask(RbacViolation(), role(EVERYTHING, meta=meta))) == 1


def test_the_name_of_the_role_by_which_machines_join_gives_nothing_away_elsewhere() -> None:
    elsewhere = binding("kubeadm:bootstrap-signer-clusterinfo", ANONYMOUS, kind=RoleBinding, role_kind="Role")

    assert len(ask(RbacViolation(), elsewhere)) == 1


def test_a_role_of_a_namespace_is_not_the_default_one_of_its_name() -> None:
    assert len(ask(RbacViolation(), role(EVERYTHING, kind=Role, meta={"name": "cluster-admin"}))) == 1


def test_someone_added_to_the_default_binding_of_cluster_admin_is_told() -> None:
    default = {"name": "cluster-admin", **DEFAULT_LABEL}

    assert ask(RbacViolation(), binding("cluster-admin", MASTERS, meta=default)) == []
    (finding,) = ask(RbacViolation(), binding("cluster-admin", MASTERS, USER, meta=default))
    assert finding.key == "User//ada@example.com"
    assert finding.recommendations[-1].command == "kubectl edit clusterrolebinding cluster-admin"


def test_the_default_role_of_cluster_admin_allows_everything_and_is_left_alone() -> None:
    assert ask(RbacViolation(), role(EVERYTHING, meta={"name": "cluster-admin", **DEFAULT_LABEL})) == []


# --- roles ---


def test_a_cluster_role_that_allows_everything_is_told() -> None:
    (finding,) = ask(RbacViolation(), role(EVERYTHING))

    assert finding.key == "wildcard"
    assert finding.title == "ClusterRole my-role allows everything"
    assert finding.description == "Whoever is given it may do anything to everything in the cluster."
    assert finding.severity is None
    assert finding.details == {"role": "my-role", "role_kind": "ClusterRole", "rules": ["wildcard"]}
    assert [item.command for item in finding.recommendations] == [
        "kubectl describe clusterrole my-role",
        "kubectl get clusterrolebindings,rolebindings --all-namespaces -o wide",
        "kubectl edit clusterrole my-role",
    ]


def test_a_role_of_a_namespace_is_less_bad() -> None:
    (finding,) = ask(RbacViolation(), role(EVERYTHING, kind=Role))

    assert finding.title == "Role my-role allows everything"
    assert finding.description == "Whoever is given it may do anything to everything in default."
    assert finding.severity is Severity.MEDIUM
    assert finding.details["namespace"] == "default"


@pytest.mark.parametrize("group", ["", "rbac.authorization.k8s.io"])
def test_all_of_the_core_or_of_the_rights_is_everything(group: str) -> None:
    harmless = {"verbs": ["get"], "resources": ["pods"], "apiGroups": [""]}

    assert len(ask(RbacViolation(), role(harmless, EVERYTHING | {"apiGroups": [group]}))) == 1


@pytest.mark.parametrize(
    "rule",
    [
        EVERYTHING | {"apiGroups": ["example.com"]},
        EVERYTHING | {"verbs": ["get", "list"]},
        EVERYTHING | {"resources": ["pods"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
        {},
    ],
    ids=["an operator's own", "reading", "pods", "no resource", "empty"],
)
def test_less_than_everything_is_left_alone(rule: JSON) -> None:
    assert ask(RbacViolation(), role(rule)) == []


# --- since when, and until when ---


def test_it_is_dated_by_who_last_set_the_rights() -> None:
    meta = {
        "managedFields": [
            {"time": "2026-01-15T10:29:10Z", "fieldsV1": {"f:roleRef": {}, "f:subjects": {}}},
            {"time": "2026-01-15T10:29:20Z", "fieldsV1": {"f:subjects": {}}},
            {"time": "2026-01-15T10:29:40Z", "fieldsV1": {"f:metadata": {"f:labels": {}}}},
        ]
    }
    (finding,) = ask(RbacViolation(), binding("cluster-admin", USER, meta=meta))

    assert finding.since == datetime(2026, 1, 15, 10, 29, 20, tzinfo=UTC)


def test_what_is_taken_away_is_over() -> None:
    assert ask_gone(RbacViolation(), binding("cluster-admin", USER)) == []


def test_it_counts_at_once() -> None:
    assert RbacViolation.options_class().for_seconds == 0.0
    assert RbacViolation.options_class().clear_after == 0.0
