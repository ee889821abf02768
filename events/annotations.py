"""Where workloads and namespaces ask for their events to go: annotations such as `kubegraf.io/email-to`."""

from __future__ import annotations

from typing import ClassVar

from events.cluster.objects import Object, Ref, Resource

PREFIX = "kubegraf.io/"


class Namespace(Object, frozen=True):
    """A namespace; of it, only the annotations matter."""

    resource: ClassVar[Resource] = Resource("", "v1", "namespaces", "Namespace", namespaced=False)


class Routing:
    """What the namespaces and workloads of one cluster ask for, as far as it has been seen."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str, str], dict[str, str]] = {}

    def note(self, obj: Object) -> None:
        """Keeps what the object asks for, for itself and for what belongs to it."""
        ref, asked = obj.ref, asked_by(obj)
        if asked:
            self._asked[ref.kind, ref.namespace, ref.name] = asked
        else:
            self.forget(ref)

    def forget(self, ref: Ref) -> None:
        """The object is no more, or asks for nothing."""
        self._asked.pop((ref.kind, ref.namespace, ref.name), None)

    def of(self, ref: Ref, subject: Ref, obj: Object | None) -> dict[str, str]:
        """What holds for an event: the object's own word before its workload's before its namespace's."""
        return {
            **self._asked.get(("Namespace", "", ref.namespace), {}),
            **self._asked.get((subject.kind, subject.namespace, subject.name), {}),
            **(asked_by(obj) if obj is not None else {}),
        }


def asked_by(obj: Object) -> dict[str, str]:
    """What the object's annotations ask for, by the name after the prefix."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in (obj.metadata.annotations or {}).items()
        if name.startswith(PREFIX)
    }
