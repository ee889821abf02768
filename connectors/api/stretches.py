"""Pages of a long record that look through a stretch of it, where no index finds what is asked for.

Whoever lists all deliveries of a namespace would have the whole record read for a page, were they rare. So a
page looks through a bounded stretch only, and its `next` goes on where that ended, be the page full or empty.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request

AT_ONCE = 10_000
"""Rows that are looked through for one page: tens of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """How the filters of a list are answered.

    `slow` are those that no index answers; `few` leave but a few rows, whatever else is asked; `leading` have
    an index together with the list's order, for one value, and `bounds` are of the order itself.
    """

    slow: Collection[str]
    few: Collection[str] = ()
    leading: Collection[str] = ()
    bounds: Collection[str] = ("since", "until")

    def of(self, request: Request, view: Any) -> QuerySet[Any] | None:
        """The rows of which a page looks through a stretch; None where it finds its own by an index."""
        asked = request.query_params
        if not set(asked) & set(self.slow) or set(asked) & set(self.few):
            return None
        leads = next((name for name in self.leading if len(asked.getlist(name)) == 1), None)
        narrowed = asked.copy()
        for name in set(narrowed) - {leads, *self.bounds}:
            del narrowed[name]
        rows: QuerySet[Any] = view.filterset_class(narrowed, view.get_queryset(), request=request).qs
        return rows
