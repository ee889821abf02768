"""Who changed what in the configuration, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from connectors import history
from connectors.filters import moment_of
from connectors.paging import limit_of
from connectors.problems import InvalidQuery
from connectors.rest import Word

FILTERS = ("kind", "object", "who", "source", "since", "until")


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


class HistoryPageSerializer(serializers.Serializer[Any]):
    """Some lines, the newest first, and where it goes on."""

    next = serializers.URLField(allow_null=True)
    results = LineSerializer(many=True)


class HistoryViewSet(viewsets.ViewSet):
    """The history of the configuration, of people and of API tokens, to read."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", str, description="What it is about."),
            OpenApiParameter("object", str, description="The id of what it is about; with `kind`."),
            OpenApiParameter("who", str, description="A username."),
            OpenApiParameter("source", str, enum=list(history.Source.values)),
            OpenApiParameter("since", datetime),
            OpenApiParameter("until", datetime),
            OpenApiParameter("limit", int),
            OpenApiParameter("cursor", str, description="From `next`."),
        ],
        responses=HistoryPageSerializer,
    )
    def list(self, request: Request) -> Response:
        """The lines asked for, the newest first."""
        visible = visible_kinds(request.user)
        if not visible:
            raise PermissionDenied("Reading the history takes a right to view it.")
        wanted, filters = _filters(request, visible)
        limit = limit_of(request)
        found = history.lines(wanted, before=_cursor(request), limit=limit + 1, **filters)
        page, more = found[:limit], found[limit:]
        following = None
        if more:
            cursor = history.written(history.position(*page[-1]))
            following = replace_query_param(request.build_absolute_uri(), "cursor", cursor)
        data = {"next": following, "results": [told(kind, line) for kind, line in page]}
        return Response(HistoryPageSerializer(data).data)


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
    asked = request.query_params
    known = {*FILTERS, "limit", "cursor"}
    if unknown := sorted(set(asked) - known):
        words = f"There is no such filter. There are: {', '.join(sorted(known))}."
        raise InvalidQuery({name: [words] for name in unknown})
    if nul := [name for name in sorted(asked) if "\0" in asked[name]]:
        raise InvalidQuery({name: ["No database takes a NUL."] for name in nul})
    kind = asked.get("kind", "")
    if kind and kind not in visible:
        raise InvalidQuery({"kind": [f"There are: {', '.join(visible)}."]})
    filters: dict[str, Any] = {}
    if "object" in asked:
        if not kind:
            raise InvalidQuery({"object": ["Say its kind, too."]})
        filters["object_id"] = asked["object"]
    if "who" in asked:
        filters["who"] = asked["who"]
    if "source" in asked:
        if asked["source"] not in history.Source.values:
            there_are = ", ".join(history.Source.values)
            raise InvalidQuery({"source": [f"There are: {there_are}."]})
        filters["source"] = asked["source"]
    for name, lookup in (("since", "history_date__gte"), ("until", "history_date__lt")):
        if name in asked:
            filters[lookup] = _moment(name, asked[name])
    return [kind] if kind else visible, filters


def _moment(name: str, text: str) -> datetime:
    try:
        return moment_of(text)
    except ValueError as error:
        raise InvalidQuery({name: [str(error)]}) from None


def _cursor(request: Request) -> history.Position | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        return history.read(text)
    except ValueError:
        raise InvalidQuery({"cursor": ["This is not from `next`."]}) from None
