"""What the fake API server keeps: objects with versions, their history, and lists in pages.

The rules are those of the Kubernetes API concepts, https://kubernetes.io/docs/reference/using-api/api-concepts/
("Efficient detection of changes", "Retrieving large results sets in chunks").
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of object and where it is served."""

    api_version: str
    name: str
    plural: str
    namespaced: bool = True

    @property
    def root(self) -> str:
        """The path under which the collection lives: `/api/v1` or `/apis/apps/v1`."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    @property
    def group(self) -> str:
        """The API group; "" for the core."""
        return self.api_version.rpartition("/")[0]


BUILT_IN = (
    Kind("v1", "Namespace", "namespaces", namespaced=False),
    Kind("v1", "Node", "nodes", namespaced=False),
    Kind("v1", "Pod", "pods"),
    Kind("v1", "Event", "events"),
    Kind("v1", "Service", "services"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("coordination.k8s.io/v1", "Lease", "leases"),
    Kind("apps/v1", "ReplicaSet", "replicasets"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("apps/v1", "DaemonSet", "daemonsets"),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
    Kind("rbac.authorization.k8s.io/v1", "Role", "roles"),
)


@dataclass(frozen=True)
class Change:
    """One entry of the history: ADDED, MODIFIED or DELETED."""

    version: int
    type: str
    kind: Kind
    object: JSON

    def line(self) -> bytes:
        """As a watch sends it."""
        return json.dumps({"type": self.type, "object": self.object}, separators=(",", ":")).encode() + b"\n"


class Expired(Exception):
    """The continue token belongs to a list that has been compacted away (410)."""


class BadToken(Exception):
    """The continue token is not one of ours (400)."""


@dataclass
class Store:
    """Objects, the counter all their versions come from, and what happened since the last compaction."""

    kinds: dict[str, Kind] = field(default_factory=lambda: {kind.name: kind for kind in BUILT_IN})
    version: int = 1
    compacted: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    _objects: dict[tuple[str, str, str], JSON] = field(default_factory=dict)
    _history: list[Change] = field(default_factory=list)
    _lists: dict[str, tuple[int, list[JSON]]] = field(default_factory=dict)

    def put(self, obj: JSON) -> Change:
        """Create or update; fills in what the API server would: uid, version, generation, creation time."""
        obj = copy.deepcopy(obj)
        kind = self.kinds[obj["kind"]]
        meta = obj.setdefault("metadata", {})
        if kind.namespaced:
            meta.setdefault("namespace", "default")
        key = (kind.name, meta.get("namespace", ""), meta["name"])
        with self.lock:
            old = self._objects.get(key)
            self.version += 1
            known = old["metadata"] if old else {}
            meta["uid"] = known.get("uid") or meta.get("uid") or str(uuid.uuid4())
            meta["creationTimestamp"] = (
                known.get("creationTimestamp") or meta.get("creationTimestamp") or now()
            )
            generation = known.get("generation", meta.get("generation", 1))
            meta["generation"] = generation + 1 if old and old.get("spec") != obj.get("spec") else generation
            meta["resourceVersion"] = str(self.version)
            obj.setdefault("apiVersion", kind.api_version)
            self._objects[key] = obj
            return self._remember(Change(self.version, "MODIFIED" if old else "ADDED", kind, obj))

    def delete(self, kind_name: str, name: str, namespace: str = "") -> Change:
        """Remove an object; KeyError if it is not there."""
        with self.lock:
            obj = copy.deepcopy(self._objects.pop((kind_name, namespace, name)))
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            return self._remember(Change(self.version, "DELETED", self.kinds[kind_name], obj))

    def get(self, kind_name: str, name: str, namespace: str = "") -> JSON | None:
        """A copy of one object as it is now."""
        with self.lock:
            return copy.deepcopy(self._objects.get((kind_name, namespace, name)))

    def of(self, kind: Kind, namespace: str = "") -> list[JSON]:
        """All objects of a kind, in the order a list has them."""
        with self.lock:
            return [
                obj
                for (kind_name, within, _), obj in sorted(self._objects.items())
                if kind_name == kind.name and namespace in ("", within)
            ]

    def since(self, version: int, kind: Kind, namespace: str = "") -> Iterator[Change]:
        """What happened to a kind after that version, oldest first."""
        for change in self._history:
            within = change.object["metadata"].get("namespace", "")
            if change.version > version and change.kind == kind and namespace in ("", within):
                yield change

    def compact(self) -> None:
        """Forget all history: watches from an older version and half-read lists are gone (410)."""
        with self.lock:
            self.compacted = self.version
            self._history.clear()
            self._lists.clear()

    def page(
        self, kind: Kind, namespace: str, limit: int, token: str, chosen: Callable[[JSON], bool] | None = None
    ) -> JSON:
        """One page of a list of what is chosen, all pages of one list being of one moment.

        Raises Expired or BadToken.
        """
        with self.lock:
            if token:
                list_id, start = self._open_token(token)
                version, items = self._lists[list_id]
            else:
                list_id, start = uuid.uuid4().hex, 0
                version, items = self.version, list(filter(chosen, self.of(kind, namespace)))
            end = start + limit if limit else len(items)
            metadata: JSON = {"resourceVersion": str(version)}
            if end < len(items):
                self._lists[list_id] = (version, items)
                metadata["continue"] = base64.b64encode(f"{list_id}:{end}".encode()).decode()
                metadata["remainingItemCount"] = len(items) - end
        return {
            "kind": f"{kind.name}List",
            "apiVersion": kind.api_version,
            "metadata": metadata,
            "items": [without_kind(item) for item in items[start:end]],
        }

    def _open_token(self, token: str) -> tuple[str, int]:
        try:
            list_id, _, start = base64.b64decode(token, validate=True).decode().partition(":")
            position = int(start)
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise BadToken(str(error)) from error
        if list_id not in self._lists:
            raise Expired
        return list_id, position

    def _remember(self, change: Change) -> Change:
        self._history.append(change)
        return change


def now() -> str:
    """The moment, as the API writes it: whole seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def without_kind(obj: JSON) -> JSON:
    """The items of a list carry neither kind nor apiVersion."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
