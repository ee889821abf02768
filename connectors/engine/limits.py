"""How much a connector may send now: its rate limit and its circuit breaker, shared by all workers.

Both stand in the connector's row. It is locked, inside the transaction of the claim, only where there is a
rate or the circuit is not closed; every other connector pays nothing. Where the service itself says that it
was sent too much, and how long to wait, everything waits that goes there, using up no attempts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from connectors import registry
from connectors.engine import digest, leases, set_back
from connectors.engine.breaker import LONGEST, Breaker, Sign
from connectors.engine.bucket import Buckets
from connectors.engine.claim import BATCH, NOTHING, Claim, claim
from connectors.engine.due import due
from connectors.errors import Reason, SendError
from connectors.models import BreakerState, Connector
from connectors.provider import Rate

logger = logging.getLogger(__name__)

LONGEST_HOLD = timedelta(hours=1)
"""For so long at most one refusal holds up what else goes to a service; then one message asks again."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What was claimed within the limits: nothing where they let nothing through now.

    `again_in` is set for exactly one of those who ask while messages wait for the rate: the seconds after
    which it is to ask again, on behalf of all.
    """

    claimed: Claim = NOTHING
    again_in: float | None = None


def claim_within(connector: Connector) -> Admission:
    """Leases to us what is due through the connector, as much as its limits allow.

    Where too much waits, it is first gathered into digests. While the circuit is half open there is one
    probe; if its sender dies, the next one may go when the probe's lease has run out, which here counts for
    no longer than the circuit waits.
    """
    now = timezone.now()
    rates = rates_of(connector)
    circuit = circuit_of(connector)
    if circuit.shut(now) or _is_held(connector, now):
        return Admission()
    if not rates and circuit.state == BreakerState.CLOSED:
        digest.gather(connector)
        return Admission(claim(connector.pk))
    with transaction.atomic():
        # Not FOR UPDATE: that would stop whoever is just writing deliveries of this connector.
        row = Connector.objects.select_for_update(no_key=True).filter(pk=connector.pk).first()
        return Admission() if row is None else _claim_locked(row, rates, now)


def _claim_locked(row: Connector, rates: tuple[Rate, ...], now: datetime) -> Admission:
    circuit = circuit_of(row)
    if circuit.shut(now) or _is_held(row, now):
        return Admission()
    buckets = _buckets(row, rates, now)
    allowed = BATCH if buckets is None else min(BATCH, buckets.whole)
    if buckets is not None and not allowed:
        return Admission(again_in=_hold(row, buckets, now))
    if circuit.state == BreakerState.CLOSED:
        digest.gather(row)
    else:
        allowed = 1
    claimed = claim(row.pk, allowed)
    changes: dict[str, object] = {}
    if claimed.deliveries and buckets is not None:
        changes = {"tokens": list(buckets.less(len(claimed.deliveries)).tokens), "tokens_at": now}
    if claimed.deliveries and circuit.state != BreakerState.CLOSED:
        changes |= columns(circuit.probing(now + min(leases.LENGTH, LONGEST)))
    if changes:
        Connector.objects.filter(pk=row.pk).update(**changes)
    return Admission(claimed)


def rates_of(connector: Connector) -> tuple[Rate, ...]:
    """The connector's own rate, or else what its provider declares; none for a provider there is not."""
    if connector.rate_per_second is not None:
        return (Rate(connector.rate_per_second),)
    found = registry.all_providers().get(connector.provider)
    return found.rates if found else ()


def circuit_of(connector: Connector) -> Breaker:
    """The circuit of a connector, from its row."""
    return Breaker(
        BreakerState(connector.breaker),
        connector.failures_in_row,
        connector.breaker_trips,
        connector.breaker_until,
    )


def columns(circuit: Breaker) -> dict[str, object]:
    """The circuit as columns of the connector's row."""
    return {
        "breaker": circuit.state,
        "failures_in_row": circuit.failures,
        "breaker_trips": circuit.trips,
        "breaker_until": circuit.until,
    }


def learns(connector: Connector, signs: Sequence[Sign]) -> bool:
    """Whether these results may say something new about a connector that was like this before."""
    well = connector.breaker == BreakerState.CLOSED and not connector.failures_in_row
    return bool(signs) and (not well or Sign.DOWN in signs)


def observe(connector: Connector, signs: Sequence[Sign]) -> None:
    """Lets the circuit learn from results, in the order in which they came, in the caller's transaction.

    A success through a connector that was well when its batch was claimed costs nothing: the failures that
    another worker counted meanwhile are then forgotten one batch later.
    """
    if not learns(connector, signs):
        return
    row = Connector.objects.select_for_update(no_key=True).filter(pk=connector.pk).first()
    if row is None:
        return
    before = circuit_of(row)
    now = timezone.now()
    after = before.after(signs, now)
    if after == before:
        return
    Connector.objects.filter(pk=row.pk).update(**columns(after))
    if after.state == BreakerState.OPEN and after.until != before.until and after.until is not None:
        seconds = (after.until - now).total_seconds()
        logger.warning("connector %s does not answer: nothing is sent for %.0f s", row.name, seconds)
    elif after.state == BreakerState.CLOSED and before.state != BreakerState.CLOSED:
        logger.info("connector %s answers again", row.name)


def heed(connector: Connector, errors: Iterable[SendError | None], now: datetime) -> None:
    """Has what goes through the connector wait as long as its service asks, in the caller's transaction."""
    asked = [
        error.retry_after
        for error in errors
        if error is not None and error.reason is Reason.RATE_LIMITED and error.retry_after
    ]
    if not asked:
        return
    until = now + timedelta(seconds=min(max(asked), LONGEST_HOLD.total_seconds()))
    rows = Connector.objects.filter(pk=connector.pk).exclude(held_until__gt=until)
    if rows.update(held_until=until):
        seconds = (until - now).total_seconds()
        logger.warning("connector %s is sent nothing for %.0f s, as it asks", connector.name, seconds)


def _is_held(connector: Connector, now: datetime) -> bool:
    """Whether its service asked to wait, or somebody is to come for the next token anyway."""
    if connector.held_until is None or now >= connector.held_until:
        return False
    # It never waits longer, unless the clock was set back.
    return connector.held_until - now <= LONGEST_HOLD and not set_back.concerns(connector, now)


def _buckets(row: Connector, rates: tuple[Rate, ...], now: datetime) -> Buckets | None:
    if not rates:
        return None
    seconds = (now - row.tokens_at).total_seconds() if row.tokens_at else 0.0
    return Buckets.after(rates, row.tokens, seconds)


def _hold(row: Connector, buckets: Buckets, now: datetime) -> float | None:
    """Has the caller come back for the next token, if anything waits for it."""
    if not due(now, row.pk).exists():
        return None
    seconds = buckets.seconds_to_next
    changes: dict[str, object] = {"held_until": now + timedelta(seconds=seconds)}
    if set_back.concerns(row, now):  # it would not fill before that time has come again
        changes |= {"tokens": list(buckets.tokens), "tokens_at": now}
    Connector.objects.filter(pk=row.pk).update(**changes)
    return seconds
