"""Pages of a collection, each found from the last row of the one before: as fast at the end as at the start.

Nothing is counted, and what is added or deleted meanwhile neither repeats a row nor skips one.
"""

from __future__ import annotations

from collections.abc import Sequence
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

from connectors.message import JSONDict
from connectors.problems import InvalidQuery

LIMIT = "limit"
CURSOR = "cursor"
FORWARD, BACK = "after", "before"


class Pages(BasePagination):
    """`?limit=`, and a cursor that nobody need understand: it comes with the links to the pages beside.

    A view's `order` names the columns that its rows are ordered by, a minus in front for descending. They
    are never null, and together unique.
    """

    default_limit = 50
    max_limit = 500

    def paginate_queryset(  # type: ignore[override]  # a list has no columns to go by
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """The rows of the page asked for. Raises InvalidQuery and NotFound."""
        order: tuple[str, ...] = getattr(view, "order", ("pk",))
        salt = f"{__name__}:{queryset.model._meta.label_lower}:{','.join(order)}"
        limit, cursor = limit_of(request), self._cursor(request, salt)
        way, values = cursor or (FORWARD, None)
        directed = order if way == FORWARD else tuple(map(_reversed, order))
        if values is not None:
            queryset = queryset.filter(_beyond(directed, values))
        rows = list(queryset.order_by(*directed)[: limit + 1])
        more, rows = len(rows) > limit, rows[:limit]
        if way == BACK:
            rows.reverse()
        self._url, self._salt, self._order = request.build_absolute_uri(), salt, order
        self._next = self._link(FORWARD, rows[-1:]) if more or way == BACK else None
        self._previous = self._link(BACK, rows[:1]) if (more if way == BACK else cursor) else None
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
                "schema": {"type": "string"},
            },
        ]

    def _cursor(self, request: Request, salt: str) -> tuple[str, list[Any]] | None:
        text = request.query_params.get(CURSOR)
        if text is None:
            return None
        try:
            way, *values = signing.loads(text, salt=salt)
        except signing.BadSignature:
            raise NotFound(
                "There is no such page of this list. Leave the cursor out to begin at the first."
            ) from None
        return way, values

    def _link(self, way: str, rows: Sequence[Model]) -> str | None:
        """The address of the page beside one that ends, or begins, with that row."""
        if not rows:
            return None
        fields = [_field(rows[0], name) for name in self._order]
        values = [field.value_to_string(rows[0]) for field in fields]
        cursor = signing.dumps([way, *values], salt=self._salt, compress=True)
        return replace_query_param(self._url, CURSOR, cursor)


def limit_of(request: Request) -> int:
    """How many rows a page is to have. Raises InvalidQuery."""
    text = request.query_params.get(LIMIT, str(Pages.default_limit))
    if text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= Pages.max_limit:
        return int(text)
    raise InvalidQuery({LIMIT: [f"This must be a number from 1 to {Pages.max_limit}."]})


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
