"""When a failed delivery is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.engine.retry import LONGEST_RETRY_AFTER, SCHEDULE, next_attempt
from connectors.errors import Reason, SendError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = SendError(Reason.SERVER_ERROR, "HTTP 503", retry=True)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(("attempt", "seconds"), list(enumerate(SCHEDULE, start=1)))
def test_each_attempt_waits_its_step_of_the_schedule(attempt: int, seconds: float) -> None:
    assert next_attempt(attempt, LATER, NOW, jitter=0) == after(seconds)


def test_chance_moves_a_step_by_a_fifth_at_most() -> None:
    assert next_attempt(2, LATER, NOW, jitter=-1) == after(240)
    assert next_attempt(2, LATER, NOW, jitter=1) == after(360)


def test_after_the_last_step_there_is_no_other() -> None:
    assert next_attempt(len(SCHEDULE) + 1, LATER, NOW) is None


def test_what_is_final_is_not_tried_again() -> None:
    assert next_attempt(1, SendError(Reason.INVALID_MESSAGE, "HTTP 422"), NOW) is None


def test_the_receiver_may_ask_for_a_later_time() -> None:
    busy = SendError(Reason.RATE_LIMITED, "HTTP 429", retry=True, retry_after=42)
    assert next_attempt(1, busy, NOW, jitter=0) == after(42)


def test_the_receiver_may_not_ask_for_an_earlier_time() -> None:
    busy = SendError(Reason.RATE_LIMITED, "HTTP 429", retry=True, retry_after=1)
    assert next_attempt(2, busy, NOW, jitter=0) == after(300)


def test_what_the_receiver_asks_for_is_clamped() -> None:
    absurd = SendError(Reason.RATE_LIMITED, "HTTP 429", retry=True, retry_after=10**9)
    assert next_attempt(1, absurd, NOW, jitter=0) == after(LONGEST_RETRY_AFTER)
