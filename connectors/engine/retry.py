"""When to try again. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.errors import SendError

# Seconds after the first, second, … failed attempt. More than a day in all: an outage over a night is
# outlived. The steps are those of the Standard Webhooks specification, 1.0.
SCHEDULE: tuple[float, ...] = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
JITTER = 0.2
LONGEST_RETRY_AFTER = 6 * 3_600.0


def next_attempt(
    attempt: int,
    error: SendError,
    now: datetime,
    *,
    schedule: Sequence[float] = SCHEDULE,
    jitter: float | None = None,
) -> datetime | None:
    """When to try again after attempt number `attempt` (from 1) ended in `error`; None for never.

    The step of the schedule, ±20 %, or what the receiver asked for by Retry-After where that is later (six
    hours at most). `jitter`, from -1 to 1, stands in for chance.
    """
    if not error.retry or attempt > len(schedule):
        return None
    chance = random.uniform(-1, 1) if jitter is None else jitter
    delay = schedule[attempt - 1] * (1 + JITTER * chance)
    if error.retry_after is not None:
        delay = max(delay, min(error.retry_after, LONGEST_RETRY_AFTER))
    return now + timedelta(seconds=delay)
