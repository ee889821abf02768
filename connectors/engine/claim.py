"""Which deliveries may be sent now, and leasing them.

A claim is a lease of a batch. If its sender dies, the lease runs out, `connectors.engine.quarantine` puts an
attempt that ended `unknown` on record for what it held, and the next claim takes that again: sent or not
cannot be known. Everything is sent at least once; nothing is lost.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from connectors import tally
from connectors.engine import leases, quarantine
from connectors.engine.due import WAITING, due
from connectors.engine.leased import COLUMNS, Leased
from connectors.message import Status
from connectors.models import UNSETTLED, Delivery, DeliveryStatus
from connectors.transport.drive import capacity

# What one claim takes at most: the conversations one connector has going at a time in one process.
BATCH = capacity()

_VERBS = {Status.RESOLVED: "resolves", Status.ACKNOWLEDGED: "acknowledges"}


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries leased to us under one token.

    `considered` counts the rows looked at, those included that turned out to need no sending.
    """

    token: uuid.UUID
    deliveries: Sequence[Leased] = ()
    considered: int = 0


NOTHING = Claim(uuid.UUID(int=0))


def claim(connector_id: int, limit: int = BATCH) -> Claim:
    """Leases to us up to `limit` of what is due, worst severity first and oldest first within it.

    On PostgreSQL rows that somebody else has locked, to cancel them for instance, are skipped; on SQLite the
    transaction itself is exclusive (transaction_mode IMMEDIATE).
    """
    now = timezone.now()
    with transaction.atomic():
        leases.lock(connector_id)
        sql, params = _due_sql(connection.vendor, limit)
        given = {_NOW: connection.ops.adapt_datetimefield_value(now), _CONNECTOR: connector_id}
        with connection.cursor() as cursor:
            cursor.execute(sql, [given.get(param, param) for param in params])
            rows = [Leased.of(values) for values in cursor.fetchall()]
        return _leased(connector_id, rows, now)


def claim_one(delivery: Delivery) -> Claim:
    """Leases this delivery to us, whatever its next try, unless it has settled or somebody is sending it."""
    if delivery.connector_id is None:
        return NOTHING
    now = timezone.now()
    with transaction.atomic():
        leases.lock(delivery.connector_id)
        itself = Delivery.objects.filter(pk=delivery.pk, status__in=WAITING)
        found = _as_leased(itself.exclude(pk__in=leases.taken(delivery.connector_id)))
        return _leased(delivery.connector_id, [Leased.of(values) for values in found], now)


def _leased(connector_id: int, rows: list[Leased], now: datetime) -> Claim:
    """A claim of what of these rows needs sending."""
    chosen = quarantine.apart(_without_needless(rows, now))
    if not chosen:
        return Claim(NOTHING.token, considered=len(rows))
    for row in chosen:
        row.attempt_count += 1
        row.started_at = now
    token = leases.take(connector_id, (row.id for row in chosen), now)
    return Claim(token, chosen, len(rows))


def _as_leased(candidates: QuerySet[Delivery]) -> QuerySet[Delivery, tuple[Any, ...]]:
    """The rows of `Leased`, locked."""
    return (
        candidates.order_by("-priority", "id")
        .select_for_update(skip_locked=True)
        .values_list(*COLUMNS, Cast("message", TextField()))
    )


# What stands for the moment and for the connector in a query that is put into SQL once.
_NOW, _CONNECTOR = "the moment", -(2**31)


@cache
def _due_sql(vendor: str, limit: int) -> tuple[str, tuple[Any, ...]]:
    """`due` and its parameters as SQL of the database: that takes Django longer than to have it answered."""
    moment = datetime(1, 1, 2, tzinfo=UTC)
    query = _as_leased(due(moment, _CONNECTOR))[:limit].query
    sql, params = query.sql_with_params()
    adapted = connection.ops.adapt_datetimefield_value(moment)
    return sql, tuple(_NOW if param == adapted else param for param in params)


def _without_needless(rows: list[Leased], now: datetime) -> list[Leased]:
    """Cancels what follows up what its receiver never heard of; returns the others."""
    follow_ups = [row for row in rows if row.is_follow_up]
    if not follow_ups:
        return rows
    told = set(
        Delivery.objects.filter(
            message_id__in={row.message_id for row in follow_ups}, status=DeliveryStatus.DELIVERED
        ).values_list("connector_id", "message_id")
    )
    needless: dict[uuid.UUID, str] = {
        row.id: f"What it {_VERBS[row.said().status]} never arrived."
        for row in follow_ups
        if (row.connector_id, row.message_id) not in told
    }
    for note in set(needless.values()):
        Delivery.objects.filter(pk__in=[pk for pk, its in needless.items() if its == note]).update(
            status=DeliveryStatus.CANCELLED, note=note, settled_at=now
        )
    tally.add_cancelled(row.provider for row in rows if row.id in needless)
    return [row for row in rows if row.id not in needless]


def cancel_orphans() -> None:
    """Settles what waits for a connector that is no more."""
    with transaction.atomic():
        waiting = Delivery.objects.select_for_update().filter(connector=None, status__in=UNSETTLED)
        orphans = dict(waiting.order_by().values_list("pk", "provider"))
        if orphans:
            Delivery.objects.filter(pk__in=orphans).update(
                status=DeliveryStatus.CANCELLED, note="Its connector was deleted.", settled_at=timezone.now()
            )
            tally.add_cancelled(orphans.values())
