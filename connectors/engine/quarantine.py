"""Deliveries of which senders die: kept apart from the others, and given up in the end.

A message may end the process that says it, by a crash in a library or by taking all its memory. Its lease
runs out, the next sender takes it and dies in turn, and with it goes whatever was claimed together with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from connectors import tally
from connectors.engine import digest
from connectors.errors import Reason
from connectors.models import Delivery, DeliveryStatus


def apart(rows: list[Delivery]) -> list[Delivery]:
    """Of the rows that could be claimed, the one to claim alone, if there is one; otherwise all.

    That is one whose sender has died, and not at its first attempt. One death says little: whoever was sent
    together with the message that was to blame has seen it, too.
    """
    for row in rows:
        if row.status == DeliveryStatus.SENDING and row.attempt_count > 1:
            return [row]
    return rows


def give_up(rows: Iterable[Delivery], now: datetime) -> list[Delivery]:
    """Settles as failed those whose senders died until no attempt was left; returns the others.

    To be called in the transaction of the claim, with attempts of dead senders closed.
    """
    left: list[Delivery] = []
    hopeless: list[Delivery] = []
    for row in rows:
        used_up = row.attempt_count > len(settings.RETRY_SCHEDULE)
        (hopeless if used_up and row.status == DeliveryStatus.SENDING else left).append(row)
    for row in hopeless:
        row.status, row.reason, row.settled_at = DeliveryStatus.FAILED, Reason.UNKNOWN, now
        row.note = "Its sender died, and so it went until no attempt was left. It may have been sent."
        row.lease_token = row.lease_until = None
    if hopeless:
        Delivery.objects.bulk_update(
            hopeless, ("status", "reason", "settled_at", "note", "lease_token", "lease_until")
        )
        tally.add(tally.DELIVERIES, [(row.provider, row.status) for row in hopeless])
        digest.settle(hopeless)
    return left
