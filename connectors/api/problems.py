"""Errors as problem details (RFC 9457): the one shape in which the API says that something did not work.

`type` names the kind of problem and is what programs go by; `detail` is for people. Where what was sent is
wrong, `errors` has an entry for each mistake, with its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from connectors.api.throttling import Throttle
from connectors.message import JSONDict
from connectors.text import shorten

CONTENT_TYPE = "application/problem+json"
PREFIX = "urn:kubegraf:problem:"
INVALID = "invalid"

_LISTED = 3
"""Mistakes that `detail` repeats."""

# An answer is not to be many times as large as what was sent.
_MOST = 100
_LONGEST_FIELD = 300
_LONGEST_MESSAGE = 1000


class InvalidQuery(exceptions.ValidationError):
    """What the address asks for, after the question mark, cannot be understood."""


class ProblemErrorSerializer(serializers.Serializer[Any]):
    """One mistake in what was sent."""

    field = serializers.CharField(
        help_text="The field, such as config.url, or the parameter of the address; empty for the whole body."
    )
    pointer = serializers.CharField(
        required=False, help_text="The field as a JSON pointer (RFC 6901), where it stands in the body."
    )
    message = serializers.CharField(help_text="What is wrong, in words.")


class ProblemSerializer(serializers.Serializer[Any]):
    """Why something did not work (RFC 9457)."""

    type = serializers.CharField(help_text=f"The kind of problem: {PREFIX}…")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What happened this time, in words.")
    instance = serializers.CharField(help_text="The path that was asked.")
    errors = ProblemErrorSerializer(  # type: ignore[assignment]  # hides an attribute of that name
        many=True,
        required=False,
        help_text="Where what was sent is wrong: each mistake, the first hundred of them.",
    )


def problem(
    code: str, status_code: int, detail: str, instance: str, errors: list[JSONDict] | None = None
) -> JSONDict:
    """The body that tells of a problem. `code` is the last part of its type."""
    said: JSONDict = {
        "type": PREFIX + code,
        "title": HTTPStatus(status_code).phrase,
        "status": status_code,
        "detail": detail,
        "instance": instance,
    }
    return said if errors is None else {**said, "errors": errors}


def handler(error: Exception, context: Mapping[str, Any]) -> JsonResponse | None:
    """The answer to what a view raised: REST framework's EXCEPTION_HANDLER. None for what nobody foresaw."""
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is nothing here.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        throttle = Throttle()
        if throttle.refuse(context["request"]):
            error = exceptions.Throttled(throttle.wait())
    set_rollback()
    path = context["request"].path
    if isinstance(error, exceptions.ValidationError):
        errors = list(_mistakes(error.detail, isinstance(error, InvalidQuery)))
        said = problem(INVALID, error.status_code, _in_short(errors), path, errors[:_MOST])
    else:
        said = problem(str(error.default_code), error.status_code, str(error.detail), path)
    # Not a Response of REST framework's: that would be written in whatever the caller would rather have had.
    return _written(said, error.status_code, _headers(error))


def answer(request: HttpRequest, code: str, status_code: int, detail: str) -> JsonResponse:
    """The same for what failed outside of a view of the API."""
    return _written(problem(code, status_code, detail, request.path), status_code)


def _written(said: JSONDict, status_code: int, headers: Mapping[str, str] | None = None) -> JsonResponse:
    return JsonResponse(
        said,
        status=status_code,
        headers=headers,
        content_type=CONTENT_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers: dict[str, str] = dict(getattr(error, "headers", {}))
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def _mistakes(detail: Any, in_query: bool, path: tuple[str, ...] = ()) -> Iterator[JSONDict]:
    """Each mistake of a ValidationError, which nests by field and by index."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            here = path if name in (api_settings.NON_FIELD_ERRORS_KEY, "") else (*path, str(name))
            yield from _mistakes(inner, in_query, here)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            # A list holds the sentences about one field, or what is wrong with each item of a list.
            here = (*path, str(index)) if isinstance(inner, Mapping | list | tuple) else path
            yield from _mistakes(inner, in_query, here)
    else:
        field, pointer = ".".join(path), _pointer(path)
        # Half a pointer would point at something else.
        place = {} if in_query or len(pointer) > _LONGEST_FIELD else {"pointer": pointer}
        message = shorten(str(detail), _LONGEST_MESSAGE)
        yield {"field": shorten(field, _LONGEST_FIELD), **place, "message": message}


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def _in_short(errors: list[JSONDict]) -> str:
    said = [f"{error['field']}: {error['message']}".removeprefix(": ") for error in errors[:_LISTED]]
    more = len(errors) - _LISTED
    if more > 0:
        said.append(f"and {more} more.")
    return "; ".join([*(text.removesuffix(".") for text in said[:-1]), *said[-1:]]) or "It is not valid."
