"""Events, clusters and event types, over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.editing import EditApi
from connectors.filters import Choices, Id, Moment, Search, YesOrNo
from connectors.message import JSONDict, Severity, Status
from connectors.rest import Api, StrictModelSerializer, StrictSerializer, Word
from connectors.stretches import Stretches
from events import access, catalog, external, handling
from events.cluster_check_api import ClusterChecks
from events.handling_api import Handling
from events.models import SEVERITIES, Access, Cluster, Event, EventStatus, WatchLease, WatchState
from events.standing import standing


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


class ReportSerializer(StrictSerializer):
    """An event from outside, in the payload format that connectors send."""

    event_type = Word("EventTypeName", list(catalog.EVENT_TYPES))
    title = serializers.CharField(max_length=500)
    severity = Word("Severity", SEVERITIES, required=False)
    timestamp = serializers.DateTimeField(required=False)
    cluster = serializers.CharField(max_length=120, required=False, allow_blank=True)
    namespace = serializers.CharField(max_length=253, required=False, allow_blank=True)
    resource = serializers.CharField(max_length=320, required=False, allow_blank=True, help_text="Kind/name")
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    details = serializers.DictField(required=False)
    recommendations = serializers.ListField(child=RecommendationSerializer(), required=False, max_length=20)
    status = Word("EventStatus", EventStatus.choices, required=False)
    key = serializers.CharField(
        max_length=255, required=False, help_text="Names the problem, so that it can be updated and resolved."
    )

    def report(self, idempotency_key: str = "") -> external.ExternalReport:
        """What was reported, once it has been checked."""
        said = dict(self.validated_data)
        words: JSONDict = {
            name: kind(said.pop(name))
            for name, kind in (("severity", Severity), ("status", Status))
            if name in said
        }
        return external.ExternalReport(**said, **words, idempotency_key=idempotency_key)


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


class ClusterSerializer(StrictModelSerializer):
    """A cluster to watch, and how that goes. The kubeconfig is write-only."""

    kubeconfig = serializers.CharField(
        write_only=True, required=False, allow_blank=True, trim_whitespace=False,
        help_text="With access “kubeconfig”. Left out, the stored one stays; with another access it goes.",
    )  # fmt: skip
    kubeconfig_set = serializers.SerializerMethodField()
    watcher = serializers.SerializerMethodField(help_text="Who watches it; empty for nobody.")
    namespaces = serializers.ListField(child=serializers.CharField(max_length=253), required=False)
    watch = serializers.SerializerMethodField(help_text="How the watch stands at this moment, in a word.")
    watch_words = serializers.SerializerMethodField(help_text="The same in a sentence.")
    problems = serializers.DictField(read_only=True, help_text="What cannot be watched, and why.")

    class Meta:
        model = Cluster
        fields = (
            "id", "name", "enabled", "access", "context", "kubeconfig", "kubeconfig_set", "namespaces",
            "watcher", "watch", "watch_words", "state", "state_message", "problems",
            "connected_since", "last_change_at", "heartbeat_at", "lag_seconds", "objects_known",
            "stream_restarts", "nodes_known", "nodes_not_ready", "created_at",
        )  # fmt: skip
        read_only_fields = (
            "state", "state_message", "connected_since", "last_change_at", "heartbeat_at", "lag_seconds",
            "objects_known", "stream_restarts", "nodes_known", "nodes_not_ready", "created_at",
        )  # fmt: skip
        extra_kwargs = {
            "state": {"help_text": "What the watcher wrote last, whether it is still there or not."}
        }

    fleeting = ("watch", "watch_words", "last_change_at", "heartbeat_at", "lag_seconds", "objects_known")

    def get_kubeconfig_set(self, cluster: Cluster) -> bool:
        """Whether one is stored."""
        return bool(cluster.kubeconfig)

    def get_watcher(self, cluster: Cluster) -> str:
        """The holder of its lease."""
        lease: WatchLease | None = getattr(cluster, "watch_lease", None)
        return lease.holder if lease else ""

    def get_watch(self, cluster: Cluster) -> str:
        """What a watcher wrote counts only while it is heard of."""
        return standing(cluster).word

    def get_watch_words(self, cluster: Cluster) -> str:
        """The sentence."""
        return standing(cluster).words

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Checks that what is said can be used to reach the cluster; what belongs to another access goes."""
        now = self.instance or Cluster()
        chosen = attrs.get("access", now.access)
        if chosen != Access.KUBECONFIG:
            attrs.setdefault("kubeconfig", "")
        if chosen == Access.IN_CLUSTER:
            attrs.setdefault("context", "")
        entered = attrs.get("kubeconfig")
        problems = access.problems(
            chosen,
            attrs.get("context", now.context),
            now.kubeconfig if entered is None else entered,
            entered=bool(entered),
        )
        if problems:
            raise serializers.ValidationError({name: [text] for name, text in problems.items()})
        return attrs


class ClusterFilters(filters.FilterSet):
    """Which clusters to list."""

    search = Search("name")
    name = filters.CharFilter()
    enabled = YesOrNo()
    state = Choices(choices=WatchState.choices)


class ClusterViewSet(ClusterChecks, EditApi):
    """Clusters to watch."""

    queryset = Cluster.objects.select_related("watch_lease")
    serializer_class = ClusterSerializer
    filterset_class = ClusterFilters
    order = ("name",)


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
