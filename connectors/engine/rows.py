"""What claim and record write, for a whole batch at once: leases, and how attempts ended.

On PostgreSQL each is one statement, whose rows travel as arrays or as JSON. SQLite, where a statement costs
next to nothing, gets one for each row.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection
from django.db.models import F

from connectors import bulk
from connectors.encodable import encodable
from connectors.engine.leased import Leased
from connectors.models import Attempt, Delivery, DeliveryStatus, Outcome

_DELIVERY, _ATTEMPT = Delivery._meta.db_table, Attempt._meta.db_table


def lease(rows: Sequence[Leased], token: uuid.UUID, now: datetime, until: datetime) -> None:
    """Leases these deliveries and opens an attempt for each; in the caller's transaction."""
    for row in rows:
        row.attempt_count += 1
        row.started_at = now
    if connection.vendor == bulk.POSTGRESQL:
        with connection.cursor() as cursor:
            cursor.execute(_LEASE, [_array(rows, "id"), _array(rows, "attempt_id"), token, until, now])
        return
    Delivery.objects.filter(pk__in=[row.id for row in rows]).update(
        status=DeliveryStatus.SENDING,
        lease_token=token,
        lease_until=until,
        attempt_count=F("attempt_count") + 1,
    )
    Attempt.objects.bulk_create(
        Attempt(id=row.attempt_id, delivery_id=row.id, number=row.attempt_count, started_at=now)
        for row in rows
    )


def finish(rows: Sequence[Leased], token: uuid.UUID) -> set[uuid.UUID]:
    """Writes what became of deliveries and their attempts, where our lease still holds; the ids of those.

    To be called in a transaction.
    """
    if connection.vendor == bulk.POSTGRESQL:
        with connection.cursor() as cursor:
            cursor.execute(_FINISH, [_text([_ended(row) for row in rows]), token])
            return {found for (found,) in cursor.fetchall()}
    keys = [row.id for row in rows]
    ours = set(Delivery.objects.filter(pk__in=keys, lease_token=token).values_list("pk", flat=True))
    written = [row for row in rows if row.id in ours]
    with connection.cursor() as cursor:
        cursor.executemany(_FINISH_DELIVERY, [_as_stored(_of_delivery(row)) for row in written])
        cursor.executemany(_FINISH_ATTEMPT, [_as_stored(_of_attempt(row)) for row in written])
    return ours


_LEASE = f"""
    WITH given AS (SELECT * FROM unnest(%s::uuid[], %s::uuid[]) AS given (delivery_id, attempt_id)),
    leased AS (
        UPDATE {_DELIVERY} d
        SET status = '{DeliveryStatus.SENDING}', lease_token = %s, lease_until = %s,
            attempt_count = attempt_count + 1
        FROM given WHERE d.id = given.delivery_id
        RETURNING d.id, d.attempt_count, given.attempt_id
    )
    INSERT INTO {_ATTEMPT} (id, delivery_id, number, started_at, outcome, reason, error, exchanges)
    SELECT attempt_id, id, attempt_count, %s, '{Outcome.OPEN}', '', '', '[]' FROM leased"""  # noqa: S608 - our own names and words only

# Short names, for each row repeats them; what is not named is null.
_FINISH = f"""
    WITH ended AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%s::json) AS ended (
            id uuid, status text, reason text, note text, settled timestamptz, again timestamptz,
            remote jsonb, url text,
            attempt uuid, finished timestamptz, outcome text, error text, http smallint, exchanges jsonb
        )
    ),
    ours AS (
        UPDATE {_DELIVERY} d
        SET status = ended.status, reason = COALESCE(ended.reason, ''), note = COALESCE(ended.note, ''),
            settled_at = settled, next_attempt_at = COALESCE(again, next_attempt_at),
            remote = COALESCE(ended.remote, d.remote), remote_url = COALESCE(url, remote_url),
            lease_token = NULL, lease_until = NULL
        FROM ended WHERE d.id = ended.id AND d.lease_token = %s
        RETURNING d.id
    ),
    recorded AS (
        UPDATE {_ATTEMPT} a
        SET finished_at = finished, outcome = ended.outcome, reason = COALESCE(ended.reason, ''),
            error = COALESCE(ended.error, ''), http_status = http,
            exchanges = COALESCE(ended.exchanges, '[]')
        FROM ended JOIN ours USING (id) WHERE a.id = attempt
    )
    SELECT id FROM ours"""  # noqa: S608 - our own names only

_FINISH_DELIVERY = f"""
    UPDATE {_DELIVERY}
    SET status = %s, reason = %s, note = %s, settled_at = %s, next_attempt_at = COALESCE(%s, next_attempt_at),
        remote = COALESCE(%s, remote), remote_url = COALESCE(%s, remote_url),
        lease_token = NULL, lease_until = NULL
    WHERE id = %s"""  # noqa: S608 - our own names only

_FINISH_ATTEMPT = f"""
    UPDATE {_ATTEMPT}
    SET finished_at = %s, outcome = %s, reason = %s, error = %s, http_status = %s, exchanges = %s
    WHERE id = %s"""  # noqa: S608 - our own names only


def _ended(row: Leased) -> dict[str, Any]:
    """What is written of one row, by the names in `_FINISH`."""
    ended: dict[str, Any] = {
        "id": row.id,
        "status": row.status,
        "attempt": row.attempt_id,
        "finished": row.finished_at,
        "outcome": row.outcome,
        "exchanges": row.exchanges,
    }
    for name, value in (
        ("reason", row.reason),
        ("note", row.note),
        ("settled", row.settled_at),
        ("again", row.next_attempt_at),
        ("error", row.error),
        ("http", row.http_status),
    ):
        if value:
            ended[name] = value
    if row.remote is not None:
        ended["remote"], ended["url"] = row.remote, row.remote_url
    return ended


def _of_delivery(row: Leased) -> list[Any]:
    remote = None if row.remote is None else _text(row.remote)
    changed = [row.status, row.reason, row.note, row.settled_at, row.next_attempt_at]
    return [*changed, remote, row.remote_url, row.id]


def _of_attempt(row: Leased) -> list[Any]:
    exchanges = _text(row.exchanges)
    return [row.finished_at, row.outcome, row.reason, row.error, row.http_status, exchanges, row.attempt_id]


def _as_stored(values: Iterable[Any]) -> list[Any]:
    """Values as this database stores them."""
    return [
        connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else value.hex
        if isinstance(value, uuid.UUID)
        else value
        for value in values
    ]


def _array(rows: Sequence[Leased], name: str) -> str:
    """The ids of this name as PostgreSQL writes an array."""
    return "{" + ",".join([str(getattr(row, name)) for row in rows]) + "}"


def _text(value: Any) -> str:
    """Any of it as JSON."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(encodable(value))


_encoder = msgspec.json.Encoder()
