"""The database may go away in the middle of the work and come back: nothing is lost and nobody is stuck."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from events.models import Access, Cluster, Event, WatchState
from tests.database import TestDatabase
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, pod
from tests.receiver import OK, Answer, Received, Receiver
from tests.reliability.traffic import (
    crew,
    happen,
    received,
    sent_twice_only_where_unknown,
    subscribed,
    wait_until_all,
)
from tests.running import Processes
from tests.waiting import BUSY, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("short_leases")]

AWAY = 17.0
"""Seconds. Who waits twice as long after each vain attempt to connect tries after 15 and then after 31."""
SWEEP = 2.0


@pytest.fixture
def server(database_server: TestDatabase, processes: Processes) -> Iterator[TestDatabase]:
    """The database server, which keeps what was committed, and runs again when the test is over."""
    _commit_synchronously("on")
    yield database_server
    database_server.start()
    connection.close()
    _commit_synchronously("off")


def _commit_synchronously(value: str) -> None:
    """Tests run without, which is quick, and loses in a crash what was committed last."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SYSTEM SET synchronous_commit = {value}")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()


def test_restarted_while_deliveries_are_under_way(
    server: TestDatabase, receivers: Callable[..., Receiver], processes: Processes
) -> None:
    pause = threading.Event()

    def takes_a_moment(request: Received) -> Answer:
        pause.wait(0.05)
        return OK

    made = [receivers(takes_a_moment) for _ in range(3)]
    for number, receiver in enumerate(made):
        subscribed(receiver, f"hook-{number}")
    *workers, beat = crew(processes, 2)
    happen(150)
    until(lambda: sum(received(*made).values()) > 50)

    server.stop()
    gone = time.monotonic()
    for worker in workers:
        worker.wait_for("the database is away", 20)
    until(lambda: time.monotonic() - gone > AWAY, every=0.5, what="some seconds without a database")
    server.start()
    connection.close()
    back = time.monotonic()
    happen(10)

    wait_until_all("delivered", 480)
    assert time.monotonic() - back < SWEEP + BUSY
    sent_twice_only_where_unknown(*made)
    assert all(process.running for process in (*workers, beat))


def test_away_when_the_workers_start(server: TestDatabase, receiver: Receiver, processes: Processes) -> None:
    subscribed(receiver)
    happen(10)
    connection.close()
    server.stop()
    worker, beat = crew(processes)
    worker.wait_for("the database is away", 20)

    server.start()

    wait_until_all("delivered", 10)
    assert set(received(receiver).values()) == {1}
    assert worker.running
    assert beat.running


def test_away_while_watchers_see_something(server: TestDatabase, processes: Processes) -> None:
    names = ("east", "west")
    with FakeKubernetes() as east, FakeKubernetes() as west:
        for name, cluster in zip(names, (east, west), strict=True):
            Cluster.objects.create(name=name, access=Access.KUBECONFIG, kubeconfig=cluster.kubeconfig_text())
        watcher = processes.watcher()
        until(lambda: Cluster.objects.filter(state=WatchState.WATCHING).count() == 2, 60)
        until(lambda: east.open_watches("pods") == west.open_watches("pods") == 1)
        connection.close()

        server.stop()
        for cluster in (east, west):
            cluster.put(crash_looping(pod("web-1", owner="web")))
        for name in names:
            watcher.wait_for(f"{name}: the database is away", 30)
        server.start()

        crashes = Event.objects.filter(event_type="pod_crash_loop")
        until(lambda: crashes.count() == 2, 30)
        assert {event.cluster_name for event in crashes} == set(names)
        assert len(east.asked("list", "pods")) == 1  # nothing was begun again
        assert "Traceback" not in watcher.output()
