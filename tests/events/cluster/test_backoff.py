"""How long to wait before trying again."""

from __future__ import annotations

import pytest

from events.cluster.backoff import Backoff


def test_nothing_failed_means_no_wait() -> None:
    assert Backoff().delay(0) == 0.0


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (5000, 30.0)]
)
def test_waits_double_up_to_the_longest(failures: int, seconds: float) -> None:
    assert Backoff(first=0.5, longest=30.0).delay(failures, chance=lambda: 0.0) == seconds


def test_chance_shortens_a_wait_by_up_to_half() -> None:
    backoff = Backoff(first=8.0, longest=30.0)
    assert backoff.delay(1, chance=lambda: 0.5) == 6.0
    assert backoff.delay(1, chance=lambda: 1.0) == 4.0


def test_by_default_chance_decides() -> None:
    delays = {Backoff().delay(10) for _ in range(20)}
    assert len(delays) > 1
    assert all(15.0 <= delay <= 30.0 for delay in delays)
