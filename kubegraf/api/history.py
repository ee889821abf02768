"""Who changed what in the configuration, over HTTP."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from connectors import history
from connectors.api.paging import CURSOR, FORWARD, LIMIT, Pages, Place
from connectors.api.problems import InvalidQuery
from connectors.api.query import Query
from connectors.api.rest import Word

FILTERS = ("kind", "object", "who", "source", "since", "until")
KINDS = sorted(history.kinds())
TEXT = {"type": "string", "minLength": 1}


class DifferenceSerializer(serializers.Serializer[Any]):
    """One thing that is other than before."""

    field = serializers.CharField()
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class LineSerializer(serializers.Serializer[Any]):
    """One change: who made it, where, and what is other than before. Secrets are only said to be set anew."""

    id = serializers.CharField()
    at = serializers.DateTimeField()
    kind = serializers.CharField(help_text="What it is about: connector, subscription, cluster, user, …")
    object = serializers.CharField(help_text="Its id.")
    name = serializers.CharField(help_text="Its name at that time.")
    verb = Word("HistoryVerb", ["made", "changed", "deleted"])
    who = serializers.CharField(help_text="The username; empty for a command.")
    token = serializers.CharField(help_text="The name of the API token, where it was one.")
    source = Word("HistorySource", history.Source.choices)  # type: ignore[assignment]  # hides an attribute
    changes = DifferenceSerializer(many=True)
    remark = serializers.CharField(help_text="Which secrets were set anew.")


class HistoryViewSet(viewsets.ViewSet):
    """The history of the configuration, of people and of API tokens, to read."""

    permission_classes = (IsAuthenticated,)
    pagination_class = Pages

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", str, enum=KINDS, description="What it is about."),
            OpenApiParameter("object", TEXT, description="The id of what it is about; with `kind`."),
            OpenApiParameter("who", TEXT, description="A username."),
            OpenApiParameter("source", str, enum=list(history.Source.values)),
            OpenApiParameter("since", datetime),
            OpenApiParameter("until", datetime),
        ],
        responses=LineSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """The lines asked for, the newest first."""
        visible = visible_kinds(request.user)
        if not visible:
            raise PermissionDenied("Reading the history takes a right to view it.")
        wanted, filters = _filters(request, visible)

        def look(way: str, place: Place | None, amount: int) -> tuple[builtins.list[Any], None]:
            beyond = (
                {} if place is None else {"before" if way == FORWARD else "after": history.read(place[0])}
            )
            return history.lines(wanted, limit=amount, **beyond, **filters), None

        pages = self.pagination_class()
        page = pages.page(request, "history", look, lambda entry: [history.written(history.position(*entry))])
        said = LineSerializer([told(kind, line) for kind, line in page], many=True).data
        return pages.get_paginated_response(said)


def visible_kinds(user: Any) -> list[str]:
    """The kinds whose history somebody may read."""
    return [
        kind
        for kind, model in history.kinds().items()
        if user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
    ]


def told(kind: str, line: Any) -> dict[str, Any]:
    """A line as the API gives it."""
    return {
        "id": f"{kind}-{line.history_id}",
        "at": line.history_date,
        "kind": kind,
        "object": str(getattr(line, type(line).instance_type._meta.pk.attname)),
        "name": line.object_name,
        "verb": history.verb(line),
        "who": line.who,
        "token": line.token,
        "source": line.source,
        "changes": line.changes,
        "remark": line.history_change_reason,
    }


def _filters(request: Request, visible: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Which kinds, and what else is asked of a line. Raises InvalidQuery, by parameter."""
    asked = Query(request.GET, *FILTERS, LIMIT, CURSOR)
    kind = asked.word("kind", visible)
    if "object" in asked and not kind:
        raise InvalidQuery({"object": ["Say its kind, too."]})
    filters: dict[str, Any] = {
        "object_id": asked.text("object"),
        "who": asked.text("who"),
        "source": asked.word("source", history.Source.values),
        "history_date__gte": asked.moment("since"),
        "history_date__lt": asked.moment("until"),
    }
    return [kind] if kind else visible, {name: value for name, value in filters.items() if value}
