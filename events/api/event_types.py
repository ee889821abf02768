"""Event types and the names for several, over HTTP: what a subscription may name."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.message import JSONDict
from events import catalog


class EventTypeSerializer(serializers.Serializer[Any]):
    """A type of event, or a name for several."""

    name = serializers.CharField()
    category = serializers.CharField(help_text="The heading under which people find it; empty for an alias.")
    severity = serializers.CharField(help_text="Unless the event says otherwise; empty for an alias.")
    description = serializers.CharField()
    momentary = serializers.BooleanField(help_text="It happens and is never resolved.")
    stands_for = serializers.ListField(child=serializers.CharField(), help_text="Of an alias, its types.")


def event_types() -> list[JSONDict]:
    """Every name that a subscription may hold, with its meaning."""
    types: list[JSONDict] = [
        {
            "name": event_type.name,
            "category": event_type.category.value,
            "severity": event_type.severity.value,
            "description": event_type.description,
            "momentary": event_type.momentary,
            "stands_for": [],
        }
        for event_type in catalog.EVENT_TYPES.values()
    ]
    aliases = {name: sorted(types) for name, types in catalog.ALIASES.items()}
    aliases[catalog.ALL] = sorted(catalog.EVENT_TYPES)
    return types + [
        {
            "name": name,
            "category": "",
            "severity": "",
            "description": "Every type, present and future."
            if name == catalog.ALL
            else f"Any of {', '.join(stands_for)}.",
            "momentary": False,
            "stands_for": stands_for,
        }
        for name, stands_for in aliases.items()
    ]


class EventTypeViewSet(viewsets.ViewSet):
    """The types of event there are. For whoever is signed in: it is documentation."""

    permission_classes = (IsAuthenticated,)
    lookup_field = "name"

    @extend_schema(responses=EventTypeSerializer(many=True))
    def list(self, request: Request) -> Response:
        """All of them, and the names for several."""
        return Response(EventTypeSerializer(event_types(), many=True).data)

    @extend_schema(
        parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH)], responses=EventTypeSerializer
    )
    def retrieve(self, request: Request, name: str) -> Response:
        """One of them."""
        for event_type in event_types():
            if event_type["name"] == name:
                return Response(EventTypeSerializer(event_type).data)
        raise NotFound(f"There is no event type {name!r}.")
