"""Deliveries as CSV, line by line, so that a hundred thousand take no more memory than one."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from typing import Any

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from connectors import text
from connectors.message import iso
from connectors.models import Delivery

AT_MOST = 50_000
"""Deliveries in one file, the latest."""
CONTENT_TYPE = "text/csv; charset=utf-8"

_BATCH = 500
# What a spreadsheet takes for the beginning of a formula, full width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

COLUMNS = (
    "id", "created_at", "status", "reason", "note", "connector", "type", "event", "event_type", "severity",
    "title", "cluster", "namespace", "resource", "attempts", "next_attempt_at", "settled_at", "remote_url",
    "sent_in",
)  # fmt: skip
_OF_MESSAGE = frozenset(("event_type", "severity", "title", "cluster", "namespace", "resource"))


def download(deliveries: QuerySet[Delivery]) -> StreamingHttpResponse:
    """The file, for a browser to save."""
    name = f"deliveries-{timezone.now():%Y%m%d-%H%M%S}.csv"
    return StreamingHttpResponse(
        lines(deliveries),
        content_type=CONTENT_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Accel-Buffering": "no"},
    )


def lines(deliveries: QuerySet[Delivery], at_most: int = AT_MOST) -> Iterator[str]:
    """A line of column names, and one for each of these deliveries, the latest first.

    Read in batches, each by a query of its own, so that no transaction stays open while a client is slow.
    """
    yield _line(COLUMNS)
    last: tuple[datetime, uuid.UUID] | None = None
    left = at_most
    while left > 0:
        batch = _after(deliveries, last, min(left, _BATCH))
        for delivery in batch:
            yield _line([_cell(delivery, column) for column in COLUMNS])
        if len(batch) < _BATCH:
            return
        left -= len(batch)
        last = (batch[-1].created_at, batch[-1].pk)


def safe(value: str) -> str:
    """A cell that no spreadsheet takes for a formula, and without what no file should hold."""
    value = text.clean(value)
    return f"'{value}" if value.startswith(_FORMULA) else value


def _after(
    deliveries: QuerySet[Delivery], last: tuple[datetime, uuid.UUID] | None, count: int
) -> list[Delivery]:
    rows = deliveries.select_related(None).order_by("-created_at", "-pk")
    if last is not None:
        moment, pk = last
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=pk), created_at__lte=moment)
    return list(rows[:count])


def _cell(delivery: Delivery, column: str) -> str:
    if column in _OF_MESSAGE:
        value: Any = delivery.says(column)
    else:
        value = getattr(delivery, _ATTRIBUTE.get(column, column))
    if isinstance(value, datetime):
        return iso(value)
    return "" if value is None else safe(str(value))


_ATTRIBUTE = {
    "connector": "connector_name",
    "type": "provider",
    "event": "message_id",
    "attempts": "attempt_count",
    "sent_in": "sent_in_id",
}


def _line(cells: Any) -> str:
    written = StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
