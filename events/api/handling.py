"""Acknowledging, resolving and silencing events, and why people were told of them or not, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.rest import Api, Conflict, StrictSerializer, Word
from events import handling, silencing
from events.api.silences import DurationField, SilenceSerializer
from events.models import Event, EventStatus
from events.routing.inquiry import why
from events.routing.why import Outcome

SHOWN = 100
"""How many answers to “why?” are given at most."""

if TYPE_CHECKING:
    _Base = Api
else:
    _Base = object


class NoteSerializer(StrictSerializer):
    """What is said of it, for those who are told."""

    note = serializers.CharField(max_length=handling.NOTE_LIMIT, required=False, allow_blank=True)


class SilenceEventSerializer(StrictSerializer):
    """How long nobody needs to hear of that kind of event, and why."""

    duration = DurationField(required=False)
    ends_at = serializers.DateTimeField(required=False)
    reason = serializers.CharField(max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of duration and end. Raises ValidationError, by field."""
        if ("duration" in attrs) == ("ends_at" in attrs):
            raise serializers.ValidationError({"duration": ["Say either a duration or when it ends."]})
        now = timezone.now()
        ends_at = attrs["ends_at"] if "ends_at" in attrs else now + attrs["duration"]
        wrong = silencing.problem_of_times(now, ends_at)
        if wrong:
            where = "ends_at" if "ends_at" in attrs else "duration"
            raise serializers.ValidationError({where: [wrong]})
        return {**attrs, "ends_at": ends_at}


class HoldSerializer(serializers.Serializer[Any]):
    """What holds, or held, the event back as a whole."""

    kind = Word("HoldKind", ["inhibited", "muted", "silenced"])
    words = serializers.CharField()
    event = serializers.UUIDField(source="event_id", allow_null=True)
    silence = serializers.IntegerField(source="silence_id", allow_null=True)
    past = serializers.BooleanField(help_text="It does so no longer.")


class AnswerSerializer(serializers.Serializer[Any]):
    """What became of the event for one subscription, and the first clause that decided it."""

    subscription = serializers.IntegerField(
        source="subscription_id", allow_null=True, help_text="Null where it has been deleted since."
    )
    connector = serializers.IntegerField(source="connector_id", allow_null=True)
    connector_name = serializers.CharField(source="connector")
    outcome = Word("WhyOutcome", [outcome.value for outcome in Outcome])
    reason = serializers.CharField()
    misses = serializers.IntegerField(help_text="How many of its clauses do not hold.")
    delivery = serializers.UUIDField(source="told.delivery_id", allow_null=True, default=None)
    delivery_status = serializers.CharField(source="told.status", allow_null=True, default=None)


class WhySerializer(serializers.Serializer[Any]):
    """Why people were told of the event, or were not, as everything is now."""

    holds = HoldSerializer(many=True)
    answers = AnswerSerializer(many=True, help_text=f"At most {SHOWN}: those that matter first.")
    more = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many answers are left out, by outcome."
    )


class Handling(_Base):
    """What can be done with an event, and asked of it."""

    permission_of_action = {"acknowledge": "handle", "resolve": "handle", "silence": "view"}

    @extend_schema(request=NoteSerializer, filters=False)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Says that somebody is on it; those who were told hear of it. Again, it changes nothing."""
        event: Event = self.get_object()
        note = _note(request)
        self._open(event, "acknowledged")
        handling.acknowledge([event.pk], request.user.get_username(), note)
        event.refresh_from_db()
        return Response(self.get_serializer(event).data)

    @extend_schema(request=NoteSerializer, filters=False)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """Ends it by hand; those who were told hear of it. What is still so does not open again."""
        event: Event = self.get_object()
        note = _note(request)
        if not (event.status == EventStatus.RESOLVED and event.resolved_by):
            self._open(event, "resolved")
            handling.resolve([event.pk], request.user.get_username(), note)
            event.refresh_from_db()
        return Response(self.get_serializer(event).data)

    @extend_schema(request=SilenceEventSerializer, responses={201: SilenceSerializer}, filters=False)
    @action(detail=True, methods=["post"])
    def silence(self, request: Request, pk: str) -> Response:
        """Silences exactly that kind of event: the same type, of the same workload."""
        event: Event = self.get_object()
        if not request.user.has_perm("events.add_silence"):
            raise PermissionDenied("Silencing needs the permission events.add_silence.")
        asked = SilenceEventSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        silence = silencing.silence_kind(
            event, wanted["ends_at"], wanted["reason"], request.user.get_username()
        )
        return Response(SilenceSerializer(silence).data, status.HTTP_201_CREATED)

    @extend_schema(responses=WhySerializer, filters=False)
    @action(detail=True, methods=["get"])
    def why(self, request: Request, pk: str) -> Response:
        """Why people were told of it, or were not: for each subscription the first clause that decided."""
        event: Event = self.get_object()
        if not request.user.has_perm("events.view_subscription"):
            raise PermissionDenied("This tells of subscriptions and needs events.view_subscription.")
        return Response(WhySerializer(why(event, SHOWN)).data)

    def _open(self, event: Event, what: str) -> None:
        if event.status != EventStatus.FIRING:
            raise Conflict(f"Only what is open can be {what}; this event is {event.status}.")


def _note(request: Request) -> str:
    said = NoteSerializer(data=request.data)
    said.is_valid(raise_exception=True)
    return str(said.validated_data.get("note", ""))
