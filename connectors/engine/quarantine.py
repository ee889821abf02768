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
from connectors.engine.leased import Leased
from connectors.errors import Reason
from connectors.models import Delivery, DeliveryStatus

_GIVEN_UP = "Its sender died, and so it went until no attempt was left. It may have been sent."


def apart(rows: list[Leased]) -> list[Leased]:
    """Of the rows that could be claimed, the one to claim alone, if there is one; otherwise all.

    That is one whose sender has died, and not at its first attempt. One death says little: whoever was sent
    together with the message that was to blame has seen it, too.
    """
    for row in rows:
        if row.status == DeliveryStatus.SENDING and row.attempt_count > 1:
            return [row]
    return rows


def give_up(rows: Iterable[Leased], now: datetime) -> list[Leased]:
    """Settles as failed those whose senders died until no attempt was left; returns the others.

    To be called in the transaction of the claim, with attempts of dead senders closed.
    """
    left: list[Leased] = []
    hopeless: list[Leased] = []
    for row in rows:
        used_up = row.attempt_count > len(settings.RETRY_SCHEDULE)
        (hopeless if used_up and row.status == DeliveryStatus.SENDING else left).append(row)
    for row in hopeless:
        row.status, row.reason, row.note = DeliveryStatus.FAILED, Reason.UNKNOWN, _GIVEN_UP
    if hopeless:
        Delivery.objects.filter(pk__in=[row.id for row in hopeless]).update(
            status=DeliveryStatus.FAILED,
            reason=Reason.UNKNOWN,
            note=_GIVEN_UP,
            settled_at=now,
            lease_token=None,
            lease_until=None,
        )
        tally.add(tally.DELIVERIES, [(row.provider, row.status) for row in hopeless])
        digest.settle(hopeless)
    return left
