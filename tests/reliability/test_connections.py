"""What workers and watchers hold of the database."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from django.db import connection

from events.models import Access, Cluster, WatchState
from events.watching.turns import CONNECTIONS
from tests.fakes.kubernetes import FakeKubernetes
from tests.receiver import Receiver
from tests.reliability.traffic import crew, happen, subscribed, wait_until_all
from tests.running import Processes
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def connected() -> set[int]:
    """The server's processes that serve others than this test."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return {pid for (pid,) in cursor.fetchall()}


def test_a_worker_uses_its_connection_again_for_the_next_task(
    receiver: Receiver, processes: Processes
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is a file, and opened in no time")
    subscribed(receiver)
    crew(processes)
    happen()
    wait_until_all("delivered", 1)
    first = connected()

    for count in range(2, 6):
        happen()
        wait_until_all("delivered", count)

    assert first & connected()


def test_a_watcher_of_many_clusters_needs_few_connections(processes: Processes) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is a file, and has no connections to run out of")
    many = 2 * CONNECTIONS
    with FakeKubernetes(token="a-token") as server:
        text = server.kubeconfig_text()
        Cluster.objects.bulk_create(
            Cluster(name=f"cluster-{number}", access=Access.KUBECONFIG, kubeconfig=text)
            for number in range(many)
        )
        watcher = processes.watcher()
        until(lambda: Cluster.objects.filter(state=WatchState.WATCHING).count() == many, 60)

        assert 0 < len(connected()) <= CONNECTIONS
        assert not re.search("WARNING|ERROR", watcher.output())


@contextmanager
def few_open_files() -> Iterator[None]:
    """What is started here may open 1024 files, as on most machines, unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("name", ["watcher", "worker"])
def test_a_process_of_many_connections_is_allowed_them(processes: Processes, name: str) -> None:
    if not hasattr(psutil.Process, "rlimit"):
        pytest.skip("Only Linux tells the limits of another process")
    with few_open_files():
        ready = "No cluster is registered"
        process = processes.watcher(ready=ready) if name == "watcher" else processes.worker()

    soft, hard = psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(hard, 65_536)
