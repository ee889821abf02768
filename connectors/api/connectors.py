"""Connectors and their providers, over HTTP. All that is ever said of a secret is that it is set."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from connectors import outbox, registry, trial
from connectors.api.deliveries import DeliveryDetailSerializer
from connectors.api.editing import EditApi
from connectors.api.filters import Search, YesOrNo
from connectors.api.previews import PreviewActions
from connectors.api.rest import StrictModelSerializer, StrictSerializer, Word, not_among
from connectors.configuration import schema, setup
from connectors.configuration.reconfigure import configured, shown
from connectors.errors import SendError
from connectors.health import IN_STATE, State, health, result_of_test
from connectors.message import JSONDict
from connectors.models import BreakerState, Connector, DeliveryStatus
from connectors.redelivery import CHOICES, redeliver_since
from connectors.vitals import Vitals, vitals_of


@extend_schema_field({"type": "object", "additionalProperties": True})
class ConfigurationField(serializers.Field[Any, Any, Any, Any]):
    """A connector's whole configuration; in answers a secret is “set” or null.

    What it may hold depends on the type: `/api/v1/providers/` has the JSON Schemas.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="*", **kwargs)

    def to_representation(self, value: Connector) -> JSONDict:
        """The options, and of each secret whether it is set."""
        return shown(value)

    def to_internal_value(self, data: object) -> dict[str, JSONDict]:
        """The object as it is; the connector's serializer checks it against the type."""
        if not isinstance(data, dict):
            raise serializers.ValidationError('This must be an object, such as {"url": "https://…"}.')
        return {"config": data}


class HealthSerializer(serializers.Serializer[Any]):
    """How a connector fares in numbers: attempts of the last 24 hours, counted by the hour, and its queue."""

    attempts = serializers.IntegerField()
    arrived = serializers.IntegerField(help_text="How many of the attempts arrived.")
    success_rate = serializers.FloatField(allow_null=True, help_text="0 to 1; null where nothing was tried.")
    latency_p50 = serializers.FloatField(
        allow_null=True, help_text="Seconds, estimated, within which half of the attempts had ended."
    )
    latency_p95 = serializers.FloatField(allow_null=True, help_text="The same of 95 in 100.")
    waiting = serializers.IntegerField(help_text="Deliveries that have not settled.")
    oldest_waiting_at = serializers.DateTimeField(
        allow_null=True, help_text="When the oldest of them was written."
    )
    oldest_waiting_seconds = serializers.SerializerMethodField(help_text="How long ago that is.")

    def get_oldest_waiting_seconds(self, vitals: Vitals) -> float | None:
        """The age of the oldest."""
        if vitals.oldest_waiting_at is None:
            return None
        return round(max(0.0, (timezone.now() - vitals.oldest_waiting_at).total_seconds()), 1)


