"""What claim and record write, for a whole batch at once: leases, and how attempts ended."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import F

from connectors import bulk
from connectors.models import Attempt, Delivery, DeliveryStatus

_DELIVERY_FIELDS = (
    "status",
    "next_attempt_at",
    "lease_until",
    "lease_token",
    "remote",
    "remote_url",
    "reason",
    "note",
    "settled_at",
)
_ATTEMPT_FIELDS = ("finished_at", "outcome", "reason", "error", "http_status", "exchanges")


def lease(attempts: Sequence[Attempt], token: uuid.UUID, until: datetime) -> None:
    """Leases the deliveries of these new attempts, and inserts the attempts; both in one transaction."""
    Delivery.objects.filter(pk__in=[attempt.delivery_id for attempt in attempts]).update(
        status=DeliveryStatus.SENDING,
        lease_token=token,
        lease_until=until,
        attempt_count=F("attempt_count") + 1,
    )
    bulk.insert(attempts)


def finish(ended: Sequence[tuple[Delivery, Attempt]], token: uuid.UUID) -> set[uuid.UUID]:
    """Writes what became of deliveries and their attempts, where our lease still holds; the ids of those.

    To be called in a transaction.
    """
    if connection.vendor == bulk.POSTGRESQL:
        return _finish_at_once(ended, token)
    keys = [delivery.pk for delivery, _ in ended]
    ours = set(Delivery.objects.filter(pk__in=keys, lease_token=token).values_list("pk", flat=True))
    written = [(delivery, attempt) for delivery, attempt in ended if delivery.pk in ours]
    _update_each(Delivery, _DELIVERY_FIELDS, [delivery for delivery, _ in written])
    _update_each(Attempt, _ATTEMPT_FIELDS, [attempt for _, attempt in written])
    return ours


def _finish_at_once(ended: Sequence[tuple[Delivery, Attempt]], token: uuid.UUID) -> set[uuid.UUID]:
    of_delivery = bulk.fields_of(Delivery, ("id", *_DELIVERY_FIELDS))
    of_attempt = bulk.fields_of(Attempt, ("id", *_ATTEMPT_FIELDS))
    set_delivery = ", ".join(f"{field.column} = d_{field.column}" for field in of_delivery[1:])
    set_attempt = ", ".join(f"{field.column} = a_{field.column}" for field in of_attempt[1:])
    statement = f"""
        WITH ended AS MATERIALIZED (
            SELECT * FROM {bulk.recordset(("d_", of_delivery), ("a_", of_attempt))}
        ),
        ours AS (
            UPDATE {Delivery._meta.db_table} d SET {set_delivery}
            FROM ended WHERE d.id = d_id AND d.lease_token = %s RETURNING d.id
        ),
        recorded AS (
            UPDATE {Attempt._meta.db_table} a SET {set_attempt}
            FROM ended JOIN ours ON ours.id = d_id WHERE a.id = a_id
        )
        SELECT id FROM ours"""  # noqa: S608 - names of our own columns only
    deliveries, attempts = zip(*ended, strict=True)
    given = bulk.records(("d_", of_delivery, deliveries), ("a_", of_attempt, attempts))
    with connection.cursor() as cursor:
        cursor.execute(statement, [given, token])
        return {found for (found,) in cursor.fetchall()}


def _update_each(
    model: type[Delivery] | type[Attempt], names: Sequence[str], rows: Sequence[Delivery] | Sequence[Attempt]
) -> None:
    """One prepared UPDATE, executed for each row."""
    fields = bulk.fields_of(model, names)
    assignments = ", ".join(f"{field.column} = %s" for field in fields)
    key = bulk.fields_of(model, ("id",))[0]
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in (*fields, key)]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {model._meta.db_table} SET {assignments} WHERE id = %s", values)  # noqa: S608 - names of our own columns only
