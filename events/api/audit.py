"""What an API server's audit webhook sends, over HTTP: who was refused. Of the rest nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api import query
from connectors.api.rest import ModelPermissions, whole
from events import refusals
from events.models import Cluster
from events.sources import audit

LARGEST_BATCH = 10 * 1024 * 1024
"""Bytes: to how much an API server cuts a batch (--audit-webhook-truncate-max-batch-size)."""


class AuditParser(BaseParser):
    """The body as it came: most of it is never decoded."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body. Raises TooLarge."""
        return whole(stream, LARGEST_BATCH)


class AuditAnswerSerializer(serializers.Serializer[Any]):
    """What was made of a batch. An API server does not look at it."""

    requests = serializers.IntegerField(help_text="Of how many requests it told.")
    refused = serializers.IntegerField(help_text="How many of them were refused, and count.")
    odd = serializers.IntegerField(help_text="How many made no sense, and were left out.")


EVENT_LIST = {
    "type": "object",
    "description": "A batch, as the API server sends it.",
    "required": ["kind", "apiVersion", "items"],
    "properties": {
        "kind": {"type": "string", "enum": [audit.KIND]},
        "apiVersion": {"type": "string", "enum": [audit.API_VERSION]},
        "items": {"type": "array", "items": {}, "description": "One that makes no sense costs no other."},
    },
}


class AuditViewSet(viewsets.GenericViewSet[Cluster]):
    """Where the API servers of clusters send their audit logs."""

    queryset = Cluster.objects.all()
    serializer_class = AuditAnswerSerializer
    parser_classes = (AuditParser,)
    permission_classes = (ModelPermissions,)
    permission_of_action = {"take_in": "events.add_event"}
    pagination_class = None
    filter_backends = ()
    ingest = ("take_in",)

    @extend_schema(
        operation_id="v1_ingest_audit",
        request={"application/json": EVENT_LIST},
        responses={200: AuditAnswerSerializer},
    )
    def take_in(self, request: Request, pk: str) -> Response:
        """Takes what the audit webhook of this cluster's API server sends, and counts who was refused.

        A request that is sent again counts once. Of a cluster that is not enabled nothing counts.
        """
        query.check(request.GET, ())
        cluster = Cluster.objects.filter(pk=pk).first()
        if cluster is None:
            raise NotFound(f"There is no cluster with the id {pk}. GET /api/v1/clusters/ has them.")
        body: Any = request.data or b""  # of none, REST framework makes an empty dict
        try:
            log = audit.read(body)
        except audit.NotAnEventList as error:
            raise serializers.ValidationError(str(error)) from None
        counted = log.refusals if cluster.enabled else []
        refusals.take_in(cluster, counted)
        return Response({"requests": log.requests, "refused": len(counted), "odd": log.odd})
