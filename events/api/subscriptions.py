"""Subscriptions over HTTP, and what one would have sent."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.editing import EditApi
from connectors.api.filters import Id, Search, YesOrNo
from connectors.api.query import Query
from connectors.api.rest import Conflict, StrictModelSerializer, Word
from connectors.models import Connector
from events.models import SEVERITIES, Subscription
from events.routing import schedule
from events.routing.backtest import DAYS, MOST_DAYS, Backtest, backtest
from events.routing.subscription_keys import KEYS, Wrong


def refusal(error: Wrong) -> Any:
    """A wrong value in the API's words: by key where it is an object, else as a list of sentences."""
    if all(place.startswith(".") for place in error.problems):
        return {place.removeprefix("."): [text] for place, text in error.problems.items()}
    return list(error.problems.values())


class SubscriptionSerializer(StrictModelSerializer):
    """Which events a connector receives."""

    min_severity = Word("Severity", SEVERITIES, required=False)
    event_types = serializers.ListField(child=serializers.CharField(), required=False)
    namespaces = serializers.ListField(child=serializers.CharField(), required=False)
    clusters = serializers.ListField(child=serializers.CharField(), required=False)
    conditions = serializers.DictField(required=False)
    words = serializers.CharField(source="in_words", read_only=True, help_text="The whole in a sentence.")
    schedule = serializers.DictField(
        required=False, help_text=f"The hours in which the connector is told, such as {schedule.EXAMPLE}."
    )

    class Meta:
        model = Subscription
        fields = (
            "id", "connector", "enabled", "event_types", "min_severity", "namespaces", "clusters",
            "conditions", "schedule", "send_resolved", "words", "created_at", "updated_at",
        )  # fmt: skip

    def to_internal_value(self, data: Any) -> Any:
        """Reads each key as a file's would be read. Raises ValidationError, by field."""
        values = super().to_internal_value(data)
        errors = {}
        for key in KEYS.values():
            if key.field in values:
                try:
                    values[key.field] = key.read(values[key.field])
                except Wrong as error:
                    errors[key.field] = refusal(error)
        if errors:
            raise serializers.ValidationError(errors)
        return values


class DraftSerializer(SubscriptionSerializer):
    """A subscription that need not have a connector yet."""

    connector = serializers.PrimaryKeyRelatedField[Any](
        queryset=Connector.objects.all(), required=False, allow_null=True
    )


class DayCount(serializers.Serializer[Any]):
    """What would have been sent on one day."""

    day = serializers.DateField()
    openings = serializers.IntegerField()
    resolutions = serializers.IntegerField()


class ToldSerializer(serializers.Serializer[Any]):
    """An event that would have been told."""

    event = serializers.UUIDField(source="event.pk")
    title = serializers.CharField(source="event.title")
    event_type = serializers.CharField(source="event.event_type")
    severity = serializers.CharField(source="event.severity")
    cluster = serializers.CharField(source="event.cluster_name")
    namespace = serializers.CharField(source="event.namespace")
    told_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    held_back = serializers.BooleanField(help_text="Until the subscription's hours began.")


class ReallySerializer(serializers.Serializer[Any]):
    """What was sent through the connector meanwhile, for any of its subscriptions."""

    messages = serializers.IntegerField()
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    at_least = serializers.BooleanField(help_text="There are more than were counted.")


class BacktestSerializer(serializers.Serializer[Any]):
    """What a subscription would have sent, as far as the record tells; `notes` say how far."""

    words = serializers.CharField(source="__str__")
    subscription = serializers.CharField(help_text="The subscription in words.")
    days = serializers.IntegerField()
    since = serializers.DateTimeField()
    messages = serializers.IntegerField(source="replay.messages")
    openings = serializers.IntegerField(source="replay.openings")
    resolutions = serializers.IntegerField(source="replay.resolutions")
    held_back = serializers.IntegerField(
        source="replay.held_back", help_text="Of the openings, those told when the hours began."
    )
    withheld = serializers.IntegerField(
        source="replay.withheld", help_text="Outside the hours, and not told at all."
    )
    waiting = serializers.IntegerField(
        source="replay.waiting", help_text="Still open, and told when the hours begin."
    )
    by_day = serializers.SerializerMethodField()
    by_severity = serializers.DictField(source="replay.by_severity", child=serializers.IntegerField())
    by_type = serializers.DictField(source="replay.by_type", child=serializers.IntegerField())
    newest = ToldSerializer(many=True)
    really = ReallySerializer(allow_null=True)
    cut = serializers.BooleanField(help_text="There were more events than are looked at.")
    notes = serializers.ListField(child=serializers.CharField())

    @extend_schema_field(DayCount(many=True))
    def get_by_day(self, found: Backtest) -> Any:
        """Each day, also those without any."""
        return [
            {"day": day.isoformat(), "openings": openings, "resolutions": resolutions}
            for day, (openings, resolutions) in sorted(found.replay.by_day.items())
        ]


_DAYS = OpenApiParameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": DAYS},
    description="How far it looks back.",
)


class SubscriptionFilters(filters.FilterSet):
    """Which subscriptions to list."""

    search = Search("connector__name")
    connector = Id(field_name="connector_id")
    enabled = YesOrNo()
    min_severity = filters.ChoiceFilter(choices=SEVERITIES)
    hours = YesOrNo(method="with_hours")

    def with_hours(self, queryset: QuerySet[Subscription], name: str, value: bool) -> QuerySet[Subscription]:
        """Those with hours, or those that are told at any."""
        return queryset.exclude(schedule={}) if value else queryset.filter(schedule={})


class SubscriptionViewSet(EditApi):
    """Subscriptions: who receives what."""

    queryset = Subscription.objects.all()
    serializer_class = SubscriptionSerializer
    filterset_class = SubscriptionFilters
    permission_of_action = {"backtest": "view", "backtest_draft": "view"}

    @extend_schema(parameters=[_DAYS], responses=BacktestSerializer, filters=False)
    @action(detail=True)
    def backtest(self, request: Request, pk: str) -> Response:
        """What this subscription would have sent over the last days. Needs the right to view events."""
        return self._backtest(request, self.get_object())

    @extend_schema(
        operation_id="subscriptions_backtest_draft",
        parameters=[_DAYS],
        request=DraftSerializer,
        responses=BacktestSerializer,
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="backtest", pagination_class=None)
    def backtest_draft(self, request: Request) -> Response:
        """The same of a subscription that is not saved, and is not by this."""
        draft = DraftSerializer(data=request.data)
        draft.is_valid(raise_exception=True)
        return self._backtest(request, Subscription(**draft.validated_data))

    def _backtest(self, request: Request, subscription: Subscription) -> Response:
        if not request.user.has_perm("events.view_event"):
            raise PermissionDenied("A backtest needs the permission events.view_event.")
        days = Query(request.GET, "days").number("days", DAYS, MOST_DAYS)
        try:
            found = backtest(subscription, days)
        except ValueError as error:  # what is stored is no longer known
            raise Conflict(str(error)) from None
        return Response(BacktestSerializer(found).data)
