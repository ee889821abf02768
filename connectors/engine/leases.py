"""Leases: who is sending which deliveries, so that nobody else takes them meanwhile.

A lease that runs out stays until `connectors.engine.quarantine` buries its dead sender; so what stands in a
lease is taken, however old that is, and what stands in none is free.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models.expressions import RawSQL
from django.utils import timezone

from connectors import bulk, ids
from connectors.models import Lease

LENGTH = timedelta(seconds=settings.LEASE_SECONDS)
"""Longer than any conversation: each of its requests has a total time-out, and `drive` bounds the whole."""

LOCK = "SELECT pg_advisory_xact_lock(%s, %s)"
"""The statement behind `lock`, with `lock_of` for its parameters."""

_LOCKS = 0x6B67  # our own among PostgreSQL's advisory locks


def lock(connector_id: int) -> None:
    """Has one transaction at a time decide what of a connector is taken; until the end of the caller's.

    Whoever comes later sees the lease that was written. On SQLite a transaction that writes is alone anyway.
    """
    if connection.vendor == bulk.POSTGRESQL:
        with connection.cursor() as cursor:
            cursor.execute(LOCK, lock_of(connector_id))


def lock_of(connector_id: int) -> tuple[int, int]:
    """The name of a connector's lock."""
    return _LOCKS, connector_id % 2**31


def clock() -> datetime:
    """What time it is for leases: by the clock of the database, for that of one of the machines may be wrong.

    Whoever shares a file of SQLite's is on one machine.
    """
    if connection.vendor != bulk.POSTGRESQL:
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {MOMENT}")
        moment: datetime = cursor.fetchone()[0]
        return moment


MOMENT = "statement_timestamp()"
"""The same in SQL of PostgreSQL's."""


def take(connector_id: int, deliveries: Iterable[str], now: datetime) -> uuid.UUID:
    """Leases these to the caller from now on, by `clock`; the token to give them back with."""
    token = ids.uuid7()
    held = [token, connector_id, now, now + LENGTH, list(deliveries)]
    bulk.insert_values(Lease, ("token", "connector_id", "began_at", "until", "deliveries"), [held])
    return token


def keep(token: uuid.UUID, deliveries: Collection[str]) -> bool:
    """Gives back all of a lease but these; whether it was still ours."""
    with connection.cursor() as cursor:  # past the ORM: this is asked once for each batch
        cursor.execute(*keeping(token, deliveries))
        return bool(cursor.rowcount)


def keeping(token: uuid.UUID, deliveries: Collection[str]) -> tuple[str, list[Any]]:
    """The statement behind `keep` and its parameters. It changes one row, or none if it is not ours."""
    if deliveries:
        return _KEEP, [json.dumps(list(deliveries)), token.hex]
    return _END, [token.hex]


def taken(connector_id: int | None = None) -> RawSQL:
    """The ids that stand in a lease, of one connector or of all, for use in a filter.

    It tells the truth of its moment: who is to rely on it has the connector's `lock`, or asks for `holders`
    once the rows are locked.
    """
    where, params = ("", ()) if connector_id is None else ("WHERE held.connector_id = %s", (connector_id,))
    return RawSQL(_TAKEN[connection.vendor].format(where), params)  # noqa: S611 - our own words only


def holders(deliveries: Iterable[uuid.UUID]) -> dict[uuid.UUID, Lease]:
    """The lease of each of these that stands in one.

    For deliveries whose rows the caller has locked this holds until the end of the transaction.
    """
    asked = {str(pk): pk for pk in deliveries}
    return {
        asked[name]: held
        for held in (Lease.objects.all() if asked else ())
        for name in asked.keys() & set(held.deliveries)
    }


_END = f"DELETE FROM {Lease._meta.db_table} WHERE token = %s"  # noqa: S608 - our own name only
_KEEP = f"UPDATE {Lease._meta.db_table} SET deliveries = %s WHERE token = %s"  # noqa: S608 - as above

_TAKEN = {
    "postgresql": "SELECT jsonb_array_elements_text(held.deliveries)::uuid FROM connectors_lease held {}",
    "sqlite": (
        "SELECT replace(each.value, '-', '') FROM connectors_lease held, json_each(held.deliveries) each {}"
    ),
}
