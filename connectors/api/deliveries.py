"""Deliveries and their attempts, over HTTP: to read, to send once more, and to cancel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from connectors import cancellation, dead_letters, export, redelivery, registry, remedies
from connectors.api import query
from connectors.api.filters import Choices, Id, Moment, Search
from connectors.api.rest import Api, Conflict, StrictSerializer, Word
from connectors.api.stretches import Stretches
from connectors.engine import leases
from connectors.errors import Reason
from connectors.models import Attempt, Delivery, DeliveryStatus


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One try. In `exchanges` secrets are blanked and bodies cut short."""

    class Meta:
        model = Attempt
        fields = (
            "number", "started_at", "finished_at", "outcome", "reason", "error", "http_status", "exchanges",
        )  # fmt: skip


class Said(serializers.CharField):
    """What the message says under the field's name; empty where it is no message."""

    def __init__(self, **more: Any) -> None:
        super().__init__(read_only=True, source="*", **more)

    def to_representation(self, value: Any) -> str:
        """The text."""
        delivery: Delivery = value
        return delivery.says(str(self.field_name))


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A message on its way through a connector, without its attempts."""

    type = serializers.CharField(source="provider", help_text="The connector's type.")
    event = serializers.CharField(source="message_id", help_text="The id of what it reports.")
    title = Said()
    event_type = Said()
    severity = Said()
    status = Word("DeliveryStatus", DeliveryStatus.choices)
    being_sent = serializers.BooleanField(
        read_only=True, default=False, help_text="An attempt is under way at this moment."
    )
    reason = serializers.CharField(help_text=f"Why it failed: {', '.join(Reason)}.")

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = (
            "id", "connector", "connector_name", "type", "origin", "event", "key", "title", "event_type",
            "severity", "status", "being_sent", "reason", "note", "attempt_count", "next_attempt_at",
            "remote_url", "sent_in", "created_at", "settled_at",
        )  # fmt: skip
        read_only_fields = fields


class DeliveryDetailSerializer(DeliverySerializer):
    """A message on its way through a connector, with what was to be said and every attempt."""

    attempts = AttemptSerializer(many=True, read_only=True)
    meaning = serializers.SerializerMethodField(
        help_text="What its failure means; empty where it has not failed."
    )
    remedy = serializers.SerializerMethodField(help_text="What to do about it.")
    message = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField())
    def get_message(self, delivery: Delivery) -> Any:
        """As it is on record; empty where that is no message."""
        return delivery.message if isinstance(delivery.message, dict) else {}

    def get_meaning(self, delivery: Delivery) -> str:
        """A sentence."""
        found = remedies.trouble(delivery)
        return found.meaning if found else ""

    def get_remedy(self, delivery: Delivery) -> str:
        """A sentence."""
        found = remedies.trouble(delivery)
        return found.advice if found else ""

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "meaning", "remedy", "message", "attempts")
        read_only_fields = fields


class DeadLettersSerializer(serializers.Serializer[dead_letters.Group]):
    """The dead letters of one connector that failed for one reason."""

    connector = serializers.IntegerField(
        source="connector_id", allow_null=True, help_text="Null where it has been deleted since."
    )
    connector_name = serializers.CharField()
    reason = serializers.CharField(help_text=f"One of {', '.join(Reason)}; empty where none is on record.")
    words = serializers.CharField(source="reason_label", help_text="The same for people.")
    meaning = serializers.CharField(source="remedy.meaning", default="")
    remedy = serializers.CharField(source="remedy.advice", default="", help_text="What to do about it.")
    amount = serializers.IntegerField()
    oldest = serializers.DateTimeField(help_text="When the oldest of them was written.")
    latest = serializers.DateTimeField()


class DeadLetterSummarySerializer(serializers.Serializer[dead_letters.Summary]):
    """What has failed for good, summed up: the largest group first."""

    amount = serializers.IntegerField()
    more = serializers.BooleanField(
        help_text=f"There are older ones: the latest {dead_letters.COUNTED} are summed up."
    )
    groups = DeadLettersSerializer(many=True)


class CancelSerializer(StrictSerializer):
    """Why a delivery is not to be sent any more."""

    note = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=cancellation.LONGEST_WHY,
        help_text="Goes on record beside who cancelled it.",
    )


class DeliveryFilters(filters.FilterSet):
    """Which deliveries to list."""

    search = Search("connector_name", "message__title", "message__resource", "message_id", "key", "note")
    status = Choices(choices=DeliveryStatus.choices)
    connector = Id(field_name="connector_id")
    type = filters.ChoiceFilter(field_name="provider", choices=registry.choices())
    reason = Choices(choices=[(reason.value, reason.value) for reason in Reason])
    event = filters.CharFilter(field_name="message_id")
    key = filters.CharFilter()
    sent_in = filters.UUIDFilter(field_name="sent_in_id")
    event_type = filters.CharFilter(field_name="message__event_type")
    severity = filters.CharFilter(field_name="message__severity")
    cluster = filters.CharFilter(field_name="message__cluster")
    namespace = filters.CharFilter(field_name="message__namespace")
    since = Moment(field_name="created_at", lookup_expr="gte")
    until = Moment(field_name="created_at", lookup_expr="lt")


class Csv(BaseRenderer):
    """Lets a client ask for CSV. What it renders are errors: the file itself is streamed."""

    media_type = "text/csv"
    format = "csv"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """What is wrong, as JSON: whoever asked reads it as text."""
        rendered: bytes = JSONRenderer().render(data)
        return rendered


class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Api):
    """What was said through which connector, with every attempt. Nobody writes here but the engine."""

    queryset = Delivery.objects.all()
    filterset_class = DeliveryFilters
    order = ("-created_at", "-id")
    stretches = Stretches(
        slow=("search", "type", "reason", "key", "event_type", "severity", "cluster", "namespace"),
        few=("event", "sent_in"),
        leading=("connector", "status"),
    )
    lookup_value_regex = r"[0-9a-fA-F-]{32,36}"
    permission_of_action = {"redeliver": "change", "cancel": "change"}

    def get_queryset(self) -> QuerySet[Delivery]:
        """With their attempts, and whether they are being sent, where those are shown."""
        queryset: QuerySet[Delivery] = super().get_queryset()
        if self.action == "export":
            return queryset
        queryset = queryset.annotate(being_sent=Q(pk__in=leases.taken()))
        return queryset if self.action == "list" else queryset.prefetch_related("attempts")

    def get_serializer_class(self) -> type[DeliverySerializer]:
        """Attempts and message only in the detail: they can be long."""
        return DeliverySerializer if self.action == "list" else DeliveryDetailSerializer

    @extend_schema(
        request=None,
        responses={200: DeliveryDetailSerializer, 409: OpenApiResponse(description="It cannot be sent.")},
        filters=False,
    )
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Sends a settled delivery once more, under its own id."""
        delivery: Delivery = self.get_object()
        sent = redelivery.redeliver([delivery])
        delivery.refresh_from_db()
        if not sent and delivery.connector_id is None:
            raise Conflict("Its connector has been deleted.")
        if not sent:
            raise Conflict(f"It is still on its way ({delivery.status}).")
        return Response(self.get_serializer(delivery).data)

    @extend_schema(
        operation_id="deliveries_dead_letters", responses=DeadLetterSummarySerializer, filters=False
    )
    @action(detail=False, url_path="dead-letters", pagination_class=None)
    def dead_letters(self, request: Request) -> Response:
        """What has failed for good, by connector and reason. The list with `status=failed` has each one."""
        query.check(request.GET, ())
        return Response(DeadLetterSummarySerializer(dead_letters.summary()).data)

    @extend_schema(
        responses={(200, "text/csv"): OpenApiTypes.STR},
        description="The deliveries that the filters leave as CSV, the latest first."
        f" {export.AT_MOST} at most: go on with `until`."
        " What a spreadsheet would take for a formula begins with an apostrophe.",
    )
    @action(detail=False, pagination_class=None, renderer_classes=(JSONRenderer, Csv))
    def export(self, request: Request) -> StreamingHttpResponse:
        """The deliveries that the filters leave, as CSV."""
        return export.download(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        request=CancelSerializer,
        responses={
            200: DeliveryDetailSerializer,
            409: OpenApiResponse(description="It has settled, or is being sent right now."),
        },
        filters=False,
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancels a delivery that has not settled. One that is being sent right now cannot be called back."""
        delivery: Delivery = self.get_object()
        asked = CancelSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        cancelled = cancellation.cancel(
            [delivery], by=request.user.get_username(), why=asked.validated_data["note"]
        )
        delivery.refresh_from_db()
        if not cancelled:
            raise Conflict(cancellation.refusal(delivery))
        return Response(self.get_serializer(delivery).data)
