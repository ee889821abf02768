"""When a delivery will be tried next, and what it waits for, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors import moments
from connectors.models import UNSETTLED, BreakerState, Delivery, DeliveryStatus


@dataclass(frozen=True, slots=True)
class NextTry:
    """What it waits for; `at` is when that is, where it is known."""

    words: str
    at: datetime | None = None


def next_try(delivery: Delivery, now: datetime, *, being_sent: bool = False) -> NextTry | None:
    """What that delivery waits for, as far as can be told now; None if it has settled."""
    connector = delivery.connector
    if delivery.status not in UNSETTLED:
        return None
    if being_sent:
        return NextTry("being sent now")
    if delivery.status == DeliveryStatus.SENDING:
        return NextTry("with its digest")
    if connector is None:
        return NextTry("never")
    if connector.paused_at is not None:
        return NextTry("when resumed")
    if not connector.enabled:
        return NextTry("when enabled")
    at = delivery.next_attempt_at
    if connector.breaker != BreakerState.CLOSED and connector.breaker_until is not None:
        at = max(at, connector.breaker_until)
    if connector.held_until is not None:
        at = max(at, connector.held_until)
    return NextTry("as soon as possible" if at <= now else moments.in_words(at, now), at)
