"""Deliveries of which senders die: put on record, kept apart from the others, and given up in the end.

A message may end the process that says it, by a crash in a library or by taking all its memory. Its lease
runs out, the next sender takes it and dies in turn, and with it goes whatever was claimed together with it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F

from connectors import ids, presence, tally
from connectors.engine import digest, leases
from connectors.engine.leased import COLUMNS, Leased
from connectors.errors import Reason
from connectors.models import UNSETTLED, Attempt, Connector, Delivery, DeliveryStatus, Lease, Outcome

logger = logging.getLogger(__name__)

_GIVEN_UP = "Its sender died, and so it went until no attempt was left. It may have been sent."
_LOST = "The sender died before it could record how this ended. It may have been sent."


def bury() -> None:
    """Ends the leases that have run out: what their senders held is on record as tried, and due again.

    One that is just being given back is left alone.
    """
    with transaction.atomic():
        now = leases.clock()
        dead = list(Lease.objects.filter(until__lt=now).select_for_update(skip_locked=True))
        presence.staying(Connector, {lease.connector_id for lease in dead})
        for lease in dead:
            _bury(lease, now)
        Lease.objects.filter(pk__in=[lease.pk for lease in dead]).delete()


def _bury(lease: Lease, now: datetime) -> None:
    held = Delivery.objects.filter(pk__in=lease.deliveries, status__in=UNSETTLED)
    rows = [Leased.of(row) for row in held.order_by("pk").select_for_update().values_list(*COLUMNS)]
    if not rows:
        return
    logger.warning("a sender died: %d deliveries of connector %s", len(rows), lease.connector_id)
    Attempt.objects.bulk_create(
        Attempt(
            id=pk,
            delivery_id=uuid.UUID(row.id),
            number=row.attempt_count + 1,
            started_at=lease.began_at,
            finished_at=now,
            outcome=Outcome.UNKNOWN,
            reason=Reason.UNKNOWN,
            error=_LOST,
        )
        for pk, row in zip(ids.several(len(rows)), rows, strict=True)
    )
    Delivery.objects.filter(pk__in=[row.id for row in rows]).update(
        status=DeliveryStatus.RETRYING,
        reason=Reason.UNKNOWN,
        note=_LOST,
        attempt_count=F("attempt_count") + 1,
        next_attempt_at=now,
    )
    tally.add_lost(rows)
    for row in rows:
        row.attempt_count += 1
    _give_up([row for row in rows if row.attempt_count > len(settings.RETRY_SCHEDULE)], now)


def _give_up(rows: Sequence[Leased], now: datetime) -> None:
    """Settles as failed those whose senders died until no attempt was left."""
    if not rows:
        return
    for row in rows:
        row.status, row.reason, row.note = DeliveryStatus.FAILED, Reason.UNKNOWN, _GIVEN_UP
    Delivery.objects.filter(pk__in=[row.id for row in rows]).update(
        status=DeliveryStatus.FAILED, note=_GIVEN_UP, settled_at=now
    )
    tally.add(tally.DELIVERIES, [(row.provider, row.status) for row in rows])
    digest.settle(rows)


def apart(rows: list[Leased]) -> list[Leased]:
    """Of the rows that could be claimed, the one to claim alone, if there is one; otherwise all.

    That is one whose sender has died, and not at its first attempt. One death says little: whoever was sent
    together with the message that was to blame has seen it, too.
    """
    for row in rows:
        if row.reason == Reason.UNKNOWN and row.attempt_count > 1:
            return [row]
    return rows
