"""Events over HTTP: what happened, and reports from outside."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.filters import Choices, Id, Moment, Search, YesOrNo
from connectors.api.rest import Api, StrictSerializer, Word
from connectors.api.stretches import Stretches
from connectors.encodable import json_bytes
from connectors.message import JSONDict, Severity, Status
from events import catalog, external, handling
from events.api.handling import Handling
from events.models import SEVERITIES, Event, EventStatus
from events.report import ExternalReport


class EventSerializer(serializers.ModelSerializer[Event]):
    """Something that happened, in the words of the payload that connectors send."""

    status = Word("EventStatus", EventStatus.choices)
    severity = Word("Severity", SEVERITIES)
    cluster = serializers.CharField(source="cluster_name")
    timestamp = serializers.DateTimeField(source="occurred_at")
    details = serializers.DictField()
    recommendations = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = Event
        fields = (
            "id", "key", "status", "event_type", "severity", "timestamp", "cluster", "namespace", "resource",
            "title", "description", "details", "recommendations", "subject", "count", "source", "first_seen",
            "last_seen", "resolved_at", "inhibited_by",
            "acknowledged_at", "acknowledged_by", "note", "resolved_by", "gone_at",
            "silence", "held", "muted",
        )  # fmt: skip
        read_only_fields = fields


class RecommendationSerializer(StrictSerializer):
    """What a person could do."""

    action = serializers.CharField(max_length=1000)
    command = serializers.CharField(max_length=4000, required=False, allow_blank=True)


class ShortList(serializers.ListField):
    """A list of at most `max_length` items, which are counted before they are looked at."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """The items. Raises ValidationError."""
        if isinstance(data, list) and len(data) > (self.max_length or 0):
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class EventTypeWord(Word):
    """The type of a reported event."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("EventTypeName", list(catalog.EVENT_TYPES), **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Its name; what is none is refused with what may have been meant."""
        try:
            return catalog.reported(data if isinstance(data, str) else str(data)).name
        except catalog.UnknownEventType as error:
            raise serializers.ValidationError(str(error)) from None


class ReportSerializer(StrictSerializer):
    """An event from outside, in the payload format that connectors send."""

    event_type = EventTypeWord()
    title = serializers.CharField(max_length=500)
    severity = Word("Severity", SEVERITIES, required=False)
    timestamp = serializers.DateTimeField(required=False)
    cluster = serializers.CharField(max_length=120, required=False, allow_blank=True)
    namespace = serializers.CharField(max_length=253, required=False, allow_blank=True)
    resource = serializers.CharField(max_length=320, required=False, allow_blank=True, help_text="Kind/name")
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    details = serializers.DictField(required=False, help_text="At most 64 KiB as JSON.")
    recommendations = ShortList(child=RecommendationSerializer(), required=False, max_length=20)
    status = Word("EventStatus", EventStatus.choices, required=False)
    key = serializers.CharField(
        max_length=255, required=False, help_text="Names the problem, so that it can be updated and resolved."
    )

    def validate_details(self, details: JSONDict) -> JSONDict:
        """The details. Raises ValidationError where they are too large."""
        if len(json_bytes(details)) > LARGEST_DETAILS:
            raise serializers.ValidationError(f"They may have at most {LARGEST_DETAILS} bytes as JSON.")
        return details

    def report(self, idempotency_key: str = "") -> ExternalReport:
        """What was reported, once it has been checked."""
        said = dict(self.validated_data)
        words: JSONDict = {
            name: kind(said.pop(name))
            for name, kind in (("severity", Severity), ("status", Status))
            if name in said
        }
        return ExternalReport(**said, **words, idempotency_key=idempotency_key)


LARGEST_DETAILS = 64 * 1024
"""Bytes, as JSON. They go into every message about the event, and into every list of events."""

IDEMPOTENCY_KEY = "Idempotency-Key"


def _idempotency_key(request: Request) -> str:
    """What names the report, however often it is sent. Raises ValidationError."""
    key: str = request.headers.get(IDEMPOTENCY_KEY, "").strip()
    if len(key) > 255:
        raise serializers.ValidationError({IDEMPOTENCY_KEY: ["This may have at most 255 characters."]})
    return key


class EventFilters(filters.FilterSet):
    """Which events to list."""

    search = Search("title", "resource", "subject", "namespace", "cluster_name")
    status = Choices(choices=EventStatus.choices)
    severity = Choices(choices=SEVERITIES)
    event_type = Choices(choices=[(name, name) for name in catalog.EVENT_TYPES])
    cluster = filters.CharFilter(field_name="cluster_name")
    namespace = filters.CharFilter()
    resource = filters.CharFilter()
    since = Moment(field_name="first_seen", lookup_expr="gte")
    until = Moment(field_name="first_seen", lookup_expr="lt")
    attention = filters.ChoiceFilter(
        choices=[(word, word) for word in handling.ATTENTION],
        method="of_attention",
        help_text="`needed`: open, not held back, and nobody on it; `by_hand`: resolved by hand.",
    )
    acknowledged = YesOrNo(field_name="acknowledged_at", lookup_expr="isnull", exclude=True)
    silenced = YesOrNo(field_name="held")
    silence = Id(field_name="silence_id")

    def of_attention(self, queryset: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        """Those that are so."""
        return queryset.filter(handling.ATTENTION[value])


class EventViewSet(Handling, mixins.ListModelMixin, mixins.RetrieveModelMixin, Api):
    """What happened. Nobody edits it; programs may report what they see themselves, and say who is on it."""

    queryset = Event.objects.all()
    serializer_class = EventSerializer
    filterset_class = EventFilters
    order = ("-first_seen", "-id")
    stretches = Stretches(
        slow=(
            "search",
            "severity",
            "cluster",
            "namespace",
            "resource",
            "attention",
            "acknowledged",
            "silenced",
        ),
        few=("silence",),
        leading=("event_type", "status"),
    )
    lookup_value_regex = r"[0-9a-fA-F-]{32,36}"
    ingest = ("create",)

    @extend_schema(
        request=ReportSerializer,
        responses={201: EventSerializer, 200: EventSerializer},
        parameters=[
            OpenApiParameter(
                IDEMPOTENCY_KEY,
                {"type": "string", "maxLength": 255},
                OpenApiParameter.HEADER,
                description="Names a report that has no `key`: sent again with it, it is the same event.",
            )
        ],
        filters=False,
    )
    def create(self, request: Request) -> Response:
        """Takes an event from outside: 201 for one that is so or happened, 200 for one that is over."""
        serializer = ReportSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            event = external.report(serializer.report(_idempotency_key(request)))
        except LookupError as error:
            raise serializers.ValidationError({"key": [str(error)]}) from None
        over = event.status == EventStatus.RESOLVED
        return Response(EventSerializer(event).data, status.HTTP_200_OK if over else status.HTTP_201_CREATED)
