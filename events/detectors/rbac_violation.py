"""Someone was given more rights than anyone should have: by a binding, or a role that allows everything."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from connectors.message import Recommendation, Severity
from events.cluster.objects import Meta, Object, Resource, Struct
from events.detection import Change, Detector, Finding, Options

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
ACCOUNT = "system:serviceaccount:"
ACCOUNTS = "system:serviceaccounts"

# What Kubernetes and kubeadm bring with them is known by the rights that it gives and to whom: how a role or
# a binding is named and labelled is for whoever makes it to choose.
KUBEADM_ADMINS = "kubeadm:cluster-admins"
"""The group of the administrators that kubeadm makes."""
PUBLIC_ROLES = (
    "system:public-info-viewer",
    "system:discovery",
    "system:basic-user",
    "system:openshift:public-info-viewer",
)
"""What anybody may see of a cluster: its version, that it is well, which kinds it has:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles
"""
JOINING = ("kube-public", "kubeadm:bootstrap-signer-clusterinfo")
"""Namespace and role by which kubeadm tells a machine where it is to join, which knows nobody yet."""

PUBLIC = ("system:anonymous", "system:unauthenticated")
POWERFUL = ("cluster-admin", "admin", "edit")
"""Cluster roles that may run pods of their choice, and so come by the rights of any account around."""

SENSITIVE_GROUPS = ("*", "", GROUP)
"""All of the API, its core with every Secret and pod, or the rights themselves. A wildcard over another group
is how an operator owns its own resources."""

MANY = 20
"""A binding of more subjects than these is told as one."""


class ManagedFields(Struct, frozen=True):
    """Whether someone has set who is bound, or what is allowed."""

    subjects: dict[str, Any] | None = msgspec.field(default=None, name="f:subjects")
    rules: dict[str, Any] | None = msgspec.field(default=None, name="f:rules")


class Manager(Struct, frozen=True):
    """Who set which fields, and when they last did."""

    time: datetime | None = None
    fields_v1: ManagedFields = msgspec.field(default=ManagedFields(), name="fieldsV1")


class RightsMeta(Meta, frozen=True):
    managed_fields: tuple[Manager, ...] | None = None


class Rights(Object, frozen=True):
    """What any of the four kinds has."""

    metadata: RightsMeta = RightsMeta()

    @property
    def given_at(self) -> datetime | None:
        """When the rights were last set; or later, as whoever set them may since have set something else."""
        times = [
            manager.time
            for manager in self.metadata.managed_fields or ()
            if manager.time and (manager.fields_v1.subjects, manager.fields_v1.rules) != (None, None)
        ]
        return max(times, default=self.metadata.creation_timestamp)


class Subject(Struct, frozen=True):
    """Who is given rights: a User, a Group or a ServiceAccount."""

    kind: str = ""
    name: str = ""
    namespace: str = ""

    @property
    def account(self) -> tuple[str, str]:
        """Namespace and name of a service account, by whichever of its names; two "" of anyone else."""
        if self.kind == "ServiceAccount":
            return self.namespace, self.name
        if self.kind == "User" and self.name.startswith(ACCOUNT):
            namespace, _, name = self.name.removeprefix(ACCOUNT).partition(":")
            return namespace, name
        return "", ""

    @property
    def is_everyone(self) -> bool:
        """Whether it is a group that Kubernetes puts people or pods into by itself."""
        groups = ("system:authenticated", ACCOUNTS)
        return self.kind == "Group" and (self.name in groups or self.name.startswith(f"{ACCOUNTS}:"))

    @property
    def words(self) -> str:
        """As people name it."""
        namespace, name = self.account
        return f"ServiceAccount {namespace}/{name}" if name else f"{self.kind} {self.name[:200]}"

    @property
    def key(self) -> str:
        """Tells it from others. What is too long for a key is told by its hash: a name may be any text."""
        full = f"{self.kind}/{self.namespace}/{self.name}"
        return full if len(full) <= 200 else f"{full[:100]}#{hashlib.sha256(full.encode()).hexdigest()}"

    @property
    def as_user(self) -> tuple[str, ...]:
        """The options of kubectl that act for it."""
        namespace, name = self.account
        if name:
            return (f"--as={ACCOUNT}{namespace}:{name}",)
        if self.kind == "Group":
            return ("--as=anyone", f"--as-group={self.name}")
        return (f"--as={self.name}",)


class RoleRef(Struct, frozen=True):
    kind: str = ""
    name: str = ""

    @property
    def is_powerful(self) -> bool:
        """Whether it is one of the default roles that amount to all others."""
        return self.kind == "ClusterRole" and self.name in POWERFUL


class Binding(Rights, frozen=True):
    """Gives a role to subjects. Which role cannot be changed; to whom can."""

    subjects: tuple[Subject, ...] | None = None
    role_ref: RoleRef = RoleRef()


class ClusterRoleBinding(Binding, frozen=True):
    resource: ClassVar[Resource] = Resource(
        GROUP, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
    )


class RoleBinding(Binding, frozen=True):
    resource: ClassVar[Resource] = Resource(GROUP, "v1", "rolebindings", "RoleBinding")


class PolicyRule(Struct, frozen=True):
    verbs: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    api_groups: tuple[str, ...] | None = None

    @property
    def allows_everything(self) -> bool:
        """Whether it is every verb on every resource of something that matters."""
        return (
            "*" in (self.verbs or ())
            and "*" in (self.resources or ())
            and any(group in SENSITIVE_GROUPS for group in self.api_groups or ())
        )


class Role(Rights, frozen=True):
    """Allows something within its namespace."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1", "roles", "Role")

    rules: tuple[PolicyRule, ...] | None = None

    @property
    def allows_everything(self) -> bool:
        """Whether one of its rules does."""
        return any(rule.allows_everything for rule in self.rules or ())

    @property
    def is_cluster_admin(self) -> bool:
        """Whether it is the one that is to allow everything."""
        return isinstance(self, ClusterRole) and self.metadata.name == "cluster-admin"


