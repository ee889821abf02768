"""What the fake API server says of itself: who somebody is, what they may do, and what it serves.

https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.fakes.store import JSON, Kind

if TYPE_CHECKING:
    from tests.fakes.kubernetes import FakeKubernetes

REVIEWS = ("selfsubjectaccessreviews", "selfsubjectreviews")
_GROUP_VERSION = re.compile(r"/apis/(?P<version>[^/]+/[^/]+)")


def review(fake: FakeKubernetes, plural: str, account: str, sent: Any) -> JSON:
    """The review that was sent, with its status."""
    if plural == "selfsubjectreviews":
        return {**sent, "status": {"userInfo": {"username": account, "groups": ["system:authenticated"]}}}
    asked = sent["spec"]["resourceAttributes"]
    what = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
    refused = {(what, ""), (what, asked["verb"])} & fake._forbidden
    return {**sent, "status": {"allowed": not refused}}


def served(kinds: Iterable[Kind], path: str) -> JSON | None:
    """The resources of a group's version; None if the path is none, or nothing of it is served."""
    match = _GROUP_VERSION.fullmatch(path)
    found = [kind for kind in kinds if match and kind.api_version == match["version"]]
    if not match or not found:
        return None
    resources = [
        {"name": kind.plural, "namespaced": kind.namespaced, "kind": kind.name, "verbs": ["list"]}
        for kind in found
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": match["version"],
        "resources": resources,
    }
