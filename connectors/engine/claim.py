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
from typing import Any, TypeAlias

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors import bulk, ids, tally
from connectors.engine import leases, quarantine
from connectors.engine.due import WAITING, due
from connectors.engine.leased import COLUMNS, Leased
from connectors.errors import Reason
from connectors.message import Status
from connectors.models import UNSETTLED, Delivery, DeliveryStatus, Lease
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
    sql, params = _due_sql(connection.vendor, limit)
    given = {_NOW: connection.ops.adapt_datetimefield_value(now), _CONNECTOR: connector_id}
    asked = sql, [given.get(param, param) for param in params]
    if connection.vendor == bulk.POSTGRESQL:
        return _claimed(*_lease_at_once(connector_id, asked), now)
    return _claimed(*_lease_in_steps(connector_id, asked, now), now)


def claim_one(delivery: Delivery) -> Claim:
    """Leases this delivery to us, whatever its next try, unless it has settled or somebody is sending it."""
    if delivery.connector_id is None:
        return NOTHING
    now = timezone.now()
    with transaction.atomic():
        leases.lock(delivery.connector_id)
        itself = Delivery.objects.filter(pk=delivery.pk, status__in=WAITING)
        found = _as_leased(itself.exclude(pk__in=leases.taken(delivery.connector_id)))
        leased = _lease(delivery.connector_id, [Leased.of(values) for values in found], leases.clock())
    return _claimed(*leased, now)


def _claimed(rows: list[Leased], token: uuid.UUID, now: datetime) -> Claim:
    """A claim of what of these rows, which are leased to us, needs sending; the others are given back."""
    chosen = rows
    if any(row.is_follow_up or row.reason == Reason.UNKNOWN for row in rows):
        with transaction.atomic():
            chosen = quarantine.apart(_without_needless(rows, now))
            if len(chosen) < len(rows) and not leases.keep(token, [row.id for row in chosen]):
                chosen = []  # we have been taken for dead
    for row in chosen:
        row.attempt_count += 1
        row.started_at = now
    return Claim(token, chosen, len(rows)) if chosen else Claim(NOTHING.token, considered=len(rows))


_Asked: TypeAlias = tuple[str, Sequence[Any]]
"""A query and its parameters."""


def _lease(connector_id: int, rows: list[Leased], now: datetime) -> tuple[list[Leased], uuid.UUID]:
    """Leases these, if there are any; they and the token."""
    return rows, leases.take(connector_id, [row.id for row in rows], now) if rows else NOTHING.token


def _lease_in_steps(connector_id: int, asked: _Asked, now: datetime) -> tuple[list[Leased], uuid.UUID]:
    """On SQLite: finds and leases."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(*asked)
        return _lease(connector_id, [Leased.of(values) for values in cursor.fetchall()], now)


def _lease_at_once(connector_id: int, asked: _Asked) -> tuple[list[Leased], uuid.UUID]:
    """On PostgreSQL: locks, finds and leases in one go, for which it is asked once instead of six times.

    Outside of a transaction the two statements are one of their own. The second sees what was written until
    the first had the lock. That the lease is on the disk has to be waited for: without it, what was in flight
    in a power cut would be sent again with nothing on record of the first time.
    """
    token = ids.uuid7()
    sql, params = asked
    lease = (token.hex, connector_id, leases.LENGTH.total_seconds())
    with connection.cursor() as cursor:
        both = f"{leases.LOCK}; {_LEASED.format(due=sql)}"
        cursor.execute(both, (*leases.lock_of(connector_id), *params, *lease))
        cursor.nextset()
        return [Leased.of(values) for values in cursor.fetchall()], token


# What has been locked in its order is read in that order.
_LEASED = f"""
    WITH due (id) AS ({{due}}), lease AS (
        INSERT INTO {Lease._meta.db_table} (token, connector_id, began_at, until, deliveries)
        SELECT %s, %s, {leases.MOMENT}, {leases.MOMENT} + make_interval(secs => %s), jsonb_agg(id)
        FROM due HAVING count(*) > 0
    )
    SELECT * FROM due"""  # noqa: S608 - our own name only


def _as_leased(candidates: QuerySet[Delivery]) -> QuerySet[Delivery, tuple[Any, ...]]:
    """The rows of `Leased`, locked."""
    return candidates.order_by("-priority", "id").select_for_update(skip_locked=True).values_list(*COLUMNS)


# What stands for the moment and for the connector in a query that is put into SQL once.
_NOW, _CONNECTOR = "the moment", -(2**31)


@cache
def _due_sql(vendor: str, limit: int) -> tuple[str, tuple[Any, ...]]:
    """`due` and its parameters as SQL of the database: that takes Django longer than to have it answered."""
    moment = datetime(1, 1, 2, tzinfo=UTC)
    query = _as_leased(due(moment, _CONNECTOR))[:limit].query
    with transaction.atomic():  # or Django refuses to put FOR UPDATE into words
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
    needless = {
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
    """Settles what waits for a connector that is no more. What is still being sent ends as it ends."""
    with transaction.atomic():
        waiting = Delivery.objects.filter(connector=None, status__in=UNSETTLED).exclude(pk__in=leases.taken())
        orphans = dict(waiting.order_by("pk").select_for_update().values_list("pk", "provider"))
        if orphans:
            Delivery.objects.filter(pk__in=orphans).update(
                status=DeliveryStatus.CANCELLED, note="Its connector was deleted.", settled_at=timezone.now()
            )
            tally.add_cancelled(orphans.values())
