"""Receivers that are slow, endless or broken: each is given up in time, and told in words."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable

import pytest
import trustme
from pytest_django import Settings

from connectors.conversation import Call, Connect, Conversation, Receipt, Request, Response, get, post
from connectors.errors import Reason, SendError
from tests.connectors.transport.driving import Drive, lead, lead_to_error, once, server_context
from tests.fakes import hostile
from tests.fakes.hostile import Behaviour, Hostile
from tests.receiver import Receiver
from tests.waiting import BUSY, PATIENCE

pytestmark = pytest.mark.usefixtures("loopback")

LIMIT = 0.6
"""Seconds that an exchange may take in these tests."""


# --- How long -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [hostile.hangs, hostile.drips_head, hostile.drips_body])
@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_a_receiver_that_takes_its_time_is_given_up_at_the_deadline(
    driver: Drive,
    receive: Callable[..., Hostile],
    authority: trustme.CA,
    behaviour: Behaviour,
    encrypted: bool,
) -> None:
    receiver = receive(behaviour, tls=server_context(authority, "localhost") if encrypted else None)
    started = time.monotonic()

    error = lead_to_error(driver, once(post(f"{receiver.url}/secret-path", payload={})), timeout=LIMIT)

    assert LIMIT <= time.monotonic() - started < LIMIT + BUSY
    assert (error.reason, error.retry) == (Reason.TIMEOUT, True)
    assert error.text.startswith("No complete answer from localhost within 0.6")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("behaviour", [hostile.hangs_at_once, hostile.drips_handshake])
def test_a_tls_handshake_that_takes_its_time_is_given_up_at_the_deadline(
    driver: Drive, receive: Callable[..., Hostile], behaviour: Behaviour
) -> None:
    receiver = receive(behaviour)
    started = time.monotonic()

    error = lead_to_error(driver, once(get(f"https://localhost:{receiver.port}/")), timeout=LIMIT)

    assert time.monotonic() - started < LIMIT + BUSY
    assert (error.reason, error.retry) == (Reason.TIMEOUT, True)


def test_a_receiver_that_does_not_take_the_request_is_given_up_at_the_deadline(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    receiver = receive(hostile.hangs_at_once)
    started = time.monotonic()

    error = lead_to_error(driver, once(Request("POST", receiver.url, {}, bytes(50_000_000))), timeout=LIMIT)

    assert time.monotonic() - started < LIMIT + BUSY
    assert error.reason == Reason.TIMEOUT


def test_a_slow_one_holds_up_no_other(
    driver: Drive, receive: Callable[..., Hostile], receiver: Receiver
) -> None:
    slow = receive(hostile.hangs)
    conversations: dict[object, Conversation] = {
        "slow": once(get(slow.url)),
        **{n: once(get(receiver.url)) for n in range(20)},
    }

    results = [key for together in driver(conversations, timeout=LIMIT, concurrency=4) for key, _ in together]

    assert results[-1] == "slow"
    assert set(results) == set(conversations)
    assert len(receiver.requests) == 20


def test_what_has_ended_is_handed_on_while_another_hangs(
    driver: Drive, receive: Callable[..., Hostile], receiver: Receiver
) -> None:
    slow = receive(hostile.hangs)
    results = driver({"slow": once(get(slow.url)), "quick": once(get(receiver.url))}, timeout=LIMIT)

    [(key, result)] = next(results)

    assert (key, result.error) == ("quick", None)
    [(key, _)] = next(results)
    assert key == "slow"


def test_a_conversation_that_does_not_give_up_is_ended(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    receiver = receive(hostile.hangs)

    def conversation() -> Conversation:
        while True:
            with contextlib.suppress(SendError):
                yield get(receiver.url)

    error = lead_to_error(driver, conversation(), timeout=LIMIT, total=3 * LIMIT)

    assert (error.reason, error.retry) == (Reason.TIMEOUT, True)
    assert error.text == "The exchange with localhost took too long altogether."
    assert 2 <= len(receiver.requests) <= 3


def test_no_more_conversations_than_allowed_are_under_way(
    driver: Drive, receivers: Callable[..., Receiver]
) -> None:
    lock, three = threading.Lock(), threading.Event()
    busy, most = 0, 0

    def answer(_: object) -> tuple[int, dict[str, str], bytes]:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        if busy == 3:
            three.set()
        three.wait(PATIENCE)
        threading.Event().wait(0.02)
        with lock:
            busy -= 1
        return 200, {}, b"ok"

    receiver = receivers(answer)

    results = list(driver({n: once(get(receiver.url)) for n in range(12)}, concurrency=3))

    assert all(result.error is None for together in results for _, result in together)
    assert most == 3


def test_given_up_half_way_nothing_more_is_begun(driver: Drive, receivers: Callable[..., Receiver]) -> None:
    def answer(_: object) -> tuple[int, dict[str, str], bytes]:
        if len(receiver.requests) > 1:
            threading.Event().wait(0.5)  # far longer than it takes to give up
        return 200, {}, b"ok"

    receiver = receivers(answer)
    results = driver({n: once(get(receiver.url)) for n in range(50)}, concurrency=1)
    next(results)

    results.close()  # type: ignore[attr-defined]  # it is a generator

    assert len(receiver.requests) < 5


# --- How much -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [hostile.huge_body, hostile.gzip_bomb])
def test_of_a_huge_answer_only_64_kib_are_read(
    driver: Drive, receive: Callable[..., Hostile], behaviour: Behaviour
) -> None:
    receiver = receive(behaviour)

    def conversation() -> Conversation:
        response = yield get(receiver.url)
        return Receipt({"length": len(response.body), "truncated": response.truncated})

    result = lead(driver, conversation())

    assert result.receipt == Receipt({"length": 65536, "truncated": True})
    assert result.exchanges[0]["response"]["truncated"] is True


def test_an_answer_of_exactly_64_kib_is_whole(driver: Drive, receiver: Receiver) -> None:
    receiver.script([(200, {}, b"a" * 65536)])

    result = lead(driver, once(get(receiver.url)))

    assert result.receipt is not None
    assert (len(result.receipt.remote["body"]), result.receipt.remote["truncated"]) == (65536, False)


def test_memory_stays_small_whatever_is_sent(driver: Drive, receive: Callable[..., Hostile]) -> None:
    receiver = receive(hostile.huge_body)
    lead(driver, once(get(receiver.url)))
    gc.collect()
    tracemalloc.start()

    lead(driver, once(get(receiver.url)))

    # The receiver's own megabyte is among it.
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


# --- Broken answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "reason", "text"),
    [
        (hostile.closes_early, Reason.NETWORK, "localhost closed the connection without an answer."),
        (
            hostile.half_an_answer,
            Reason.NETWORK,
            "localhost closed the connection in the middle of its answer.",
        ),
        (
            hostile.half_a_chunk,
            Reason.NETWORK,
            "localhost closed the connection in the middle of its answer.",
        ),
        (hostile.resets, Reason.NETWORK, "localhost reset the connection."),
        (
            hostile.babbles,
            Reason.BAD_ANSWER,
            "localhost sent what is not a proper HTTP answer (it does not begin like one).",
        ),
        (
            hostile.huge_header,
            Reason.BAD_ANSWER,
            "localhost sent what is not a proper HTTP answer (its headers are too many or too long).",
        ),
        (
            hostile.many_headers,
            Reason.BAD_ANSWER,
            "localhost sent what is not a proper HTTP answer (its headers are too many or too long).",
        ),
        (
            hostile.not_gzip,
            Reason.BAD_ANSWER,
            "localhost sent what is not a proper HTTP answer (its body is not packed as it says).",
        ),
    ],
)
def test_a_broken_answer_is_told_in_words_and_asked_for_only_once(
    driver: Drive, receive: Callable[..., Hostile], behaviour: Behaviour, reason: Reason, text: str
) -> None:
    receiver = receive(behaviour)

    error = lead_to_error(driver, once(post(f"{receiver.url}/secret-path", payload={})))

    assert (error.reason, error.text, error.retry, error.disable) == (reason, text, True, False)
    assert (receiver.connections, len(receiver.requests)) == (1, 1)


def test_a_receiver_that_hangs_up_at_once_is_a_network_error(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    receiver = receive(hostile.closes_at_once)

    error = lead_to_error(driver, once(get(receiver.url)))

    assert (error.reason, error.retry, receiver.connections) == (Reason.NETWORK, True, 1)


def test_a_port_that_nobody_listens_on_is_a_network_error(driver: Drive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    error = lead_to_error(driver, once(get(f"http://127.0.0.1:{port}/secret-path")))

    assert (error.reason, error.retry) == (Reason.NETWORK, True)
    assert error.text == f"No connection to 127.0.0.1, port {port} (127.0.0.1: Connection refused)."


def test_an_answer_that_is_not_utf_8_is_readable(driver: Drive, receiver: Receiver) -> None:
    receiver.script([(200, {}, b"Gr\xfc\xdfe\x00")])

    result = lead(driver, once(get(receiver.url)))

    assert result.receipt is not None
    assert result.receipt.remote["body"] == "Gr��e"
    assert result.exchanges[0]["response"]["body"] == "Gr��e"


# --- Calls that are not HTTP ----------------------------------------------------------------------------


class Greeting(Call):
    """Reads one line and answers."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self.port = host, port

    @property
    def host(self) -> str:
        return self._host

    def perform(self, connect: Connect, deadline: float) -> Response:
        with connect(self.host, self.port, deadline - time.monotonic()) as connection:
            connection.settimeout(30)
            connection.sendall(b"hello\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\n"):
                piece = connection.recv(1)
                if not piece:
                    raise SendError(Reason.NETWORK, "It hung up.", retry=True)
                answer += piece
            return Response(220, {}, answer)


def test_a_call_is_performed_over_an_allowed_connection(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    receiver = receive(hostile.babbles)

    result = lead(driver, once(Greeting("localhost", receiver.port)))

    assert result.receipt is not None
    assert result.receipt.remote["body"] == "220 mail.example.com ESMTP\n"
    [exchange] = result.exchanges
    assert exchange["request"] == {"method": "Greeting", "url": "localhost"}
    assert exchange["response"]["status"] == 220


def test_a_call_to_a_private_address_is_refused(
    driver: Drive, receive: Callable[..., Hostile], settings: Settings
) -> None:
    settings.EGRESS_ALLOW = []
    receiver = receive(hostile.babbles)

    error = lead_to_error(driver, once(Greeting("localhost", receiver.port)))

    assert (error.reason, receiver.connections) == (Reason.BLOCKED, 0)


def test_a_call_that_is_answered_too_slowly_is_cut_at_the_deadline(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    receiver = receive(hostile.drips_a_line)
    started = time.monotonic()

    error = lead_to_error(driver, once(Greeting("localhost", receiver.port)), timeout=LIMIT)

    assert time.monotonic() - started < LIMIT + BUSY
    assert error.reason == Reason.TIMEOUT