class ConnectorSerializer(StrictModelSerializer):
    """A connector: what it is, how it is configured, how it fares."""

    type = serializers.ChoiceField(
        source="provider",
        choices=registry.choices(),
        error_messages={"invalid_choice": not_among(registry.all_providers())},
    )
    config = ConfigurationField(help_text="By type; see /api/v1/providers/. Secrets are write-only.")
    state = serializers.SerializerMethodField()
    state_words = serializers.SerializerMethodField(help_text="How it fares, in words.")
    breaker = Word("BreakerState", BreakerState.choices, read_only=True)
    health = serializers.SerializerMethodField()
    warnings = serializers.SerializerMethodField(
        help_text="What is allowed but will probably not do what is hoped for."
    )

    class Meta:
        model = Connector
        fields: tuple[str, ...] = (
            "id", "name", "type", "enabled", "config", "deliver_brief", "rate_per_second", "digest_after",
            "state", "state_words", "health", "warnings", "breaker", "breaker_until",
            "paused_at", "paused_reason", "last_success_at", "last_failure_at", "last_failure",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = (
            "breaker", "breaker_until",
            "paused_at", "paused_reason", "last_success_at", "last_failure_at", "last_failure",
        )  # fmt: skip

    fleeting = ("health",)

    @extend_schema_field(serializers.ChoiceField(choices=[state.value for state in State]))
    def get_state(self, connector: Connector) -> str:
        """The state in one word."""
        return health(connector).state.value

    def get_state_words(self, connector: Connector) -> str:
        """The state in a sentence."""
        return health(connector).words

    @extend_schema_field(HealthSerializer)
    def get_health(self, connector: Connector) -> Any:
        """The numbers; in a list they are those that were asked for all at once."""
        known: dict[int, Vitals] = self.context.get("vitals", {})
        vitals = known.get(connector.pk) or vitals_of([connector])[connector.pk]
        return HealthSerializer(vitals).data

    def get_warnings(self, connector: Connector) -> list[str]:
        """The provider's remarks on the configuration; none where it cannot be used at all."""
        try:
            return registry.provider(connector.provider).warnings(setup.config_of(connector))
        except (SendError, LookupError):
            return []

    def validate_type(self, slug: str) -> str:
        """A connector's type is settled when it is made: its record would be another service's otherwise."""
        if self.instance is not None and slug != self.instance.provider:
            raise serializers.ValidationError(
                f"The type of a connector cannot be changed. Make a new one of type “{slug}” instead."
            )
        return slug

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Puts what is sent together with what is stored, and checks the whole."""
        sent = attrs.pop("config", None if self.partial else {})
        if sent is None:
            return attrs
        connector = self.instance or Connector(provider=attrs["provider"])
        try:
            result = configured(connector, sent, replace=not self.partial)
        except setup.ConfigError as error:
            raise serializers.ValidationError({"config": error.errors}) from None
        attrs["options"], attrs["secrets"] = result.options, result.secrets
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Connector:
        """A new connector. It is enabled unless it is said not to be, as in a file."""
        connector: Connector = super().create({"enabled": True, **validated_data})
        return connector


class ConnectorFilters(filters.FilterSet):
    """Which connectors to list."""

    search = Search("name")
    name = filters.CharFilter()
    type = filters.ChoiceFilter(field_name="provider", choices=registry.choices())
    enabled = YesOrNo()
    paused = YesOrNo(field_name="paused_at", lookup_expr="isnull", exclude=True)
    state = filters.ChoiceFilter(
        choices=[(state.value, state.value) for state in IN_STATE], method="in_state"
    )

    def in_state(self, queryset: QuerySet[Connector], name: str, value: str) -> QuerySet[Connector]:
        """Those that fare so, as far as the database can tell."""
        return queryset.filter(IN_STATE[State(value)])


class RedeliverSerializer(StrictSerializer):
    """Which of a connector's deliveries are to be sent once more."""

    since = serializers.DateTimeField(help_text="When the oldest of them was written.")
    status = Word("SettledStatus", [(status.value, status.label) for status in CHOICES], default="failed")


class RedeliveredSerializer(serializers.Serializer[Any]):
    """How many are sent once more."""

    redelivered = serializers.IntegerField()


class TestResultSerializer(serializers.Serializer[Any]):
    """What came of a test."""

    __test__ = False  # not a test class, whatever its name looks like

    delivered = serializers.BooleanField()
    words = serializers.CharField(help_text="What came of it and, if it failed, what to do.")
    delivery = DeliveryDetailSerializer()
    closing = DeliveryDetailSerializer(
        allow_null=True, help_text="What closed the thing that the test opened, where it opened one."
    )


class ProviderSerializer(serializers.Serializer[Any]):
    """A type of connector, and the JSON Schema of what it can be told."""

    type = serializers.CharField(source="slug")
    label = serializers.CharField()  # type: ignore[assignment]  # hides a field's attribute of that name
    summary = serializers.CharField()
    schema = serializers.SerializerMethodField(help_text="JSON Schema; secrets are `writeOnly`.")
    example = serializers.SerializerMethodField(help_text="A complete configuration, secrets masked.")

    def get_schema(self, provider: Any) -> JSONDict:
        """The JSON Schema of the configuration."""
        return schema.json_schema(provider)

    def get_example(self, provider: Any) -> JSONDict:
        """The declared example; its secrets are made up, and masked because they look like real ones."""
        return schema.masked(provider.config_class, provider.example, "…")


class ConnectorViewSet(PreviewActions, EditApi):
    """Connectors. PATCH merges `config` with what is stored; PUT replaces it, except for stored secrets."""

    queryset = Connector.objects.all()
    serializer_class = ConnectorSerializer
    filterset_class = ConnectorFilters
    order = ("name",)
    permission_of_action = {
        **PreviewActions.permission_of_action,
        "test": trial.RIGHTS,
        "resume": trial.RIGHTS,
        "redeliver": "connectors.change_delivery",
    }

    def paginate_queryset(self, queryset: Any) -> Any:
        """The page, with the numbers of all its connectors at once."""
        page = super().paginate_queryset(queryset)
        self._vitals = vitals_of(page or ())
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        """With the numbers of the page, where there is one."""
        return {**super().get_serializer_context(), "vitals": getattr(self, "_vitals", {})}

    @extend_schema(request=None, responses=TestResultSerializer, filters=False)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Sends a test message now, by the path of every other, and says what came of it."""
        done = trial.try_out(self.get_object())
        result = result_of_test(done.delivery, done.closing)
        data = {
            "delivered": result.state is State.WORKING,
            "words": result.words,
            "delivery": done.delivery,
            "closing": done.closing,
        }
        return Response(TestResultSerializer(data).data)

    @extend_schema(request=None, filters=False)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Takes the connector out of its pause; what waits goes out at once."""
        connector: Connector = self.get_object()
        outbox.resume(connector)
        return Response(self.get_serializer(connector).data)

    @extend_schema(request=RedeliverSerializer, responses={200: RedeliveredSerializer}, filters=False)
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Sends all that failed since a time once more, each under its own id."""
        connector: Connector = self.get_object()
        asked = RedeliverSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        sent = redeliver_since(connector, wanted["since"], DeliveryStatus(wanted["status"]))
        return Response(RedeliveredSerializer({"redelivered": sent}).data)


class ProviderViewSet(viewsets.ViewSet):
    """The types of connector there are. For whoever is signed in: it is documentation."""

    permission_classes = (IsAuthenticated,)
    lookup_field = "type"
    lookup_value_regex = "[a-z0-9_-]+"

    @extend_schema(responses=ProviderSerializer(many=True))
    def list(self, request: Request) -> Response:
        """All of them."""
        return Response(ProviderSerializer(list(registry.all_providers().values()), many=True).data)

    @extend_schema(
        parameters=[OpenApiParameter("type", str, OpenApiParameter.PATH)], responses=ProviderSerializer
    )
    def retrieve(self, request: Request, type: str) -> Response:
        """One of them."""
        try:
            return Response(ProviderSerializer(registry.provider(type)).data)
        except LookupError as error:
            raise NotFound(str(error)) from None
