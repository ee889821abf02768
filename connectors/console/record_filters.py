"""Filters of the record's lists, whose choices cost no search through the record."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from connectors import registry, remedies
from connectors.errors import Reason
from connectors.message import Severity

RECENT = {
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last 24 hours", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}
"""What `since` may say instead of a time."""


class WhenFilter(admin.ListFilter):
    """From when to when, in UTC: `since` and `until`. `since` may be one of RECENT, too."""

    title = "time"
    template = "admin/record/when_filter.html"
    field = "created_at"

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.since, self.until = (params.pop(name, [""])[-1] for name in ("since", "until"))

    def has_output(self) -> bool:
        """Always."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Both."""
        return ["since", "until"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those between. Raises IncorrectLookupParameters for what is no time."""
        if self.since:
            queryset = queryset.filter(**{f"{self.field}__gte": beginning(self.since)})
        if self.until:
            queryset = queryset.filter(**{f"{self.field}__lt": moment_of(self.until)})
        return queryset

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Any time, the recent ones, and last what the form shows."""
        names = ["since", "until"]
        anything = changelist.get_query_string(remove=names)
        yield {"selected": not (self.since or self.until), "query_string": anything, "display": "Any time"}
        for word, (label, _) in RECENT.items():
            yield {
                "selected": self.since == word and not self.until,
                "query_string": changelist.get_query_string({"since": word}, ["until"]),
                "display": label.capitalize(),
            }
        yield {
            "form": True,
            "others": _kept(changelist, names),
            "since": _for_input(self.since),
            "until": _for_input(self.until),
        }


class OneOf(admin.SimpleListFilter):
    """By a field's value, where there are few and they are known."""

    field = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that have it."""
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


FEW = 50
"""Choices that each have a link of their own."""


class NameFilter(admin.RelatedFieldListFilter):
    """By a row that has a name: a link for each of a few, a list to choose from where there are more.

    A thousand links would be half a megabyte, and bury the filters below them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.many = len(self.lookup_choices) > FEW
        if self.many:
            self.template = "admin/record/choose_filter.html"

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Their names alone: the rest of them may take decrypting."""
        rows = field.remote_field.model._default_manager.order_by("name")
        return list(rows.values_list("pk", "name"))

    def choices(self, changelist: Any) -> Iterator[Any]:
        """A link for each, or what the form shows and what it keeps."""
        if not self.many:
            yield from super().choices(changelist)
            return
        names = self.expected_parameters()
        chosen: Any = self.lookup_val or []
        yield {
            "name": self.lookup_kwarg,
            "options": [(pk, name, str(pk) in chosen) for pk, name in self.lookup_choices],
            "others": _kept(changelist, names),
            "selected": bool(chosen or self.lookup_val_isnull),
            "without": changelist.get_query_string(remove=names),
            "none": self.include_empty_choice
            and changelist.get_query_string({self.lookup_kwarg_isnull: "True"}, [self.lookup_kwarg]),
            "none_words": capfirst(self.empty_value_display),
        }


class TypeFilter(OneOf):
    """By the connector's type, as it was then."""

    title = "type"
    parameter_name = field = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The types there are."""
        return registry.choices()


class SeverityFilter(OneOf):
    """By severity, which a delivery has as its priority."""

    title = parameter_name = "severity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Worst first."""
        return [(severity.value, severity.value.capitalize()) for severity in Severity]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that are as bad as that."""
        known = {severity.value: severity.rank for severity in Severity}
        rank = known.get(self.value() or "")
        return queryset if rank is None else queryset.filter(priority=rank)


class ReasonFilter(OneOf):
    """By why the last try failed."""

    title = field = "reason"
    parameter_name = "reason__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every reason, as people write it."""
        return [(reason.value, remedies.label(reason)) for reason in Reason]


def other_row(title: str, none: str) -> type[NameFilter]:
    """A filter by a row that others refer to, which says in words what refers to none."""

    class Named(NameFilter):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.title = title
            self.empty_value_display = SafeString(none)

    return Named


class Asked(OneOf):
    """By a value of which there are too many to choose from: shown while it is asked for."""

    words = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What is asked for."""
        value = request.GET.get(str(self.parameter_name), "")
        return [(value, self.words)] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that have it. Raises IncorrectLookupParameters for what no row could have."""
        try:
            return super().queryset(request, queryset)
        except ValidationError as error:
            raise IncorrectLookupParameters(str(error)) from None


class EventFilter(Asked):
    """What was said of one event."""

    title = parameter_name = "event"
    field = "message_id"
    words = "The chosen event"


class DigestFilter(Asked):
    """What one digest told of."""

    title = "digest"
    parameter_name = field = "sent_in"
    words = "The chosen digest"


def beginning(since: str) -> datetime:
    """What `since` says, as a moment. Raises IncorrectLookupParameters for what is no time."""
    recent = RECENT.get(since)
    return timezone.now() - recent[1] if recent else moment_of(since)


def link(address: str, **params: object) -> str:
    """The address of a list with these parameters, those that are empty left out."""
    given = {name: value for name, value in params.items() if value not in ("", None)}
    return f"{address}?{urlencode(given)}" if given else address


def moment_of(words: str) -> datetime:
    """What somebody typed as a time, in UTC unless it says otherwise. Raises IncorrectLookupParameters."""
    try:
        moment = parse_datetime(words)
        # Beyond these years there is no record, and hardly room to count in.
        if moment is not None and 1970 <= moment.year < MAXYEAR:
            return moment.astimezone(UTC) if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)
    except ValueError:
        pass
    raise IncorrectLookupParameters(f"{words!r} is no time.")


def _kept(changelist: Any, names: Collection[str | None]) -> list[tuple[str, str]]:
    """What a filter's form leaves as it is: the other filters."""
    return [
        (name, value)
        for name, values in changelist.filter_params.items()
        if name not in names
        for value in values
    ]


def _for_input(words: str) -> str:
    """As a browser's field for a time takes it."""
    if not words:
        return ""
    return beginning(words).strftime("%Y-%m-%dT%H:%M")
