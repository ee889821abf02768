"""Whether an address can be reached, asked over real sockets: nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import trustme
from pytest_django import Settings

from connectors.errors import Reason
from connectors.handshake import reach
from tests.connectors.transport.driving import Drive, lead, lead_to_error, server_context
from tests.fakes import hostile
from tests.fakes.hostile import Hostile
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("loopback")

Receive = Callable[..., Hostile]


def test_a_certificate_that_is_trusted_is_told_with_its_end(
    driver: Drive, receive: Receive, authority: trustme.CA
) -> None:
    receiver = receive(hostile.friendly, tls=server_context(authority, "localhost"))

    result = lead(driver, reach(f"https://localhost:{receiver.port}/secret/path"))

    assert result.receipt is not None
    assert re.fullmatch(
        rf"localhost was reached at port {receiver.port}; its certificate is valid until \d{{4}}-\d\d-\d\d\.",
        result.receipt.note,
    )
    assert receiver.connections == 1
    assert receiver.requests in ([], [b""])
    assert result.exchanges[0]["request"] == {"method": "Handshake", "url": "localhost"}


def test_a_stranger_s_certificate_is_not(driver: Drive, receive: Receive, authority: trustme.CA) -> None:
    receiver = receive(hostile.friendly, tls=server_context(trustme.CA(), "localhost"))

    error = lead_to_error(driver, reach(f"https://localhost:{receiver.port}/"))

    assert error.reason == Reason.TLS
    assert error.text.startswith("The certificate of localhost is not to be trusted")


def test_what_does_not_speak_tls_is_told(driver: Drive, receiver: Receiver) -> None:
    error = lead_to_error(driver, reach(receiver.url.replace("http:", "https:")))

    assert (error.reason, error.retry) == (Reason.TLS, True)
    assert receiver.requests == []


def test_plain_http_is_told(driver: Drive, receiver: Receiver) -> None:
    result = lead(driver, reach(f"{receiver.url}/in"))

    assert result.receipt is not None
    port = receiver.url.rpartition(":")[2]
    assert result.receipt.note == f"127.0.0.1 was reached at port {port}, without encryption."
    assert receiver.requests == []


def test_an_address_that_may_not_be_called_is_not(
    driver: Drive, receive: Receive, settings: Settings
) -> None:
    receiver = receive(hostile.friendly)
    settings.EGRESS_ALLOW = []

    error = lead_to_error(driver, reach(receiver.url))

    assert error.reason == Reason.BLOCKED
    assert receiver.connections == 0


@pytest.mark.parametrize("behaviour", [hostile.hangs_at_once, hostile.drips_handshake])
def test_one_that_never_ends_the_handshake_is_not_waited_for(
    driver: Drive, receive: Receive, behaviour: hostile.Behaviour
) -> None:
    receiver = receive(behaviour)

    error = lead_to_error(driver, reach(f"https://localhost:{receiver.port}/"), timeout=0.3)

    assert (error.reason, error.retry) == (Reason.TIMEOUT, True)


def test_one_that_hangs_up_is_told(driver: Drive, receive: Receive) -> None:
    receiver = receive(hostile.closes_at_once)

    error = lead_to_error(driver, reach(f"https://localhost:{receiver.port}/"))

    assert error.reason in (Reason.TLS, Reason.NETWORK)
    assert error.retry
