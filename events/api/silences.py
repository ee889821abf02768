"""Silences over HTTP. They are ended rather than deleted: they are why people were not told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.editing import WRITING, KeepApi
from connectors.api.filters import Search
from connectors.api.rest import Conflict, StrictModelSerializer, Word
from events import silences, silencing
from events.api.subscriptions import refusal
from events.models import Silence, SilenceState
from events.routing.subscription_keys import Wrong


@extend_schema_field({"type": "string", "pattern": "^[1-9][0-9]{0,5}[mhd]$", "example": "2h"})
class DurationField(serializers.Field[Any, Any, Any, Any]):
    """A length of time such as 30m, 2h or 3d."""

    def to_internal_value(self, data: object) -> timedelta:
        """Raises ValidationError."""
        try:
            return silencing.duration(data)
        except Wrong as error:
            raise serializers.ValidationError(list(error.problems.values())) from None

    def to_representation(self, value: Any) -> Any:
        """As it is; nobody is shown one."""
        return value


class SilenceSerializer(StrictModelSerializer):
    """A time in which nobody is told of certain events. Every matcher must hold; an empty one always does."""

    event_types = serializers.ListField(child=serializers.CharField(), required=False, max_length=100)
    clusters = serializers.ListField(child=serializers.CharField(), required=False, max_length=100)
    namespaces = serializers.ListField(child=serializers.CharField(), required=False, max_length=100)
    resources = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        max_length=100,
        help_text="Kind/name of what it happens to or of its owner; or patterns.",
    )
    starts_at = serializers.DateTimeField(
        required=False, help_text="No earlier than now, which it is unless said."
    )
    ends_at = serializers.DateTimeField(required=False)
    duration = DurationField(
        write_only=True, required=False, help_text="In place of ends_at: how long it lasts, such as 2h."
    )
    state = Word("SilenceState", SilenceState.choices, read_only=True)

    class Meta:
        model = Silence
        fields = (
            "id", "event_types", "clusters", "namespaces", "resources", "starts_at", "ends_at", "duration",
            "reason", "state", "created_by", "created_at", "ended_at", "ended_by",
        )  # fmt: skip
        read_only_fields = ("created_by", "created_at", "ended_at", "ended_by")

    def to_internal_value(self, data: Any) -> Any:
        """Reads each matcher as a form's would be read. Raises ValidationError, by field."""
        values = super().to_internal_value(data)
        errors = {}
        for name, read in silencing.MATCHERS.items():
            if name in values:
                try:
                    values[name] = read(values[name])
                except Wrong as error:
                    errors[name] = refusal(error)
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Checks the whole as it will be. Raises ValidationError, by field."""
        now, before = timezone.now(), self.instance
        lasting = attrs.pop("duration", None)
        if before is None:
            attrs["starts_at"] = max(now, attrs.get("starts_at", now))
        starts_at = attrs.get("starts_at", before and before.starts_at)
        if lasting is not None:
            if "ends_at" in attrs:
                raise serializers.ValidationError({"duration": ["Say either this or ends_at."]})
            try:
                attrs["ends_at"] = starts_at + lasting
            except OverflowError:
                raise serializers.ValidationError({"starts_at": ["That is too far away."]}) from None
        if before is None and "ends_at" not in attrs:
            raise serializers.ValidationError({"ends_at": ["Say when it ends, or a duration."]})
        default = before or Silence()
        whole = {name: attrs.get(name, getattr(default, name)) for name in silencing.MATCHERS}
        whole |= {"starts_at": starts_at, "ends_at": attrs.get("ends_at", default.ends_at)}
        wrong = silencing.problems(whole, before)
        if wrong:
            raise serializers.ValidationError(
                {name or "non_field_errors": [text] for name, text in wrong.items()}
            )
        return attrs


class SilenceFilters(filters.FilterSet):
    """Which silences to list."""

    search = Search("reason", "created_by")
    state = filters.ChoiceFilter(choices=SilenceState.choices, method="in_state")

    def in_state(self, queryset: QuerySet[Silence], name: str, value: str) -> QuerySet[Silence]:
        """Those that are in that state now."""
        return silences.in_state(queryset, SilenceState(value))


class SilenceViewSet(KeepApi):
    """Silences, such as maintenance windows. Once one is in force, only its end and reason can be changed."""

    queryset = Silence.objects.all()
    serializer_class = SilenceSerializer
    filterset_class = SilenceFilters
    order = ("-starts_at", "-id")
    permission_of_action = {"end": "change"}
    writing = (*WRITING, "end")

    def perform_create(self, serializer: Any) -> None:
        """With the name of who made it."""
        serializer.save(created_by=self.request.user.get_username())

    @extend_schema(
        request=None,
        responses={200: SilenceSerializer, 409: OpenApiResponse(description="It is over.")},
        filters=False,
    )
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """Ends it now; what it held back and is still so is told. If-Match is heeded as for a change."""
        with transaction.atomic():
            silence: Silence = self.get_object()
            self.demand_seen(request, silence)
            if not silences.end(silence, request.user.get_username()):
                raise Conflict("It is over already.")
        return Response(self.get_serializer(silence).data, headers={"ETag": self.etag(silence)})
