"""What the fake API server makes of POST and PUT: a version that is no longer the present one is a conflict.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.store import JSON, Kind

if TYPE_CHECKING:
    from tests.fakes.kubernetes import FakeKubernetes


class Refused(Exception):
    """What is answered instead: a code, a reason and a message, as `status_object` takes them."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.answer = code, reason, message


def write(fake: FakeKubernetes, kind: Kind, verb: str, name: str, namespace: str, sent: Any) -> JSON:
    """Create or update an object; as it is then. Raises Refused."""
    meta = sent["metadata"]
    if kind.namespaced and meta.setdefault("namespace", namespace) != namespace:
        raise Refused(400, "BadRequest", "the namespace of the object is not that of the request")
    what = f'{kind.plural}.{kind.group} "{meta["name"]}"'
    with fake.store.lock:
        old = fake.store.get(kind.name, meta["name"], namespace)
        if verb == "create" and namespace in fake.missing_namespaces:
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found')
        if verb == "create" and old:
            raise Refused(409, "AlreadyExists", f"{what} already exists")
        if verb == "update" and not old:
            raise Refused(404, "NotFound", f"{what} not found")
        if verb == "update" and name != meta["name"]:
            raise Refused(400, "BadRequest", "the name of the object is not that of the request")
        version = meta.pop("resourceVersion", "")
        if old and version not in ("", old["metadata"]["resourceVersion"]):
            message = "the object has been modified; please apply your changes to the latest version"
            raise Refused(
                409, "Conflict", f"Operation cannot be fulfilled on {what}: {message} and try again"
            )
        return fake.put(sent)
