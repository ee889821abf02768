"""A worker may be killed at any moment: everything arrives, and only what was in flight may arrive twice."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import transaction

from connectors.models import Attempt, Delivery
from tests.fakes.hostile import Hostile
from tests.making import make_connector, make_subscription
from tests.receiver import OK, Answer, Received, Receiver
from tests.reliability.traffic import (
    being_sent,
    crew,
    happen,
    outcomes,
    received,
    sent_twice_only_where_unknown,
    subscribed,
    wait_until_all,
)
from tests.running import Processes
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("short_leases")]

# Every look-up of a name hangs: what a worker does last before it calls.
NO_RESOLVER = "import socket, threading; socket.getaddrinfo = lambda *_, **__: threading.Event().wait()"


class Gate:
    """Holds back the answers of a receiver until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, request: Received) -> Answer:
        self.opened.wait(60)
        return OK


@pytest.fixture
def gate(receiver: Receiver) -> Iterator[Gate]:
    """Holds back what `receiver` answers."""
    made = Gate()
    receiver.script(made)
    yield made
    made.opened.set()


def test_killed_before_the_call(
    receiver: Receiver, processes: Processes, meddled: Callable[[str], dict[str, str]]
) -> None:
    make_subscription(make_connector(url=f"{receiver.url.replace('127.0.0.1', 'localhost')}/in"))
    worker = processes.worker(**meddled(NO_RESOLVER))
    happen()
    until(lambda: being_sent() == 1)

    worker.kill9()
    crew(processes)

    wait_until_all("delivered", 1)
    assert outcomes() == ["unknown", "delivered"]
    assert len(receiver.requests) == 1


def test_killed_during_the_call(receiver: Receiver, gate: Gate, processes: Processes) -> None:
    subscribed(receiver)
    worker = processes.worker()
    happen()
    receiver.wait_for(1)

    worker.kill9()
    gate.opened.set()
    crew(processes)

    wait_until_all("delivered", 1)
    assert outcomes() == ["unknown", "delivered"]
    assert set(received(receiver).values()) == {2}


def test_killed_after_the_answer_and_before_the_record(
    hostile: Callable[..., Hostile], processes: Processes
) -> None:
    answer, read = threading.Event(), threading.Event()

    def behave(receiver: Hostile, connection: socket.socket) -> None:
        receiver.read(connection)
        answer.wait(60)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        connection.recv(1)  # nothing, at the moment at which the caller has read it all and closes
        read.set()

    receiver = hostile(behave)
    make_subscription(make_connector(url=f"{receiver.url}/in"))
    worker = processes.worker()
    happen()
    until(lambda: len(receiver.requests) == 1)

    with transaction.atomic():
        Delivery.objects.select_for_update().get()  # nobody else can write it down
        answer.set()
        assert read.wait(10)
        worker.kill9()
    assert (being_sent(), outcomes()) == (1, [])
    crew(processes)

    wait_until_all("delivered", 1)
    assert outcomes() == ["unknown", "delivered"]
    assert len(receiver.requests) == 2


def test_another_worker_goes_on_with_what_was_not_in_flight(
    receiver: Receiver, gate: Gate, processes: Processes
) -> None:
    subscribed(receiver)
    first = processes.worker()
    happen(400)
    until(lambda: being_sent() > 0)
    until(lambda: len(receiver.requests) == being_sent())
    second, _ = crew(processes)

    first.kill9()
    in_flight = being_sent()
    gate.opened.set()

    wait_until_all("delivered", 400)
    sent_twice_only_where_unknown(receiver)
    assert Attempt.objects.filter(outcome="unknown").count() <= in_flight < 400
    assert second.running


def test_killed_again_and_again_at_any_moment(
    receivers: Callable[..., Receiver], processes: Processes, chance: random.Random
) -> None:
    pause = threading.Event()

    def takes_a_moment(request: Received) -> Answer:
        pause.wait(0.02)
        return OK

    made = [receivers(takes_a_moment) for _ in range(3)]
    for number, receiver in enumerate(made):
        subscribed(receiver, f"hook-{number}")
    *workers, _ = crew(processes, 2)
    total = 0
    for _ in range(3):
        happen(60)
        total += 180
        enough = len(list(received(*made).elements())) + chance.randrange(1, 120)
        until(lambda enough=enough: sum(received(*made).values()) >= enough)  # type: ignore[misc]
        workers.pop(0).kill9()
        workers.append(processes.start_worker())

    wait_until_all("delivered", total, 80)
    sent_twice_only_where_unknown(*made)
