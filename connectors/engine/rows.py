"""What is written when attempts have ended, for a whole batch at once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db import connection

from connectors import bulk, ids
from connectors.encodable import encodable
from connectors.engine import leases
from connectors.engine.leased import Leased
from connectors.models import Attempt, Delivery, DeliveryStatus


def finish(rows: Sequence[Leased], token: uuid.UUID, left: Collection[str]) -> bool:
    """Writes what became of deliveries and their attempts, if our lease still holds; whether it does.

    `left` are the deliveries of the lease that are still under way. To be called in a transaction.
    """
    # On SQLite, where a statement costs next to nothing, each has one of its own.
    together = connection.vendor == bulk.POSTGRESQL
    plain = [row for row in rows if together and _has_plainly_arrived(row)]
    others = [row for row in rows if not together or not _has_plainly_arrived(row)]
    if not (_arrived(plain, token, left) if plain else leases.keep(token, left)):
        return False
    if others:
        with connection.cursor() as cursor:
            # In the order in which everybody locks deliveries.
            cursor.executemany(_CHANGE, [_changes(row) for row in sorted(others, key=attrgetter("id"))])
    pks = ids.names(len(rows))
    bulk.insert_values(Attempt, _ATTEMPT, [_attempt(row, pk) for row, pk in zip(rows, pks, strict=True)])
    return True


def _arrived(rows: Sequence[Leased], token: uuid.UUID, left: Collection[str]) -> bool:
    """Writes, in one statement, that these have arrived, if our lease still holds; whether it does."""
    keeping, params = leases.keeping(token, left)
    with connection.cursor() as cursor:
        settled = (rows[-1].settled_at, bulk.array(row.id for row in rows))
        cursor.execute(_ARRIVED.format(keeping=keeping), (*params, *settled))
        return bool(cursor.rowcount)


# Most arrive, and there is nothing to say of it.
_ARRIVED = f"""
    WITH lease AS ({{keeping}} RETURNING token)
    UPDATE {Delivery._meta.db_table}
    SET status = '{DeliveryStatus.DELIVERED}', reason = '', note = '', remote = '{{{{}}}}', remote_url = '',
        settled_at = %s, attempt_count = attempt_count + 1
    WHERE EXISTS (SELECT FROM lease) AND id = ANY(%s::uuid[])"""  # noqa: S608 - our own names and words only

_CHANGE = f"""
    UPDATE {Delivery._meta.db_table}
    SET status = %s, reason = %s, note = %s, settled_at = %s, attempt_count = %s,
        next_attempt_at = COALESCE(%s, next_attempt_at), remote = COALESCE(%s, remote),
        remote_url = COALESCE(%s, remote_url)
    WHERE id = %s"""  # noqa: S608 - our own names only

_ATTEMPT = (
    "id", "delivery_id", "number", "started_at", "finished_at", "outcome", "reason", "error", "http_status",
    "exchanges",
)  # fmt: skip


def _has_plainly_arrived(row: Leased) -> bool:
    return row.status == DeliveryStatus.DELIVERED and not (row.remote or row.remote_url or row.note)


def _changes(row: Leased) -> list[Any]:
    """The parameters of `_CHANGE`."""
    remote = None if row.remote is None else json.dumps(row.remote)
    again, settled = _stored(row.next_attempt_at), _stored(row.settled_at)
    pk = Delivery._meta.pk.get_db_prep_value(row.id, connection)
    words = [row.status, row.reason, encodable(row.note)]
    return [*words, settled, row.attempt_count, again, remote, row.remote_url, pk]


def _attempt(row: Leased, pk: str) -> list[Any]:
    """The values of `_ATTEMPT`."""
    ended = [row.finished_at, row.outcome, row.reason, encodable(row.error), row.http_status, row.exchanges]
    return [pk, row.id, row.attempt_count, row.started_at, *ended]


def _stored(moment: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
