"""The circuit breaker: spares a receiver that has failed again and again, and us the waiting for it. Pure.

Closed lets everything through. Failures in a row open it: everything waits, using up no attempts. After a
while exactly one delivery goes as a probe (half open): if it gets an answer the circuit closes, otherwise it
stays open for twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from connectors.errors import Reason, SendError
from connectors.models import BreakerState

OPENS_AFTER = 5
SHORTEST = timedelta(seconds=30)
LONGEST = timedelta(minutes=10)

_DOWN = frozenset((Reason.TIMEOUT, Reason.NETWORK, Reason.TLS, Reason.SERVER_ERROR))
# What failed before the receiver was reached, or came back as what it does not say; of it nothing is learned.
_NO_SIGN = frozenset(
    (Reason.INTERNAL, Reason.UNKNOWN, Reason.MISCONFIGURED, Reason.BLOCKED, Reason.BAD_ANSWER)
)


class Sign(Enum):
    """What a result says of the receiver."""

    UP = "up"  # it took the message, or answered why not: too many, not this one
    DOWN = "down"
    NONE = "none"


def sign(error: SendError | None) -> Sign:
    """What is learned from the end of an attempt; None for one that arrived."""
    if error is None:
        return Sign.UP
    if error.reason in _DOWN:
        return Sign.DOWN if error.retry else Sign.UP
    return Sign.NONE if error.reason in _NO_SIGN else Sign.UP


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit as it stands. `trips` counts how often in a row it has opened, `until` ends the waiting."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    trips: int = 0
    until: datetime | None = None

    def shut(self, now: datetime) -> bool:
        """Whether nothing may be sent now, not even a probe: while half open, one is on its way."""
        if self.state == BreakerState.CLOSED or self.until is None or now >= self.until:
            return False
        # It never waits longer, unless the clock was set back.
        return self.until - now <= LONGEST

    def probing(self, until: datetime) -> Breaker:
        """With a probe on its way, for which `until` at the latest is waited; then another may go.

        That is LONGEST from now at most.
        """
        return replace(self, state=BreakerState.HALF_OPEN, until=until)

    def after(self, signs: Iterable[Sign], now: datetime) -> Breaker:
        """As it stands once these results are known, in the order in which they came."""
        found = self
        for one in signs:
            found = found._after(one, now)
        return found

    def _after(self, one: Sign, now: datetime) -> Breaker:
        if one is Sign.UP:
            return CLOSED
        if self.state == BreakerState.HALF_OPEN:
            return self._opened(now)
        if one is Sign.NONE:
            return self
        failures = self.failures + 1
        if self.state == BreakerState.CLOSED and failures >= OPENS_AFTER:
            return replace(self, failures=failures)._opened(now)
        # Of an open one, it is what had been on its way when it opened: no reason to wait longer.
        return replace(self, failures=failures)

    def _opened(self, now: datetime) -> Breaker:
        wait = min(SHORTEST * 2 ** min(self.trips, 16), LONGEST)
        return replace(self, state=BreakerState.OPEN, trips=self.trips + 1, until=now + wait)


CLOSED = Breaker()
