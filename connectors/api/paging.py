"""Pages of a collection, each found from the last row of the one before: as fast at the end as at the start.

Nothing is counted, and what is added or deleted meanwhile neither repeats a row nor skips one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.core import signing
from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from connectors.api.problems import InvalidQuery
from connectors.api.stretches import AT_ONCE, Stretches
from connectors.message import JSONDict

LIMIT = "limit"
CURSOR = "cursor"
FORWARD, BACK = "after", "before"

Place = list[Any]
"""Where a row stands in its list, as JSON has it."""
Look = Callable[[str, Place | None, int], tuple[list[Any], Place | None]]


class Pages(BasePagination):
    """`?limit=`, and a cursor that nobody need understand: it comes with the links to the pages beside.

    A view's `order` names the columns that its rows are ordered by, a minus in front for descending. They
    are never null, and together unique. What is no single table is paged by `page`. Where a view has
    `stretches` and is asked for what no index finds, a page may have fewer rows than there is room for, or
    none, and lead on all the same.
    """

    default_limit = 50
    max_limit = 500

    def paginate_queryset(  # type: ignore[override]  # a list has no columns to go by
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """The rows of the page asked for. Raises InvalidQuery and NotFound."""
        order: tuple[str, ...] = getattr(view, "order", ("pk",))

        listing: Any = view
        stretches: Stretches | None = getattr(view, "stretches", None)
        record = stretches.of(request, listing) if stretches else None

        def look(way: str, place: Place | None, amount: int) -> tuple[list[Any], Place | None]:
            directed = order if way == FORWARD else tuple(map(_reversed, order))
            rows, edge = queryset, None
            if place is not None:
                rows = rows.filter(_beyond(directed, place))
            if record is not None:
                beyond = record if place is None else record.filter(_beyond(directed, place))
                ends = beyond.order_by(*directed).only(*(name.lstrip("-") for name in order))
                edges = [place_of(row) for row in ends[AT_ONCE - 1 : AT_ONCE + 1]]
                if len(edges) == 2:
                    edge, outside = edges
                    rows = rows.filter(_beyond(tuple(map(_reversed, directed)), outside))
            return list(rows.order_by(*directed)[:amount]), edge

        def place_of(row: Model) -> Place:
            return [_field(row, name).value_to_string(row) for name in order]

        what = f"{queryset.model._meta.label_lower}:{','.join(order)}"
        return self.page(request, what, look, place_of, has_end=True)

    def page(
        self,
        request: Request,
        what: str,
        look: Look,
        place_of: Callable[[Any], Place],
        *,
        has_end: bool = False,
    ) -> list[Any]:
        """The rows of the page asked for. Raises InvalidQuery and NotFound.

        `what` tells one list from another, whose cursors are none of this one. `look` finds so many rows
        beyond a place, FORWARD or BACK, the nearest first, and says where it stopped looking if that was
        before the end; `place_of` says where a row stands. Where the list `has_end`, BACK from no place finds
        the last rows, so that an empty page leads back as well.
        """
        salt = f"{__name__}:{what}"
        limit, cursor = self._limit(request), self._cursor(request, salt)
        way, place = cursor or (FORWARD, None)
        rows, edge = look(way, place, limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        ahead = place_of(rows[-1]) if more else edge
        nowhere: Place | None = [] if has_end else None
        behind = (place_of(rows[0]) if rows else edge or nowhere) if cursor else None

        def link(way: str, place: Place | None) -> str | None:
            if place is None:
                return None
            sealed = signing.dumps([way, *place], salt=salt, compress=True)
            return replace_query_param(request.build_absolute_uri(), CURSOR, sealed)

        if way == BACK:
            rows.reverse()
            ahead, behind = behind, ahead
        self._next, self._previous = link(FORWARD, ahead), link(BACK, behind)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """The page with the links to those beside it."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def get_paginated_response_schema(self, schema: JSONDict) -> JSONDict:
        """The same for the OpenAPI description."""
        link = {"type": "string", "nullable": True, "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "description": "The page after this one; null on the last."},
                "previous": {**link, "description": "The page before this one; null on the first."},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[JSONDict]:
        """The parameters for the OpenAPI description."""
        return [
            {
                "name": LIMIT,
                "in": "query",
                "required": False,
                "description": "Rows in a page.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": self.max_limit,
                    "default": self.default_limit,
                },
            },
            {
                "name": CURSOR,
                "in": "query",
                "required": False,
                "description": "Where the page begins: taken from `next` or `previous`, not made up.",
                "schema": {"type": "string", "minLength": 1},
            },
        ]

    def _limit(self, request: Request) -> int:
        text = request.query_params.get(LIMIT, str(self.default_limit))
        if text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= self.max_limit:
            return int(text)
        raise InvalidQuery({LIMIT: [f"This must be a number from 1 to {self.max_limit}."]})

    def _cursor(self, request: Request, salt: str) -> tuple[str, Place | None] | None:
        text = request.query_params.get(CURSOR)
        if text is None:
            return None
        try:
            way, *values = signing.loads(text, salt=salt)
        except signing.BadSignature:
            raise NotFound(
                "There is no such page of this list. Leave the cursor out to begin at the first."
            ) from None
        return way, values or None


def _field(row: Model, name: str) -> Any:
    bare = name.lstrip("-")
    return row._meta.pk if bare == "pk" else row._meta.get_field(bare)


def _reversed(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _beyond(order: Sequence[str], values: Sequence[Any]) -> Q:
    """What comes after a row in that order, given the row's values of it.

    The first column is bounded on its own, too, by which a database finds the place in that column's index.
    """
    names = [name.lstrip("-") for name in order]
    steps = ["lt" if name.startswith("-") else "gt" for name in order]
    ways = (
        Q(**dict(zip(names[:place], values[:place], strict=True)))
        & Q(**{f"{name}__{steps[place]}": values[place]})
        for place, name in enumerate(names)
    )
    return Q(**{f"{names[0]}__{steps[0]}e": values[0]}) & reduce(or_, ways)
