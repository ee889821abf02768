"""Filters of the list of events, whose choices cost no search through them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from connectors.console.record_filters import Asked, OneOf, WhenFilter
from events import catalog, handling
from events.models import Event

_ID = re.compile("[0-9]{1,18}")


class SeenFilter(WhenFilter):
    """By when it was first seen."""

    field = "first_seen"


class EventTypeFilter(OneOf):
    """By event type."""

    title = "event type"
    parameter_name = field = "event_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The types there are."""
        return [(name, name) for name in catalog.EVENT_TYPES]


class AttentionFilter(admin.SimpleListFilter):
    """By whether somebody is on it, and whether anybody was told."""

    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What there is to choose from."""
        return [
            ("needed", "Open, nobody on it"),
            ("acknowledged", "Acknowledged"),
            ("silenced", "Silenced"),
            ("by_hand", "Resolved by hand"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """The events that are so."""
        wanted = handling.ATTENTION.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


class NamespaceFilter(admin.ListFilter):
    """By namespace, typed in: there may be thousands."""

    title = "namespace"
    template = "admin/events/event/namespace_filter.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.namespace = params.pop("namespace")[-1].strip() if "namespace" in params else ""

    def has_output(self) -> bool:
        """Always."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """The one."""
        return ["namespace"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """The events in that namespace."""
        return queryset.filter(namespace=self.namespace) if self.namespace else queryset

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """What the form shows, and what it keeps."""
        others = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name != "namespace"
            for value in values
        ]
        yield {
            "value": self.namespace,
            "others": others,
            "selected": bool(self.namespace),
            "without": changelist.get_query_string(remove=["namespace"]),
        }


class SilenceFilter(Asked):
    """What one silence held back."""

    title = parameter_name = "silence"
    field = "silence_id"
    words = "The chosen silence"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Those that it held back; none for what is no number."""
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(silence_id=int(value)) if _ID.fullmatch(value) else queryset.none()
