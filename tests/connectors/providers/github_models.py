"""GitHub's own description of its API, as the models that githubkit generates from it.

They judge our requests, and the answers that the tests make up. Only the models are loaded: the client that
they come with imports a cache library whose newest version it does not fit.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import typing
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

_MODELS = "githubkit_schemas.v2026_03_10.models"

# (method, path below the repository) -> (the model of the request's body, the model of the answer)
OPERATIONS: dict[tuple[str, str], tuple[str | None, str | None]] = {
    ("GET", ""): (None, "FullRepository"),
    ("GET", "/issues"): (None, "list Issue"),
    ("POST", "/issues"): ("ReposOwnerRepoIssuesPostBody", "Issue"),
    ("GET", "/issues/{n}"): (None, "Issue"),
    ("PATCH", "/issues/{n}"): ("ReposOwnerRepoIssuesIssueNumberPatchBody", "Issue"),
    ("GET", "/issues/{n}/comments"): (None, "list IssueComment"),
    ("POST", "/issues/{n}/comments"): ("ReposOwnerRepoIssuesIssueNumberCommentsPostBody", "IssueComment"),
    ("GET", "/assignees/{name}"): (None, None),
    ("GET", "/git/ref/heads/{name}"): (None, "GitRef"),
    ("POST", "/git/refs"): ("ReposOwnerRepoGitRefsPostBody", "GitRef"),
    ("PATCH", "/git/refs/heads/{name}"): ("ReposOwnerRepoGitRefsRefPatchBody", "GitRef"),
    ("DELETE", "/git/refs/heads/{name}"): (None, None),
    ("GET", "/contents/{name}"): (None, "ContentFile"),
    ("PUT", "/contents/{name}"): ("ReposOwnerRepoContentsPathPutBody", "FileCommit"),
    ("GET", "/pulls"): (None, "list PullRequestSimple"),
    ("POST", "/pulls"): ("ReposOwnerRepoPullsPostBody", "PullRequest"),
    ("GET", "/pulls/{n}"): (None, "PullRequest"),
    ("PATCH", "/pulls/{n}"): ("ReposOwnerRepoPullsPullNumberPatchBody", "PullRequest"),
}


def model(name: str) -> type[BaseModel]:
    """The generated model of that name."""
    found = getattr(_module(), name)
    assert issubclass(found, BaseModel)
    return found


def judge(name: str, value: Any) -> None:
    """Raises unless `value` is what the model says, without a field that it does not know."""
    checked = model(name).model_validate(value)
    unknown = set(value) - {field.alias or name for name, field in type(checked).model_fields.items()}
    assert not unknown, f"{name} has no {unknown}"


def completed(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """`known` with every other field that the model asks for, and judged by it."""
    value = _completed(model(name), known)
    judge(name, value)
    return value


def _completed(of: type[BaseModel], known: dict[str, Any]) -> dict[str, Any]:
    value = dict(known)
    for attribute, field in of.model_fields.items():
        name = field.alias or attribute
        inner = _models_in(field.annotation)
        if isinstance(value.get(name), dict) and inner:
            value[name] = _completed(inner[0], value[name])
        elif name not in value and field.is_required():
            value[name] = _something(field.annotation)
    return value


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [found for member in typing.get_args(annotation) for found in _models_in(member)]
    return []


def _something(annotation: Any) -> Any:
    """A value of that type."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in members else _something(members[0])
    if origin is Literal:
        return members[0]
    if origin is list:
        return []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _completed(annotation, {})
    if annotation is datetime:
        return "2025-01-15T10:30:00Z"
    return {str: "https://example.com", bool: False, int: 0}.get(annotation)


def _module() -> types.ModuleType:
    if "githubkit" not in sys.modules:
        spec = importlib.util.find_spec("githubkit")
        assert spec is not None
        package = types.ModuleType("githubkit")
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules["githubkit"] = package
        importlib.import_module("githubkit.module_hooks.lazy_module").apply()
    return importlib.import_module(_MODELS)
