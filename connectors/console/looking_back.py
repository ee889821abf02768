"""Lists of a long record that answer at once, whatever they are asked for.

Some questions an index answers: the latest, those of a state, of a connector, of an event. For any other (a
word in a title, a rare reason) the whole record would have to be read. Such a list looks through the latest
of it only, says how far back that goes, and offers to look further.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib.admin.views.main import IGNORED_PARAMS, ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from connectors import ids
from connectors.console.pages import M, RecordPage

if TYPE_CHECKING:  # the theme's own classes have no types; they are Django's, looking otherwise
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

AT_ONCE = 10_000
"""Rows that are looked through for what no index finds: tens of milliseconds."""


class LookingBack(ChangeList):
    """The list of a LookingBackPage."""

    looked_back_to: datetime | None = None
    """How far back was looked; None where everything was."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """The rows asked for, among the latest where they would take long to find."""
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        page = cast("LookingBackPage[Any]", self.model_admin)
        asked = set(self.filter_params) - set(IGNORED_PARAMS)
        searched = bool(self.query) and ids.parsed(self.query) is None
        self.looked_back_to = None
        resorted = page.resorts and ORDER_VAR in self.params
        if asked & page.narrow or not (searched or resorted or asked - page.quick):
            return found
        latest = self.root_queryset
        for spec in self.filter_specs:
            if set(spec.expected_parameters()) <= page.quick:
                narrower = spec.queryset(request, latest)
                latest = latest if narrower is None else narrower
        times = latest.order_by(f"-{page.when}").values_list(page.when, flat=True)
        self.looked_back_to = next(iter(times[AT_ONCE : AT_ONCE + 1]), None)
        if self.looked_back_to is None:
            return found
        return found.filter(**{f"{page.when}__gte": self.looked_back_to})

    def get_results(self, request: HttpRequest) -> None:
        """The page's rows. How many there are stands below them, and nowhere else."""
        super().get_results(request)
        if not self.result_count:
            self.result_list = self.queryset.none()  # else what was found to be empty is searched once more
        self.full_result_count = self.result_count

    @property
    def further_back(self) -> str:
        """The query string of the same list, looking through what is older."""
        until = self.looked_back_to.isoformat() if self.looked_back_to else None
        return str(self.get_query_string({"until": until}))


class LookingBackPage(RecordPage[M]):
    """A page of a long record, which says which questions about it are quick.

    `when` is the field by which the record is ordered, `quick` the parameters whose filters have an index
    together with that field, `narrow` those that leave but a few rows. With `resorts` its list can be put
    into an order that no index has.
    """

    when: ClassVar[str]
    quick: ClassVar[frozenset[str]]
    narrow: ClassVar[frozenset[str]]
    resorts: ClassVar[bool] = False
    list_after_template = "admin/record/looked_back.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """A list that does not read the whole record."""
        return LookingBack

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With how much is looked through at once."""
        return super().changelist_view(request, {"at_once": AT_ONCE, **(extra_context or {})})

    def with_id(self, rows: QuerySet[M], asked: uuid.UUID) -> QuerySet[M]:
        """Those of the rows that this id is about."""
        return rows.filter(pk=asked)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """By id, which an index finds, or by words."""
        asked = ids.parsed(search_term)
        if asked is not None:
            return self.with_id(queryset, asked), False
        return super().get_search_results(request, queryset, search_term)
