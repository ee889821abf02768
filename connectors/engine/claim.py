"""Which deliveries may be sent now, and leasing them.

A claim is a lease: the row says who is sending it and until when. If the sender dies, the lease runs out and
the next claim takes the row again, with the open attempt closed as `unknown`: sent or not cannot be known, so
the message is sent again. Everything is sent at least once; nothing is lost.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import IsNull
from django.utils import timezone

from connectors import tally
from connectors.engine import quarantine
from connectors.engine import rows as rows_of_batch
from connectors.engine.leased import COLUMNS, Leased
from connectors.errors import Reason
from connectors.message import Status
from connectors.models import UNSETTLED, Attempt, Delivery, DeliveryStatus, Outcome
from connectors.transport.drive import capacity

# What one claim takes at most: the conversations one connector has going at a time in one process.
BATCH = capacity()
# Longer than any conversation: each of its requests has a total time-out, and `drive` bounds the whole.
LEASE = timedelta(seconds=settings.LEASE_SECONDS)


_VERBS = {Status.RESOLVED: "resolves", Status.ACKNOWLEDGED: "acknowledges"}

SETTLED = tuple(status for status in DeliveryStatus if status not in UNSETTLED)


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries leased to us under one token, each with an attempt that is open.

    `considered` counts the rows looked at, those included that turned out to need no sending.
    """

    token: uuid.UUID
    deliveries: Sequence[Leased] = ()
    considered: int = 0


def due(now: datetime) -> QuerySet[Delivery]:
    """What may be sent now: it is time, nobody holds a lease, nothing earlier of its key is unsettled."""
    earlier = Delivery.objects.filter(
        connector_id=OuterRef("connector_id"),
        key=OuterRef("key"),
        id__lt=OuterRef("id"),
        # Put like this because of PostgreSQL: its index of what is unsettled knows of no keys.
    ).exclude(status__in=SETTLED)
    return Delivery.objects.filter(
        Q(status__in=(DeliveryStatus.PENDING, DeliveryStatus.RETRYING), next_attempt_at__lte=now)
        | Q(status=DeliveryStatus.SENDING, lease_until__lt=now),
        # Not NOT EXISTS: that PostgreSQL makes a join with all that is unsettled, for every claim anew. This
        # it asks of one candidate after the other, and stops when there are enough.
        IsNull(Subquery(earlier.order_by().values("pk")[:1]), True),
        status__in=UNSETTLED,  # says to which index this belongs
    )


def claim(candidates: QuerySet[Delivery], limit: int = BATCH) -> Claim:
    """Leases up to `limit` of the candidates to us, worst severity first and oldest first within it.

    On PostgreSQL rows that another sender is just claiming are skipped; on SQLite the transaction itself is
    exclusive (transaction_mode IMMEDIATE).
    """
    now = timezone.now()
    token = uuid.uuid4()
    with transaction.atomic():
        found = (
            candidates.filter(Q(lease_until=None) | Q(lease_until__lt=now))
            .order_by("-priority", "id")
            .select_for_update(skip_locked=True)
            .values_list(*COLUMNS, Cast("message", TextField()))[:limit]
        )
        rows = [Leased(*values) for values in found]
        considered = len(rows)
        rows = quarantine.apart(_without_needless(rows, now))
        close_lost([row for row in rows if row.status == DeliveryStatus.SENDING], now)
        rows = quarantine.give_up(rows, now)
        if not rows:
            return Claim(token, considered=considered)
        rows_of_batch.lease(rows, token, now, now + LEASE)
    return Claim(token, rows, considered)


def close_lost(rows: Sequence[Leased | Delivery], now: datetime) -> None:
    """Closes the attempts of senders whose leases have run out, in the caller's transaction."""
    if not rows:
        return
    Attempt.objects.filter(delivery_id__in=[row.id for row in rows], outcome=Outcome.OPEN).update(
        outcome=Outcome.UNKNOWN,
        reason=Reason.UNKNOWN,
        finished_at=now,
        error="The sender died before it could record how this ended. It may have been sent.",
    )
    tally.add_lost(rows)


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
