"""What the OpenAPI description says of every operation: its problems, its ETags, its limits."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiParameter

from connectors.api.paging import CURSOR
from connectors.api.problems import CONTENT_TYPE, ProblemSerializer
from connectors.message import JSONDict

_WORDS = {
    "400": "What was sent cannot be understood or is not valid; `errors` has each mistake.",
    "401": "Nobody is signed in, or the token is not valid.",
    "403": "Whoever is signed in may not do this.",
    "404": "There is nothing here, or no such page.",
    "406": "None of the media types in Accept can be answered with.",
    "409": "It is not possible at present.",
    "412": "It was changed meanwhile: If-Match names another version.",
    "413": "The body is too large.",
    "415": "The body is of another media type than JSON.",
    "429": "Too many calls; Retry-After has the seconds to wait.",
    "500": "Something went wrong on the server.",
}
_ALWAYS = ("400", "401", "403", "406", "429", "500")
_SHOWING = ("retrieve", "create", "update", "partial_update")


class Schema(AutoSchema):
    """The description of one operation."""

    def get_override_parameters(self) -> list[Any]:
        """With the headers by which nothing is overwritten unseen."""
        parameters: list[Any] = [*super().get_override_parameters()]
        action = getattr(self.view, "action", None)
        if not getattr(self.view, "versioned", False):
            return parameters
        if action in self._writing():
            parameters.append(_header("If-Match", "The ETag that the change is made to; 412 if it is past."))
        if action == "retrieve":
            parameters.append(_header("If-None-Match", "An ETag that is known; 304 if it is still so."))
        if action in _SHOWING or (action in self._writing() and action != "destroy"):
            words = "The version of what is configured here."
            parameters.append(_header("ETag", words, response=[200, 201, 304]))
        return parameters

    def _writing(self) -> tuple[str, ...]:
        """The actions that heed If-Match."""
        writing: tuple[str, ...] = getattr(self.view, "writing", ())
        return writing

    def _get_filter_parameters(self) -> list[JSONDict]:
        """The filters, none of which may be empty."""
        parameters: list[JSONDict] = super()._get_filter_parameters()  # type: ignore[no-untyped-call]
        for parameter in parameters:
            said = parameter["schema"]
            if said.get("type") == "string" and not {"enum", "format"} & set(said):
                said["minLength"] = 1
        return parameters

    def _get_response_bodies(self, direction: Direction = "response") -> JSONDict:
        bodies: JSONDict = super()._get_response_bodies(direction)
        action = getattr(self.view, "action", None)
        versioned = getattr(self.view, "versioned", False)
        if versioned and action == "retrieve":
            etag = bodies["200"].get("headers", {})
            bodies["304"] = {"description": "It is still the version in If-None-Match.", "headers": etag}
        for status in (*_ALWAYS, *self._sometimes(versioned, action)):
            bodies.setdefault(status, {"description": _WORDS[status]})
        for status, body in bodies.items():
            if status >= "400":
                problem = self.resolve_serializer(ProblemSerializer, "response").ref
                body["content"] = {CONTENT_TYPE: {"schema": problem}}
        bodies["429"]["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        }
        return dict(sorted(bodies.items()))

    def _sometimes(self, versioned: bool, action: str | None) -> list[str]:
        """What only operations of some kinds answer."""
        found = []
        queries = {parameter["name"] for parameter in self._get_parameters() if parameter["in"] == "query"}
        if "{" in self.path or CURSOR in queries:
            found.append("404")
        if self.method in ("POST", "PUT", "PATCH"):
            found += ["413", "415"]
        if versioned and action in self._writing():
            found += ["412"]
        if self.method == "POST" or (versioned and action in self._writing()):
            found.append("409")
        return found


def _header(name: str, words: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=words, **more)
