"""A worker that is asked to end finishes what it has begun, writes it down and goes."""

from __future__ import annotations

import signal
import threading

import pytest

from connectors.models import Attempt
from tests.receiver import OK, Answer, Received, Receiver
from tests.reliability.traffic import (
    crew,
    happen,
    outcomes,
    received,
    statuses,
    subscribed,
    wait_until_all,
)
from tests.running import Processes
from tests.waiting import BUSY, until

pytestmark = pytest.mark.django_db(transaction=True)

# Well under the grace that orchestrators give.
IN_TIME = 10.0


def test_a_request_in_flight_is_finished_and_recorded(receiver: Receiver, processes: Processes) -> None:
    answer = threading.Event()

    def waits(request: Received) -> Answer:
        answer.wait(30)
        return OK

    receiver.script(waits)
    subscribed(receiver)
    worker = processes.worker()
    happen()
    receiver.wait_for(1)

    worker.popen.send_signal(signal.SIGTERM)
    worker.wait_for("Warm shutdown")
    assert worker.running
    answer.set()

    assert worker.wait(IN_TIME + BUSY) == 0
    assert statuses() == {"delivered": 1}
    assert outcomes() == ["delivered"]
    assert len(receiver.requests) == 1


@pytest.mark.any_database
def test_a_worker_with_much_to_do_leaves_the_rest_to_another(
    receiver: Receiver, processes: Processes
) -> None:
    pause = threading.Event()

    def takes_a_moment(request: Received) -> Answer:
        pause.wait(1)
        return OK

    receiver.script(takes_a_moment)
    subscribed(receiver)
    worker = processes.worker()
    happen(1200)
    receiver.wait_for(20)

    assert worker.terminate(IN_TIME + BUSY) == 0

    assert set(statuses()) == {"pending", "delivered"}
    assert not Attempt.objects.exclude(outcome="delivered").exists()
    receiver.script([])
    crew(processes)
    wait_until_all("delivered", 1200)
    assert set(received(receiver).values()) == {1}
    until(lambda: len(receiver.requests) == 1200)
