"""What every part of the API has in common: who may do what, and what a body may look like."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import IO, Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest
from django_filters.rest_framework import DjangoFilterBackend, FilterSet, MultipleChoiceFilter
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers, status, viewsets
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission, DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.views import APIView

from connectors import wellformed
from connectors.api import query
from connectors.api.paging import CURSOR, LIMIT, Pages
from connectors.api.problems import InvalidQuery
from connectors.api.stretches import Stretches
from connectors.json_types import type_problem

LARGEST_BODY = 1024 * 1024
"""Bytes. A configuration or an event is a few kilobytes; a megabyte is no accident."""


class ModelPermissions(DjangoModelPermissions):
    """Django's own permissions: view to read, and add, change, delete to write.

    A view's `permission_of_action` names, by action, what something other than plain writing takes:
    `{"test": "change"}`; with a dot in it, it is the whole name of a permission; of several, any is enough.
    """

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether this user may do this action at all; nobody may without signing in."""
        right = getattr(view, "permission_of_action", {}).get(getattr(view, "action", None))
        if right is None or not request.user.is_authenticated:
            return super().has_permission(request, view)
        if isinstance(right, tuple):
            return any(request.user.has_perm(each) for each in right)
        if "." in right:
            return request.user.has_perm(right)
        model: type[Model] = self._queryset(view).model
        return request.user.has_perm(f"{model._meta.app_label}.{right}_{model._meta.model_name}")


class TooLarge(APIException):
    """The body is larger than any that is taken there."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "too_large"


def whole(stream: IO[bytes], most: int) -> bytes:
    """A body of so many bytes at most. Raises TooLarge."""
    body = stream.read(most + 1)
    if len(body) > most:
        raise TooLarge(f"The body may have at most {most} bytes.")
    return body


class Conflict(APIException):
    """The request is right, but not now."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "This is not possible at present."
    default_code = "conflict"


class WellFormedJSONParser(BaseParser):
    """JSON that can be stored and sent on as it is; anything else is a 400 that says what and where."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body. Raises ParseError and TooLarge."""
        body = whole(stream, LARGEST_BODY)
        try:
            # RFC 8259, section 8.1: JSON between systems is UTF-8; a byte order mark may be ignored.
            return wellformed.loads(body.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise ParseError("This is not UTF-8 text.") from None
        except ValueError as error:
            raise ParseError(str(error)) from None


class Filters(DjangoFilterBackend):
    """django-filter, which does not answer with everything when a filter's name is misspelt."""

    def filter_queryset(self, request: HttpRequest, queryset: Any, view: APIView) -> Any:
        """The rows asked for. Raises InvalidQuery, by parameter."""
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class is not None and getattr(view, "detail", None) is False:
            known = {*filterset_class.base_filters}
            if getattr(view, "paginator", None) is not None:
                known |= {LIMIT, CURSOR}
            query.check(request.GET, known, several(filterset_class))
        try:
            return super().filter_queryset(request, queryset, view)
        except serializers.ValidationError as error:
            raise InvalidQuery(error.detail) from None


def several(filterset_class: type[FilterSet]) -> set[str]:
    """The filters that take several values: any of them."""
    return {
        name
        for name, found in filterset_class.base_filters.items()
        if isinstance(found, MultipleChoiceFilter)
    }


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it would not use, rather than dropping it in silence.

    A read-only field may come back as it was read, so that what GET gives can be edited and sent in. Those
    that are `fleeting` may come back whatever they say: they are other ones from one moment to the next.
    """

    fleeting: ClassVar[Collection[str]] = ()

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """The validated data. Raises ValidationError, by field."""
        if isinstance(data, Mapping):
            errors = {str(name): [text] for name in data if (text := self._unwanted(name, data[name]))}
            errors |= {
                name: wrong
                for name, field in self.fields.items()
                if name in data and name not in errors and not field.read_only
                if (wrong := type_problem(field, data[name]))
            }
            if errors:
                raise serializers.ValidationError(errors)
        return super().run_validation(data)

    def _unwanted(self, name: object, value: object) -> str | None:
        field = self.fields.get(str(name))
        if field is None:
            known = ", ".join(known for known, field in self.fields.items() if not field.read_only)
            return f"There is no such field. There are: {known}."
        if field.read_only and name not in self.fleeting and self._shown.get(name) != value:
            return "This field cannot be written."
        return None

    @cached_property
    def _shown(self) -> Mapping[Any, Any]:
        """What GET gives of the object that is being changed."""
        return {} if self.instance is None else self.to_representation(self.instance)


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Any]):
    """The same for a model."""


class StrictSerializerSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Says in the OpenAPI description that other fields are refused."""

    target_class = StrictSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """The serializer's schema, closed where it describes a body that we are sent."""
        schema: dict[str, Any] = auto_schema._map_serializer(  # type: ignore[no-untyped-call]  # as its base does
            self.target, direction, bypass_extensions=True
        )
        return {**schema, "additionalProperties": False} if direction == "request" else schema


def not_among(words: Iterable[str]) -> str:
    """What is said, in place of DRF's own words, to whoever sends something else than one of these."""
    return f'"{{input}}" is not a valid choice. There are: {", ".join(words)}.'


class Word(serializers.ChoiceField):
    """One of a set of words that has a name of its own in the OpenAPI description."""

    def __init__(self, schema_name: str, choices: Any, **kwargs: Any) -> None:
        super().__init__(choices=choices, **kwargs)
        self.schema_name = schema_name
        self.error_messages["invalid_choice"] = not_among(self.choices)


class WordSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Describes each set of words once, under its name."""

    target_class = Word
    match_subclasses = True

    def get_name(self) -> str:
        """The set's name."""
        return str(self.target.schema_name)

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """The words."""
        return {"type": "string", "enum": list(self.target.choices)}


class Api(viewsets.GenericViewSet[Any]):
    """What every collection of rows has in common.

    `order` names the columns that pages are ordered by (`connectors.api.paging`), `ingest` the actions that
    have the rate of ingest (`connectors.api.throttling`), `stretches` what no index finds
    (`connectors.api.stretches`).
    """

    parser_classes: Sequence[type[BaseParser]] = (WellFormedJSONParser,)
    permission_classes: Sequence[type[BasePermission]] = (ModelPermissions,)
    filter_backends = (Filters,)
    pagination_class = Pages
    lookup_value_regex = r"[0-9]{1,18}"
    permission_of_action: ClassVar[dict[str, Any]] = {}
    order: ClassVar[tuple[str, ...]] = ("pk",)
    stretches: ClassVar[Stretches | None] = None
    ingest: ClassVar[Collection[str]] = ()
    """The actions that take in reports: what a token for them covers, under a rate of their own."""
