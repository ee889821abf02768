"""The broker holds nothing that is not in the database: emptied, killed or absent, it costs a sweep."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.receiver import Receiver
from tests.reliability.traffic import (
    crew,
    happen,
    received,
    sent_twice_only_where_unknown,
    subscribed,
    wait_until_all,
)
from tests.running import Broker, Processes
from tests.waiting import BUSY, until

# What the broker does is nothing to the database.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

# The sweeper's two seconds, which may have just been missed, and a busy machine. Whoever waits longer after
# each vain attempt to connect, as Celery does by itself, is not back by then.
SWEEP = 6.0


def fan_out(receivers: Callable[..., Receiver], connectors: int) -> list[Receiver]:
    """So many connectors that want everything, each with a receiver of its own."""
    made = [receivers() for _ in range(connectors)]
    for number, receiver in enumerate(made):
        subscribed(receiver, f"hook-{number}")
    return made


def queued(broker: Broker) -> int:
    """How many tasks wait in the broker."""
    with broker.client() as client:
        length: int = client.llen("celery")  # type: ignore[assignment]  # the client is not asynchronous
        return length


def test_emptied_with_hundreds_queued(
    receivers: Callable[..., Receiver], processes: Processes, broker: Broker
) -> None:
    made = fan_out(receivers, 5)
    happened = 0
    while queued(broker) < 100:  # what happens within 10 ms is one task for each connector
        happen()
        happened += 1

    broker.flush()
    crew(processes)

    wait_until_all("delivered", 5 * happened)
    assert set(received(*made).values()) == {1}


@pytest.mark.timeout(240)
def test_killed_while_work_goes_on_and_back_after_a_minute(
    receivers: Callable[..., Receiver], processes: Processes, broker: Broker
) -> None:
    made = fan_out(receivers, 3)
    *workers, beat = crew(processes, 2)
    happen(100)
    until(lambda: len(received(*made)) > 20)

    broker.stop()
    happen(10)
    for worker in workers:
        worker.wait_for("Trying again")
    gone = time.monotonic()
    until(lambda: time.monotonic() - gone > 60, 90, every=1.0, what="a minute without a broker")
    broker.start()
    back = time.monotonic()

    wait_until_all("delivered", 330)
    assert time.monotonic() - back < SWEEP + BUSY
    sent_twice_only_where_unknown(*made)
    assert all(process.running for process in (*workers, beat))


def test_absent_when_everything_starts(receiver: Receiver, processes: Processes, broker: Broker) -> None:
    subscribed(receiver)
    broker.stop()
    worker, beat = processes.start_worker(), processes.beat()
    happen(10)
    worker.wait_for("Trying again")

    broker.start()

    wait_until_all("delivered", 10, SWEEP + BUSY)
    assert set(received(receiver).values()) == {1}
    assert beat.running


def test_whoever_reports_does_not_wait_for_a_broker_that_is_away(
    receivers: Callable[..., Receiver], processes: Processes, broker: Broker
) -> None:
    fan_out(receivers, 5)
    broker.stop()

    began = time.monotonic()
    happen()

    assert time.monotonic() - began < 3 + BUSY


def test_whoever_reports_waits_two_seconds_for_a_broker_that_does_not_answer(
    receivers: Callable[..., Receiver], processes: Processes, broker: Broker
) -> None:
    fan_out(receivers, 5)
    broker.hang()

    began = time.monotonic()
    happen()

    assert time.monotonic() - began < 2 + BUSY
    broker.stop()