class ClusterRole(Role, frozen=True):
    """Allows something anywhere, or wherever it is bound."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1", "clusterroles", "ClusterRole", namespaced=False)


class RbacViolation(Detector[Rights, Options]):
    """Rights that nobody should have, for as long as they are given.

    A binding: of anything to those who have not logged in, of cluster-admin to anyone, of a role that may
    run pods to an account that many pods share. A role: every verb on every resource.
    """

    event_type = "rbac_violation"
    watches: ClassVar[tuple[type[Object], ...]] = (ClusterRole, ClusterRoleBinding, Role, RoleBinding)
    options_class = Options
    only_news = True

    def detect(self, change: Change[Rights], options: Options) -> Iterator[Finding]:
        rights = change.new
        if isinstance(rights, Binding):
            yield from _of_binding(rights)
        elif isinstance(rights, Role) and rights.allows_everything and not rights.is_cluster_admin:
            yield _of_role(rights)


def _of_role(role: Role) -> Finding:
    everywhere = isinstance(role, ClusterRole)
    where = "in the cluster" if everywhere else f"in {role.metadata.namespace}"
    return Finding(
        key="wildcard",
        title=f"{role.ref.kind} {role.metadata.name} allows everything",
        description=f"Whoever is given it may do anything to everything {where}.",
        severity=None if everywhere else Severity.MEDIUM,
        since=role.given_at,
        details={"role": role.metadata.name, "role_kind": role.ref.kind, "rules": ["wildcard"]}
        | ({} if everywhere else {"namespace": role.metadata.namespace}),
        recommendations=(
            Recommendation("See what it allows", role.ref.kubectl("describe")),
            Recommendation(
                "See who has it", "kubectl get clusterrolebindings,rolebindings --all-namespaces -o wide"
            ),
            Recommendation("Name the verbs and resources that are needed", role.ref.kubectl("edit")),
        ),
    )


def _of_binding(binding: Binding) -> Iterator[Finding]:
    broken = {
        subject.key: (subject, rule)
        for subject in binding.subjects or ()
        if (rule := _rule(binding, subject))
    }
    if len(broken) <= MANY:
        for key, (subject, rule) in broken.items():
            yield _finding(binding, key, [subject], [rule])
    else:
        subjects, rules = zip(*broken.values(), strict=True)
        yield _finding(binding, "many", subjects, sorted(set(rules)))


def _rule(binding: Binding, subject: Subject) -> str:
    """Which rule is broken when the subject has the role; "" if none is."""
    role = binding.role_ref
    if subject.name in PUBLIC:
        joining = role.kind == "Role" and (binding.metadata.namespace, role.name) == JOINING
        return "" if joining or (role.kind == "ClusterRole" and role.name in PUBLIC_ROLES) else "anonymous"
    # The first may do everything without any binding.
    if subject.kind == "Group" and subject.name in (MASTERS, KUBEADM_ADMINS):
        return ""
    if role.is_powerful and subject.is_everyone:
        return "everyone"
    if role.is_powerful and subject.account[1] == "default":
        return "default-service-account"
    return "cluster-admin" if role.is_powerful and role.name == "cluster-admin" else ""


REASONS = {
    "anonymous": "No login is needed to have these rights.",
    "everyone": "Nobody in that group was chosen to have these rights.",
    "default-service-account": "Every pod of the namespace that names no ServiceAccount has these rights.",
    "cluster-admin": "These rights are to read every Secret, change everything and give rights to others.",
}
"""Why each rule is one."""


def _finding(binding: Binding, key: str, subjects: Sequence[Subject], rules: Sequence[str]) -> Finding:
    ref, role, namespace = binding.ref, binding.role_ref, binding.metadata.namespace
    to = subjects[0].words if len(subjects) == 1 else f"{len(subjects)} subjects"
    severe = role.is_powerful and not {"anonymous", "everyone"}.isdisjoint(rules)
    return Finding(
        key=key,
        title=f"{ref.kind} {ref.name} gives {role.name} to {to}",
        description=" ".join(REASONS[rule] for rule in rules),
        severity=Severity.CRITICAL if severe else None,
        since=binding.given_at,
        details={
            "binding": ref.name,
            "role": role.name,
            "role_kind": role.kind,
            "subjects": [subject.words for subject in subjects[:MANY]],
            "rules": list(rules),
        }
        | ({"namespace": namespace} if namespace else {}),
        recommendations=_recommendations(binding, subjects[0]),
    )


def _recommendations(binding: Binding, subject: Subject) -> tuple[Recommendation, ...]:
    namespace = binding.metadata.namespace
    within = ("-n", namespace) if namespace else ()
    rights = shlex.join(("kubectl", "auth", "can-i", "--list", *within, *subject.as_user))
    alone = len(binding.subjects or ()) == 1
    return (
        Recommendation("See who is bound to what", binding.ref.kubectl("describe")),
        Recommendation(f"See all that {subject.words} may do", rights),
        Recommendation(
            "If that was not meant, take the rights away",
            binding.ref.kubectl("delete" if alone else "edit"),
        ),
    )
