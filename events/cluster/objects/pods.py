"""Pods, and how their containers fare."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import msgspec

from events.cluster.objects.base import Condition, Object, Ref, Resource, Struct
from events.cluster.objects.names import cron_job_of


class Terminated(Struct, frozen=True):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    container_id: str = msgspec.field(default="", name="containerID")

    @property
    def outcome(self) -> str:
        """How it ended, in words: `exit code 1 (Error)`."""
        return f"exit code {self.exit_code}" + (f" ({self.reason})" if self.reason else "")


class Waiting(Struct, frozen=True):
    reason: str = ""
    message: str = ""


class Running(Struct, frozen=True):
    started_at: datetime | None = None


class ContainerState(Struct, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, frozen=True):
    name: str = ""
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()

    def when_ended(self, ended: Terminated) -> datetime | None:
        """When a run of it ended; if its node lost track of that, when the run in its place began."""
        return ended.finished_at or (self.state.running.started_at if self.state.running else None)


class Resources(Struct, frozen=True):
    limits: dict[str, str] | None = None
    requests: dict[str, str] | None = None


class Container(Struct, frozen=True):
    """`restart_policy` is the container's own: of a sidecar, and of what differs from its pod."""

    name: str = ""
    image: str = ""
    restart_policy: str = ""
    resources: Resources | None = None


class PodSpec(Struct, frozen=True):
    node_name: str = ""
    restart_policy: str = ""
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None


class PodStatus(Struct, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(Object, frozen=True):
    resource: ClassVar[Resource] = Resource("", "v1", "pods", "Pod")

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """The status of every container, init containers first."""
        return (self.status.init_container_statuses or ()) + (self.status.container_statuses or ())

    def container_spec(self, name: str) -> Container | None:
        """How the container of that name was declared."""
        for container in (self.spec.init_containers or ()) + (self.spec.containers or ()):
            if container.name == name:
                return container
        return None

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end, or is being deleted: none of its containers will start again."""
        return self.status.phase in ("Succeeded", "Failed") or self.metadata.deletion_timestamp is not None

    def restarts(self, container: str) -> bool:
        """Whether the container of that name is started again when it ends."""
        declared = self.container_spec(container)
        policy = (declared.restart_policy if declared else "") or self.spec.restart_policy
        return not self.is_over and policy != "Never"

    def is_init(self, container: str) -> bool:
        """Whether the container of that name is an init container, or a sidecar declared among those."""
        return any(declared.name == container for declared in self.spec.init_containers or ())

    def runs_to_its_end(self, container: str) -> bool:
        """Whether the container of that name is an init container that prepares something, and no sidecar."""
        declared = self.container_spec(container) or Container()
        return self.is_init(container) and declared.restart_policy != "Always"

    def occurrence(self, status: ContainerStatus, ended: Terminated) -> str:
        """Names one run of a container that has ended, differently from any other run of any pod."""
        run = ended.container_id.rpartition("/")[2] or f"{self.metadata.uid}@{status.when_ended(ended)}"
        return f"{status.name}/{run}"

    def facts(self, status: ContainerStatus, ended: Terminated | None) -> dict[str, Any]:
        """What is known of one of its containers and how that ended, by the names that events give it."""
        declared = self.container_spec(status.name) or Container()
        resources = declared.resources or Resources()
        owner = self.workload
        known: dict[str, Any] = {
            "pod_name": self.metadata.name,
            "namespace": self.metadata.namespace,
            "container": status.name,
            "restart_count": status.restart_count,
            "exit_code": ended.exit_code if ended else None,
            "reason": ended.reason if ended else None,
            # What a container leaves in its termination message may be 4 kB; the error stands at its end.
            "last_error": (ended.message.strip()[-1000:] or ended.outcome) if ended else None,
            "image": declared.image or status.image,
            "memory_limit": (resources.limits or {}).get("memory"),
            "memory_request": (resources.requests or {}).get("memory"),
            "node": self.spec.node_name,
            "owner": owner.resource if owner != self.ref else None,
        }
        return {name: value for name, value in known.items() if value not in (None, "")}

    @property
    def rests_on(self) -> tuple[Ref, ...]:
        """What it cannot run without: its node, once it has one."""
        return (Ref("Node", self.spec.node_name),) if self.spec.node_name else ()

    @property
    def workload(self) -> Ref:
        """What a person would name as the owner: the Deployment, not its ReplicaSet; else the pod itself.

        A Deployment's ReplicaSet is named `<deployment>-<pod-template-hash>`, and its pods carry the hash as
        a label, so that no look-up is needed. A CronJob's Jobs, of which each run has another, are told by
        their names. A static pod's node owns it in name only.
        """
        owner = self.controller
        if owner is None or owner.kind == "Node":
            return self.ref
        template_hash = (self.metadata.labels or {}).get("pod-template-hash", "")
        suffix = f"-{template_hash}"
        if owner.kind == "ReplicaSet" and template_hash and owner.name.endswith(suffix):
            return Ref("Deployment", owner.name.removesuffix(suffix), self.metadata.namespace)
        ref = Ref(owner.kind, owner.name, self.metadata.namespace)
        return cron_job_of(ref, self.metadata.creation_timestamp) if owner.kind == "Job" else ref
