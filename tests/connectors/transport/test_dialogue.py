"""What a conversation ends in, whatever its provider does, and what is put on record of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import responses
from pytest_django import Settings

from connectors.conversation import Conversation, Receipt, Request, get, post
from connectors.errors import Reason, SendError
from connectors.secrets import Redactor
from connectors.transport.drive import drive
from tests.connectors.transport.driving import Drive, lead, lead_to_error, once
from tests.fakes import hostile
from tests.fakes.hostile import Hostile
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("loopback")


# --- Faults of our own ----------------------------------------------------------------------------------


def test_a_fault_in_a_provider_ends_on_record_and_its_message_only_in_the_log(
    driver: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    def conversation() -> Conversation:
        raise ValueError("token s3cr3t-value is odd")
        yield

    with caplog.at_level(logging.ERROR):
        error = lead_to_error(driver, conversation(), redactor=Redactor(["s3cr3t-value"]))

    assert (error.reason, error.retry) == (Reason.INTERNAL, True)
    assert error.text == "A fault of our own: ValueError. The log says more."
    assert "token *** is odd" in caplog.text
    assert "s3cr3t-value" not in caplog.text


def test_a_provider_that_returns_no_receipt_is_a_fault_of_our_own(driver: Drive, receiver: Receiver) -> None:
    def conversation() -> Conversation:
        yield get(receiver.url)
        return None  # type: ignore[return-value]  # what the test is about

    error = lead_to_error(driver, conversation())

    assert (error.reason, error.text) == (Reason.INTERNAL, "The connector's code ended without a receipt.")


def test_a_provider_that_asks_for_something_else_is_a_fault_of_our_own(driver: Drive) -> None:
    def conversation() -> Conversation:
        yield "https://example.com/"  # type: ignore[misc]  # what the test is about
        return Receipt()

    error = lead_to_error(driver, conversation())

    assert (error.reason, error.text) == (Reason.INTERNAL, "The connector's code asked for a str.")


def test_one_fault_does_not_touch_the_others(driver: Drive, receiver: Receiver) -> None:
    def broken() -> Conversation:
        raise KeyError("x")
        yield

    results = dict(
        result for together in driver({1: broken(), 2: once(get(receiver.url))}) for result in together
    )

    assert results[1].error is not None
    assert results[2].error is None


def test_nothing_to_do_is_done_at_once(driver: Drive) -> None:
    assert list(driver({})) == []


# --- The record -----------------------------------------------------------------------------------------


def test_an_exchange_is_on_record_without_secrets(driver: Drive, receiver: Receiver) -> None:
    secret_url = f"{receiver.url}/services/T0001/B0002/abcdefghijklmnop?sig=xyzxyzxyz"
    token = "token-0123456789"
    receiver.script([(201, {"X-Echo": token, "Set-Cookie": "a=b"}, f"thanks for {token}")])
    request = post(secret_url, payload={"a": token}, headers={"Authorization": "any", "X-Plain": "visible"})

    result = lead(driver, once(request), redactor=Redactor([secret_url, token]))

    [exchange] = result.exchanges
    assert exchange["request"] == {
        "method": "POST",
        "url": f"{receiver.url}***?***",
        "headers": {"Content-Type": "application/json", "Authorization": "***", "X-Plain": "visible"},
        "body": '{"a":"***"}',
    }
    response = exchange["response"]
    assert (response["status"], response["body"]) == (201, "thanks for ***")
    assert (response["headers"]["x-echo"], response["headers"]["set-cookie"]) == ("***", "***")
    assert exchange["duration_ms"] >= 0
    for secret in ("abcdefghijklmnop", "xyzxyzxyz", token, "T0001"):
        assert secret not in str(result.exchanges)


def test_what_is_long_is_cut_on_record(driver: Drive, receiver: Receiver) -> None:
    receiver.script([(200, {}, "b" * 5000)])

    result = lead(driver, once(Request("POST", receiver.url, {}, b"a" * 5000)))

    [exchange] = result.exchanges
    assert exchange["request"]["body"] == "a" * 2047 + "…"
    assert exchange["response"]["body"] == "b" * 1023 + "…"


def test_a_secret_at_the_cut_is_not_left_in_half(driver: Drive, receiver: Receiver) -> None:
    secret = "0123456789abcdef"
    receiver.script([(200, {}, "b" * 1015 + secret)])

    result = lead(driver, once(get(receiver.url)), redactor=Redactor([secret]))

    assert result.exchanges[0]["response"]["body"] == "b" * 1015 + "***"


def test_an_error_is_on_record_and_without_secrets(driver: Drive, receiver: Receiver) -> None:
    receiver.script([(400, {}, "no such key: k-0123456789")])

    def conversation() -> Conversation:
        response = yield get(receiver.url)
        raise SendError(Reason.AUTH, response.text, disable=True, retry_after=3)

    result = lead(driver, conversation(), redactor=Redactor(["k-0123456789"]))

    assert result.error is not None
    assert (result.error.text, result.error.disable, result.error.retry_after) == (
        "no such key: ***",
        True,
        3,
    )
    assert result.http_status == 400


def test_an_exchange_without_an_answer_has_its_error_on_record(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    result = lead(driver, once(get(receive(hostile.closes_early).url)))

    assert result.exchanges[0]["error"] == {
        "reason": "network",
        "text": "localhost closed the connection without an answer.",
    }
    assert result.http_status is None


def test_a_receipt_has_nothing_in_it_that_the_database_does_not_take(
    driver: Drive, receiver: Receiver
) -> None:
    receiver.script([(200, {}, b'{"id": "a\\u0000b\\ud800", "list": ["\\u0000"]}')])

    def conversation() -> Conversation:
        response = yield get(receiver.url)
        return Receipt(response.object, note="a\0b")

    assert lead(driver, conversation()).receipt == Receipt({"id": "ab", "list": [""]}, note="ab")


@responses.activate
def test_responses_can_stand_in_for_the_network(settings: Settings) -> None:
    settings.HTTP_DRIVER = "requests"
    responses.post("https://api.example.com/v1/things", json={"id": 7}, status=201)

    result = lead(drive, once(post("https://api.example.com/v1/things", payload={"a": 1})))

    assert result.receipt is not None
    assert result.receipt.remote["body"] == '{"id": 7}'
    assert responses.calls[0].request.body == b'{"a":1}'
