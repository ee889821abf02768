"""The overview over HTTP: the same figures as on the console's first page."""

from __future__ import annotations

from typing import Any

from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from connectors.api.connectors import HealthSerializer
from connectors.api.query import Query
from connectors.api.rest import Word
from connectors.health import State
from connectors.message import Severity
from events.models import WatchState
from kubegraf.attention import concerns, first_steps
from kubegraf.overview import ConnectorLine, OpenEvents, Overview, Period, overview

PERIODS = [(period.value, period.value) for period in Period]


class ConcernSerializer(serializers.Serializer[Any]):
    """Something that needs attention."""

    about = serializers.CharField(help_text="The connector or cluster, or what it is about.")
    word = serializers.CharField(help_text="What is the matter, in a word.")
    words = serializers.CharField(help_text="The same in a sentence.")
    urgency = Word(
        "Urgency",
        [("worst", "worst"), ("bad", "bad"), ("warning", "warning"), ("info", "info")],
        source="tone",
    )
    url = serializers.CharField(help_text="The path of the console's page where it is mended.")
    remedy = serializers.CharField(help_text="What to do there.")


class FirstStepSerializer(serializers.Serializer[Any]):
    """One of the first steps from nothing to the first message."""

    title = serializers.CharField()
    words = serializers.CharField()
    url = serializers.CharField(
        help_text="The path of the console's page where it is taken; empty while another must come before it."
    )
    done = serializers.BooleanField()


class SliceSerializer(serializers.Serializer[Any]):
    """What was counted from `began` until `ended`."""

    began = serializers.DateTimeField()
    ended = serializers.DateTimeField()
    amounts = serializers.DictField(child=serializers.IntegerField(), help_text="By severity or outcome.")


class FlowSerializer(serializers.Serializer[Any]):
    """What was counted in the period, in all and in slices of time."""

    total = serializers.IntegerField()
    amounts = serializers.DictField(child=serializers.IntegerField(), help_text="By severity or outcome.")
    slices = SliceSerializer(many=True)


class OpenInSerializer(serializers.Serializer[Any]):
    """What is open in a cluster."""

    id = serializers.IntegerField(
        source="pk", allow_null=True, help_text="Null where it is none that is watched."
    )
    name = serializers.CharField()
    total = serializers.IntegerField()
    severities = serializers.DictField(child=serializers.IntegerField())


class OpenEventSerializer(serializers.Serializer[Any]):
    """An open event in brief."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    event_type = serializers.CharField()
    severity = Word("Severity", [(severity.value, severity.value) for severity in Severity])
    cluster = serializers.CharField(source="cluster_name")
    namespace = serializers.CharField()
    first_seen = serializers.DateTimeField()


class OpenEventsSerializer(serializers.Serializer[OpenEvents]):
    """What is open now: by severity, by cluster (the worst first), and the newest."""

    total = serializers.IntegerField()
    severities = serializers.DictField(child=serializers.IntegerField())
    clusters = OpenInSerializer(many=True)
    newest = OpenEventSerializer(many=True)


class ConnectorLineSerializer(serializers.Serializer[ConnectorLine]):
    """A connector and how it fares."""

    id = serializers.IntegerField(source="connector.pk")
    name = serializers.CharField(source="connector.name")
    type = serializers.CharField(source="connector.provider")
    enabled = serializers.BooleanField(source="connector.enabled")
    subscribed = serializers.BooleanField()
    state = Word("ConnectorState", [(state.value, state.value) for state in State], source="health.state")
    state_words = serializers.CharField(source="health.words")
    health = HealthSerializer(source="vitals")


class ClusterLineSerializer(serializers.Serializer[Any]):
    """A cluster and how its watch stands."""

    id = serializers.IntegerField(source="cluster.pk")
    name = serializers.CharField(source="cluster.name")
    enabled = serializers.BooleanField(source="cluster.enabled")
    state = Word("WatchState", WatchState.choices, source="cluster.state")
    watch = serializers.CharField(
        source="standing.word", help_text="How it stands at this moment, in a word."
    )
    watch_words = serializers.CharField(source="standing.words", help_text="The same in a sentence.")
    lag_seconds = serializers.FloatField(source="cluster.lag_seconds", allow_null=True)
    nodes_known = serializers.IntegerField(source="cluster.nodes_known")
    nodes_not_ready = serializers.IntegerField(source="cluster.nodes_not_ready")
    last_change_at = serializers.DateTimeField(source="cluster.last_change_at", allow_null=True)


class OverviewSerializer(serializers.Serializer[Overview]):
    """The overview. A section is null for whoever may not see it."""

    period = Word("Period", PERIODS)
    at = serializers.DateTimeField(help_text="When it was looked at.")
    attention = serializers.SerializerMethodField(help_text="What needs attention, the worst first.")
    first_steps = serializers.SerializerMethodField(help_text="Empty once they are all done.")
    open = OpenEventsSerializer(allow_null=True)
    events = FlowSerializer(allow_null=True, help_text="Events that opened or occurred, by severity.")
    deliveries = FlowSerializer(allow_null=True, help_text="Deliveries that settled, by outcome.")
    sending = HealthSerializer(
        allow_null=True, help_text="All attempts of the last 24 hours; `waiting` is told by connector."
    )
    dead_letters = serializers.IntegerField(
        allow_null=True, help_text="Deliveries of the last 24 hours that failed for good, up to 1000."
    )
    silences = serializers.IntegerField(allow_null=True, help_text="Silences in force at this moment.")
    connectors = ConnectorLineSerializer(many=True, allow_null=True)
    clusters = ClusterLineSerializer(many=True, allow_null=True)

    @extend_schema_field(ConcernSerializer(many=True))
    def get_attention(self, found: Overview) -> list[dict[str, Any]]:
        """The concerns."""
        return list(ConcernSerializer(concerns(found), many=True).data)

    @extend_schema_field(FirstStepSerializer(many=True))
    def get_first_steps(self, found: Overview) -> list[dict[str, Any]]:
        """The steps."""
        return list(FirstStepSerializer(first_steps(found), many=True).data)


_ONE = forced_singular_serializer(OverviewSerializer)  # type: ignore[no-untyped-call]
"""There is one, for all that the action which gives it is called `list`."""


class OverviewViewSet(ViewSet):
    """How everything is. For whoever is signed in: each section takes the right to see what it tells of."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="v1_overview",
        parameters=[OpenApiParameter("period", enum=[period.value for period in Period], default="24h")],
        responses=_ONE,
    )
    def list(self, request: Request) -> Response:
        """Up to 50 connectors and clusters, those in trouble first; their own lists have all."""
        period = Query(request.GET, "period").word("period", list(Period), Period.DAY)
        return Response(OverviewSerializer(overview(request.user, Period(period))).data)
