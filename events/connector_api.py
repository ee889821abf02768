"""Connectors as files, and copies of them, over the API; `subscription_api` has the way in for files."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api import ConnectorViewSet
from connectors.message import Message
from connectors.models import Connector
from connectors.query import Query
from connectors.rest import Conflict
from events import cloning, exporting
from events.latest import last_event

_FILE = OpenApiResponse(
    {"type": "object", "additionalProperties": True}, "As POST connectors/import/ takes it."
)
_REFERENCES = OpenApiParameter(
    "references", bool, description="Put env:KUBEGRAF_SECRET_… in place of each secret; else it is left out."
)


class ConnectorFiles(ConnectorViewSet):
    """What the collection of connectors can do with files and copies."""

    permission_of_action = {**ConnectorViewSet.permission_of_action, "clone": "add"}

    def last_message(self, request: Request) -> Message | None:
        """The last event on record; else what was last delivered."""
        return last_event(request.user) or super().last_message(request)

    @extend_schema(
        operation_id="connectors_export_all", parameters=[_REFERENCES], responses=_FILE, filters=False
    )
    @action(detail=False, methods=["get"], url_path="export", pagination_class=None)
    def export_all(self, request: Request) -> Response:
        """Every connector with its subscriptions, as a file; those whose type is gone are left out."""
        return Response(_exported(request, list(self.get_queryset())).document)

    @extend_schema(operation_id="connectors_export", parameters=[_REFERENCES], responses=_FILE, filters=False)
    @action(detail=True, methods=["get"])
    def export(self, request: Request, pk: str) -> Response:
        """This connector with its subscriptions, as a file."""
        exported = _exported(request, [self.get_object()])
        if exported.left_out:
            raise Conflict("The type of this connector is there no more, so that no file can say it.")
        return Response(exported.document)

    @extend_schema(request=None, responses={201: None}, filters=False)
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str) -> Response:
        """A disabled copy with the same subscriptions; its secrets are copied, and stay as unreadable."""
        if not request.user.has_perms(cloning.RIGHTS):
            raise PermissionDenied(f"Copying needs the permissions {', '.join(cloning.RIGHTS)}.")
        try:
            copy = cloning.clone(self.get_object())
        except cloning.CannotClone as error:
            raise Conflict(str(error)) from None
        return Response(self.get_serializer(copy).data, status.HTTP_201_CREATED)


def _exported(request: Request, connectors: list[Connector]) -> exporting.Exported:
    if not request.user.has_perms(exporting.RIGHTS):
        raise PermissionDenied(f"An export needs the permissions {', '.join(exporting.RIGHTS)}.")
    references = Query(request.GET, "references").yes("references")
    return exporting.export(connectors, references=references)
