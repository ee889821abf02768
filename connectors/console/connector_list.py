"""The list of connectors: what each one is, how it fares, and what waits."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.console.connector_page import share_in_words
from connectors.console.pages import ConsolePage, badge
from connectors.health import IN_STATE, State, health
from connectors.models import Connector
from connectors.moments import shown
from connectors.vitals import Vitals, vitals_of


class StateFilter(admin.SimpleListFilter):
    """By how they fare, in the words of the badges."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states that the database can tell."""
        return [(state.value, state.value.capitalize()) for state in IN_STATE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Connector]) -> QuerySet[Connector]:
        """The connectors in that state."""
        wanted = self.value()
        if wanted not in IN_STATE:
            return queryset
        return queryset.filter(pk__in=Connector.objects.filter(IN_STATE[State(wanted)]).values("pk"))


class FaringList(ConsolePage[Connector]):
    """A list whose numbers are asked for once for the whole page."""

    list_display = ("name", "type_shown", "state", "success", "waiting", "arrived_last", "enabled")
    list_per_page = 50

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, each connector with its vitals."""
        listed = super().get_changelist_instance(request)
        rows = list(listed.result_list)
        vitals = vitals_of(rows)
        for row in rows:
            row.vitals = vitals[row.pk]
        listed.result_list = rows
        return listed

    @admin.display(description="type", ordering="provider")
    def type_shown(self, connector: Connector) -> str:
        """The type's name for people."""
        return str(connector.get_provider_display())

    @admin.display(description="state")
    def state(self, connector: Connector) -> SafeString:
        """The state in a word, and in a sentence."""
        found = health(connector)
        return format_html(
            '<span>{}<span class="kg-remark">{}</span></span>', badge(found.state.value), found.words
        )

    @admin.display(description="arrived in 24 h")
    def success(self, connector: Connector) -> str:
        """The share of the last day's attempts that arrived."""
        vitals: Vitals = connector.vitals  # type: ignore[attr-defined]  # put there for the whole page
        return share_in_words(vitals.success_rate)

    @admin.display(description="waiting")
    def waiting(self, connector: Connector) -> str:
        """How many deliveries have not settled."""
        vitals: Vitals = connector.vitals  # type: ignore[attr-defined]
        return f"{vitals.waiting:,}"

    @admin.display(description="last arrived", ordering="last_success_at")
    def arrived_last(self, connector: Connector) -> SafeString | None:
        """When something arrived last."""
        return shown(connector.last_success_at) if connector.last_success_at else None
