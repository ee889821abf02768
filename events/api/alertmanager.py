"""Where Prometheus' Alertmanager sends its alerts: the address of a receiver of its `webhook_configs`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from itertools import islice
from typing import IO, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.problems import InvalidQuery
from connectors.api.query import Query
from connectors.api.rest import Api, whole
from events import external
from events.external import Taken
from events.models import Event
from events.sources import alertmanager

logger = logging.getLogger(__name__)

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes. A notification has all alerts of a group, and in a storm these are many."""

AT_A_TIME = 1000
"""Alerts that are written in one transaction."""

_BODY = {
    "type": "object",
    "description": "What Alertmanager sends. No alert is refused: `remarks` among the details of its event"
    " say what was wrong with it.",
    "properties": {
        "version": {"type": "string", "enum": [alertmanager.VERSION]},
        "alerts": {
            "type": "array",
            "minItems": 1,
            "items": {
                "description": "An object with `status`, `labels`, `annotations`, `startsAt`, `endsAt`,"
                " `generatorURL` and `fingerprint`."
            },
        },
        "status": {"description": "firing or resolved: of an alert that does not say it itself."},
        "receiver": {"description": "The name of the receiver."},
        "externalURL": {"description": "The address of Alertmanager."},
        "truncatedAlerts": {"description": "How many alerts were left out, by `max_alerts`."},
    },
    "required": ["version", "alerts"],
    "additionalProperties": True,
}


class NotificationParser(BaseParser):
    """JSON in which there may be what cannot be kept: one character of one alert must not cost the others."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body. Raises ParseError and TooLarge."""
        body = whole(stream, LARGEST_BODY)
        try:
            return json.loads(body.decode("utf-8-sig", "replace"))
        except json.JSONDecodeError as error:
            words = f"This is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
            raise ParseError(words) from None
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except ValueError:
            raise ParseError("This is not JSON: a number is too long.") from None  # see int_max_str_digits


class TakenSerializer(serializers.Serializer[Taken]):
    """What came of a notification's alerts."""

    opened = serializers.IntegerField(help_text="Events that were not open before.")
    updated = serializers.IntegerField(help_text="Events that were open already.")
    resolved = serializers.IntegerField(help_text="Events that are over now.")
    not_open = serializers.IntegerField(help_text="Alerts that are over, and of which no event was open.")


class AlertmanagerViewSet(Api):
    """Where Prometheus' Alertmanager reports its alerts."""

    queryset = Event.objects.none()
    serializer_class = TakenSerializer
    parser_classes = (NotificationParser,)
    ingest = ("create",)

    @extend_schema(
        operation_id="v1_ingest_alertmanager",
        request={"application/json": _BODY},
        responses={200: TakenSerializer},
        parameters=[
            OpenApiParameter(
                "cluster",
                {"type": "string", "minLength": 1, "maxLength": alertmanager.LONGEST_CLUSTER},
                description="The cluster of alerts that have no label `cluster`.",
            )
        ],
        filters=False,
    )
    def create(self, request: Request) -> Response:
        """Takes a notification: each alert that fires is an open event, until it is resolved."""
        cluster = Query(request.GET, "cluster").text("cluster")
        if len(cluster) > alertmanager.LONGEST_CLUSTER:
            words = f"This may have at most {alertmanager.LONGEST_CLUSTER} characters."
            raise InvalidQuery({"cluster": [words]})
        try:
            notification = alertmanager.read(request.data)
        except alertmanager.NotANotification as error:
            raise serializers.ValidationError({error.place: [str(error)]}) from None
        if notification.truncated:
            logger.warning(
                "Alertmanager has left out %d more alerts for the receiver %s: see its max_alerts",
                notification.truncated,
                notification.receiver,
            )
        return Response(TakenSerializer(_take(notification, cluster)).data)


def _take(notification: alertmanager.Notification, cluster: str) -> Taken:
    """Writes all of it, a few transactions at most. Sent again after one of them failed, it is the same."""
    reports, taken = alertmanager.reports(notification, cluster), Taken()
    while some := list(islice(reports, AT_A_TIME)):
        taken += external.report_all(some)
    return taken
