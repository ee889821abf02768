"""Addresses of the console's lists of deliveries, filtered: every figure leads to what it counts."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from connectors.models import UNSETTLED


def deliveries(
    since: datetime | None = None,
    status: str = "",
    until: datetime | None = None,
    *,
    connector_id: int | None = None,
) -> str:
    """The list of deliveries that were written since then, and have come to this; of a connector, or all."""
    query = {} if connector_id is None else {"connector__id__exact": str(connector_id)}
    if since is not None:
        query["since"] = since.isoformat(timespec="seconds")
    if until is not None:
        query["until"] = until.isoformat(timespec="seconds")
    if status:
        query["status__exact"] = status
    return _list("delivery", query)


def waiting(connector_id: int | None = None) -> str:
    """The list of deliveries that have not settled; of a connector, or all."""
    query = {} if connector_id is None else {"connector__id__exact": str(connector_id)}
    return _list("delivery", {**query, "status__in": ",".join(UNSETTLED)})


def dead_letters(since: datetime) -> str:
    """The list of those that were written since then and have failed for good."""
    return _list("deadletter", {"since": since.isoformat(timespec="seconds")})


def connector(pk: int) -> str:
    """The page of a connector."""
    return reverse("admin:connectors_connector_change", args=(pk,))


def _list(model: str, query: dict[str, str]) -> str:
    return f"{reverse(f'admin:connectors_{model}_changelist')}?{urlencode(query)}"
