"""Rows that people configure over the API, and how nobody overwrites what they have not seen.

Each answer that is one such row has an ETag: the version of its configuration. Sent back as If-Match, the
change is made if that is still the version, and refused (412) if it is not. The row is locked from the
comparison to the change.
"""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet
from django.utils.http import parse_etags
from rest_framework import mixins, status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.rest import Api, Conflict
from connectors.versions import version_of

WRITING = ("update", "partial_update", "destroy")


class Stale(APIException):
    """The row is no longer as the caller has seen it."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "It was changed meanwhile. Read it again, and make the change to what it is now."
    default_code = "stale"

    def __init__(self, etag: str) -> None:
        super().__init__()
        self.headers = {"ETag": etag}


class KeepApi(
    mixins.CreateModelMixin, mixins.RetrieveModelMixin, mixins.UpdateModelMixin, mixins.ListModelMixin, Api
):
    """A collection of rows that people make and change, and that stay."""

    versioned = True
    writing: tuple[str, ...] = WRITING
    """The actions that lock the row which they write, and heed If-Match."""

    def get_queryset(self) -> QuerySet[Any]:
        """The rows; locked where one is about to be written."""
        queryset: QuerySet[Any] = super().get_queryset()
        return queryset.select_for_update(of=("self",)) if self.action in self.writing else queryset

    def version(self, row: Model) -> str:
        """The version of all that a write to this row may overwrite."""
        return version_of(row)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One of them. 304 where If-None-Match names its version; how it fares may be otherwise by now."""
        row = self.get_object()
        etag = self.etag(row)
        if _names(request.headers.get("If-None-Match", ""), etag):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        return Response(self.get_serializer(row).data, headers={"ETag": etag})

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Makes a new one."""
        serializer: Any = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            with transaction.atomic():
                self.perform_create(serializer)
        except IntegrityError:
            raise Conflict(_CROSSED) from None
        etag = self._etag_now(serializer.instance.pk)
        headers = {**self.get_success_headers(serializer.data), "ETag": etag}
        return Response(serializer.data, status.HTTP_201_CREATED, headers=headers)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Changes one. 412 where If-Match names another version than it has by now."""
        try:
            with transaction.atomic():
                row = self.get_object()
                serializer = self.get_serializer(row, data=request.data, partial=kwargs.get("partial", False))
                serializer.is_valid(raise_exception=True)
                self.demand_seen(request, row)
                self.perform_update(serializer)
                etag = self._etag_now(row.pk)
        except IntegrityError:
            raise Conflict(_CROSSED) from None
        row._prefetched_objects_cache = {}  # as REST framework's own update does
        return Response(serializer.data, headers={"ETag": etag})

    def demand_seen(self, request: Request, row: Model) -> None:
        """Raises Stale where If-Match names another version than this locked row has."""
        wanted = request.headers.get("If-Match")
        etag = self.etag(row)
        if wanted is not None and not _names(wanted, etag):
            raise Stale(etag)

    def etag(self, row: Model) -> str:
        """The version as a header has it."""
        return f'"{self.version(row)}"'

    def _etag_now(self, pk: object) -> str:
        """The ETag of what is stored: a value in hand may be of another type than what comes back."""
        return self.etag(super().get_queryset().get(pk=pk))


class EditApi(mixins.DestroyModelMixin, KeepApi):
    """A collection of rows that people make, change and delete."""

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Deletes one. 412 where If-Match names another version than it has by now."""
        with transaction.atomic():
            row = self.get_object()
            self.demand_seen(request, row)
            self.perform_destroy(row)
        return Response(status=status.HTTP_204_NO_CONTENT)


_CROSSED = "This collides with what somebody else wrote in the same moment. Read it again and try once more."


def _names(header: str, etag: str) -> bool:
    """Whether a header of ETags names this one.

    A weak one counts, too: proxies that compress an answer weaken its ETag, and ours is of the configuration,
    which no compression changes.
    """
    tags = parse_etags(header)
    return "*" in tags or etag in {tag.removeprefix("W/") for tag in tags}
