"""What all objects have: a name, metadata, an owner, conditions, and a place where they are listed."""

from __future__ import annotations

import hashlib
import shlex
from datetime import datetime
from typing import ClassVar

import msgspec

RESOURCE_LIMIT = 320
"""Characters of a kind and name as they are recorded. The API server bounds most names, but not those of
owners, which whoever makes a pod may write, nor those of roles and their bindings."""


def bounded(text: str, limit: int) -> str:
    """`text`, or of a longer one its beginning and a hash of it all, so that two of them still differ.

    So of one with a NUL, which PostgreSQL takes in no text.
    """
    if len(text) <= limit and "\0" not in text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text.replace(chr(0), '')[: limit - len(digest) - 1]}#{digest}"


class Ref(msgspec.Struct, frozen=True):
    """Which object: enough to name it to a person, and its `uid` to tell it from a namesake."""

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""

    @property
    def resource(self) -> str:
        """As people and messages name it: `Pod/my-app-123`."""
        return bounded(f"{self.kind}/{self.name}", RESOURCE_LIMIT)

    def kubectl(self, command: str, *options: str) -> str:
        """A command about it to paste into a shell: `kubectl describe pod my-app-123 -n default`."""
        kind = () if command in ("logs", "cordon") else (self.kind.lower(),)  # these know it themselves
        namespace = ("-n", self.namespace) if self.namespace else ()
        words = ("kubectl", *command.split())
        # A role or a binding may be named --all.
        if self.kind.startswith("-") or self.name.startswith("-"):
            return shlex.join((*words, *namespace, *options, "--", *kind, self.name))
        return shlex.join((*words, *kind, self.name, *namespace, *options))


class Resource(msgspec.Struct, frozen=True):
    """Where objects of a kind are listed and watched."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def is_custom(self) -> bool:
        """Whether it is defined by something that may be installed or not, rather than by Kubernetes."""
        return "." in self.group and not self.group.endswith(".k8s.io")

    def path(self, namespace: str = "") -> str:
        """The collection's path on the API server, of one namespace or of all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"


class Struct(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A part of an object; camelCase in JSON.

    Where the API server sends null for what is empty, the type has `None`.
    """


class OwnerReference(Struct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class Object(Struct, frozen=True):
    """Any object that can be watched. Subclasses say where they are found and what of them is read."""

    resource: ClassVar[Resource]

    metadata: Meta = Meta()

    @property
    def ref(self) -> Ref:
        """Which object this is."""
        meta = self.metadata
        return Ref(self.resource.kind, meta.name, meta.namespace, meta.uid)

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that manages this object, if one does."""
        for owner in self.metadata.owner_references or ():
            if owner.controller:
                return owner
        return None


class Condition(Struct, frozen=True):
    """Of a pod, node or workload. `status` is "True", "False" or "Unknown"."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
