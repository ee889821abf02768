"""What workers hold of the database."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.receiver import Receiver
from tests.reliability.traffic import crew, happen, subscribed, wait_until_all
from tests.running import Processes

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
