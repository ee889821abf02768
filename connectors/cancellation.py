"""Calls back what has not been sent yet, on record with who wanted it and why.

Whoever is sending a delivery holds its lease, and cannot be stopped: such a one is left alone, and may be
cancelled once it has failed and waits for its next try. Where a sender has died, nobody knows whether the
message went out, and the note says so.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors import presence, tally, tasks, text
from connectors.engine import leases
from connectors.engine.digest import ORIGIN
from connectors.engine.due import WAITING
from connectors.errors import Reason
from connectors.models import UNSETTLED, Connector, Delivery, DeliveryStatus

logger = logging.getLogger(__name__)

LONGEST_WHY = 500
"""Characters."""
# Deliveries cancelled in one transaction.
_BATCH = 500


def cancellable() -> QuerySet[Delivery]:
    """What nobody is sending now, alone or in a digest."""
    return Delivery.objects.filter(status__in=WAITING).exclude(pk__in=leases.taken())


def cancel(deliveries: Iterable[Delivery], *, by: str, why: str = "") -> int:
    """Cancels those that nobody is sending and that have not settled; returns how many of them.

    A digest takes with it what it was to tell of. A later resolve of what is cancelled is cancelled in turn
    when it is due, as of anything that never arrived. Works in batches, each in a transaction of its own.
    """
    ids = [delivery.pk for delivery in deliveries]
    return sum(_cancel(ids[start : start + _BATCH], by, why) for start in range(0, len(ids), _BATCH))


def refusal(delivery: Delivery) -> str:
    """Why that one was not cancelled, for people."""
    if delivery.status not in UNSETTLED:
        return f"It has settled already ({delivery.status})."
    if delivery.sent_in_id is not None and delivery.status == DeliveryStatus.SENDING:
        return "It is on its way in a digest. Cancel the digest, and all that it tells of is cancelled."
    return (
        "It is being sent right now, and cannot be called back."
        " If this attempt fails, it can be cancelled before the next."
    )


def _cancel(ids: list[uuid.UUID], by: str, why: str) -> int:
    now = timezone.now()
    note = _note(by, why)
    with transaction.atomic():
        asked = Delivery.objects.filter(pk__in=ids, connector__isnull=False).order_by()
        presence.staying(Connector, asked.values_list("connector_id", flat=True).distinct())
        # What another one has locked is just being claimed or written: it is not waited for, but left alone.
        found = cancellable().filter(pk__in=ids).select_for_update(skip_locked=True)
        locked = list(found.only("pk", "connector_id", "provider", "reason", "origin"))
        taken_meanwhile = leases.holders(row.pk for row in locked)
        rows = [row for row in locked if row.pk not in taken_meanwhile]
        lost = [row for row in rows if row.reason == Reason.UNKNOWN]
        _settle([row for row in rows if row.reason != Reason.UNKNOWN], note, now)
        _settle(lost, f"{note} Its sender had died: it may have been sent.", now)
        contents = _contents([row for row in rows if row.origin == ORIGIN])
        _settle(contents, f"The digest that was to tell of it was cancelled. {note}", now)
        # What waited behind one of these may go now.
        connector_ids = {row.connector_id for row in rows if row.connector_id is not None}
        transaction.on_commit(lambda: tasks.wake(connector_ids))
    for row in rows:
        logger.info("delivery %s: %s", row.pk, note, extra={"delivery": row.pk, "outcome": "cancelled"})
    return len(rows)


def _contents(digests: list[Delivery]) -> list[Delivery]:
    """What these digests were to tell of."""
    return list(
        Delivery.objects.select_for_update()
        .filter(sent_in__in=digests, status=DeliveryStatus.SENDING)
        .only("pk", "provider")
    )


def _settle(rows: list[Delivery], note: str, now: datetime) -> None:
    if not rows:
        return
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
        status=DeliveryStatus.CANCELLED, reason="", note=note, settled_at=now
    )
    tally.add_cancelled(row.provider for row in rows)


def _note(by: str, why: str) -> str:
    why = text.shorten(text.one_line(why), LONGEST_WHY)
    return f"Cancelled by {text.one_line(by)}: {why}" if why else f"Cancelled by {text.one_line(by)}."
