"""However many send at once, each delivery is taken by one of them."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User

from connectors.models import Delivery, Lease
from kubegraf import tokens
from tests.receiver import Receiver
from tests.reliability.traffic import crew, happen, outcomes, received, subscribed, wait_until_all
from tests.running import Processes

pytestmark = pytest.mark.django_db(transaction=True)

# Ten threads that claim one connector's deliveries, a few at a time, until there are none.
CLAIM = """
import threading
from django.db import connections
from connectors.engine.claim import claim

def take():
    while claim({connector}, 3).considered:
        pass
    connections.close_all()

threads = [threading.Thread(target=take) for _ in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_twenty_threads_in_two_processes_claim_each_delivery_once(
    receiver: Receiver, processes: Processes
) -> None:
    connector = subscribed(receiver)
    happen(300)
    code = CLAIM.format(connector=connector.pk)
    claiming = [processes.manage("shell", "--no-imports", "-c", code) for _ in range(2)]

    assert [process.wait() for process in claiming] == [0, 0]

    assert "Traceback" not in "".join(process.output() for process in claiming)
    leases = Lease.objects.all()
    taken = [name for lease in leases for name in lease.deliveries]
    assert sorted(taken) == sorted(str(pk) for pk in Delivery.objects.values_list("pk", flat=True))
    # Each of the two got some: otherwise nothing was shown.
    assert len(leases) >= 100


def test_two_workers_with_ten_threads_send_each_delivery_once(
    receiver: Receiver, processes: Processes
) -> None:
    subscribed(receiver)
    crew(processes, 2, KUBEGRAF_WORKER_THREADS="10")

    for _ in range(20):
        happen(20)

    wait_until_all("delivered", 400)
    assert outcomes() == ["delivered"] * 400
    assert set(received(receiver).values()) == {1}


def test_reports_that_come_while_workers_write_are_all_taken(
    receiver: Receiver, processes: Processes
) -> None:
    subscribed(receiver)
    token = tokens.issue(User.objects.create_superuser("reporter"), "tests")[1]
    running = crew(processes, 2)
    web = processes.web()
    happen(100)

    def report(number: int) -> int:
        body = {"event_type": "pod_crash_loop", "title": f"Report {number}", "key": f"report-{number}"}
        request = urllib.request.Request(
            f"{web.url}/api/v1/events/",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Token {token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            status: int = answer.status
            return status

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(report, range(100)))

    assert answers == [201] * 100
    wait_until_all("delivered", 200)
    assert set(received(receiver).values()) == {1}
    assert "locked" not in "".join(process.output() for process in (web, *running))
