"""Receivers that do everything but answer: each has its documented outcome in time, and holds up no other."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from django.utils import timezone

from connectors.models import Connector, Delivery, Lease
from tests.connectors.transport.driving import server_context
from tests.fakes import hostile as behaves
from tests.fakes.hostile import Hostile
from tests.making import make_connector, make_subscription
from tests.receiver import Receiver
from tests.reliability.traffic import happen, statuses, subscribed, wait_until_all
from tests.running import Processes
from tests.waiting import BUSY, PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)
# One exchange has 15 seconds.
IN_TIME = 15.0


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority that the workers are told to believe."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return authority


@pytest.mark.any_database
def test_each_has_its_documented_outcome_in_time(
    hostile: Callable[..., Hostile],
    receivers: Callable[..., Receiver],
    processes: Processes,
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    trusted = server_context(authority, "localhost")
    stranger = server_context(trustme.CA(), "localhost")
    in_five_minutes = format_datetime(datetime.now(UTC) + 5 * MINUTE, usegmt=True)
    receivers_and_outcomes: dict[str, tuple[Receiver | Hostile, str, str]] = {
        "friendly": (hostile(behaves.friendly), "delivered", ""),
        "friendly over TLS": (hostile(behaves.friendly, tls=trusted), "delivered", ""),
        "100 MB": (hostile(behaves.huge_body), "delivered", ""),
        "500": (receivers([(500, {}, b"")]), "retrying", "server_error"),
        "429 for 300 s": (receivers([(429, {"Retry-After": "300"}, b"")]), "retrying", "rate_limited"),
        "429 until then": (
            receivers([(429, {"Retry-After": in_five_minutes}, b"")]),
            "retrying",
            "rate_limited",
        ),
        "hangs": (hostile(behaves.hangs), "retrying", "timeout"),
        "hangs at the handshake": (hostile(behaves.hangs_at_once, tls=trusted), "retrying", "timeout"),
        "drips its headers": (hostile(behaves.drips_head), "retrying", "timeout"),
        "drips its body": (hostile(behaves.drips_body), "retrying", "timeout"),
        "closes at once": (hostile(behaves.closes_at_once), "retrying", "network"),
        "closes early": (hostile(behaves.closes_early), "retrying", "network"),
        "half an answer": (hostile(behaves.half_an_answer), "retrying", "network"),
        "resets": (hostile(behaves.resets), "retrying", "network"),
        "babbles": (hostile(behaves.babbles), "retrying", "bad_answer"),
        "a stranger's certificate": (hostile(behaves.friendly, tls=stranger), "retrying", "tls"),
        "redirects to metadata": (
            hostile(behaves.redirecting(307, "http://169.254.169.254/latest/")),
            "failed",
            "redirect",
        ),
        "410": (receivers([(410, {}, b"")]), "retrying", "gone"),
    }
    for name, (receiver, _, _) in receivers_and_outcomes.items():
        make_subscription(make_connector(name, url=f"{receiver.url}/in"))
    processes.worker(KUBEGRAF_RETRY_SCHEDULE="60", SSL_CERT_FILE=str(tmp_path / "authority.pem"))

    happen()
    began = time.monotonic()
    until(lambda: not {"pending", "sending"} & set(statuses()), IN_TIME + PATIENCE, 0.1)

    assert time.monotonic() - began < IN_TIME + 2 * BUSY
    ended = {
        name: (status, reason)
        for name, status, reason in Delivery.objects.values_list("connector_name", "status", "reason")
    }
    assert ended == {name: (status, reason) for name, (_, status, reason) in receivers_and_outcomes.items()}
    # The receiver's wish counts where it is later than the schedule, ±20 %.
    wishes = dict(
        Delivery.objects.filter(reason__in=("rate_limited", "server_error")).values_list(
            "connector_name", "next_attempt_at"
        )
    )
    now = timezone.now()
    assert wishes["500"] < now + 2 * MINUTE
    assert now + 4 * MINUTE < wishes["429 for 300 s"] <= now + 5 * MINUTE
    assert now + 4 * MINUTE < wishes["429 until then"] <= now + 5 * MINUTE


@pytest.mark.any_database
def test_a_name_that_turns_private_at_the_second_look_up_is_not_called(
    hostile: Callable[..., Hostile], processes: Processes, meddled: Callable[[str], dict[str, str]]
) -> None:
    called = []

    def behave(receiver: Hostile, connection: socket.socket) -> None:
        called.append(connection.getsockname()[0])
        behaves.one_per_connection(receiver, connection)

    receiver = hostile(behave, address="0.0.0.0")
    lying = """
import socket
answers = ["127.0.0.1", "127.0.0.2"]

def getaddrinfo(host, port, *args, **kwargs):
    assert host == "rebinding.example.com", host
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

socket.getaddrinfo = getaddrinfo
"""
    make_subscription(make_connector(url=f"http://rebinding.example.com:{receiver.port}/in"))
    processes.worker(KUBEGRAF_EGRESS_ALLOW="127.0.0.1/32", **meddled(lying))

    happen()
    wait_until_all("delivered", 1)
    happen()
    until(lambda: statuses() == {"delivered": 1, "failed": 1})

    assert Delivery.objects.get(status="failed").reason == "blocked"
    assert called == ["127.0.0.1"]


@pytest.mark.any_database
def test_no_other_connector_waits_while_one_hangs(
    hostile: Callable[..., Hostile], receiver: Receiver, processes: Processes
) -> None:
    hanging = hostile(behaves.hangs)
    make_subscription(make_connector("hangs", url=f"{hanging.url}/in"))
    processes.worker()
    happen(200)
    until(lambda: hanging.connections > 0)
    subscribed(receiver)

    waits = []
    for count in range(1, 41):
        began = time.monotonic()
        happen()
        waits.append(receiver.wait_for(count)[-1].at - began)

    # While the other one is waited for: fifteen seconds.
    assert sorted(waits)[37] < 3, f"seconds from the event to the receiver: {waits}"
    assert statuses()["delivered"] <= 40
    hangs = Connector.objects.get(name="hangs")
    assert Lease.objects.filter(connector_id=hangs.pk).exists()
