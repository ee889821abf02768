"""What a status means where the service says nothing of its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.conversation import Response
from connectors.errors import Reason, SendError
from connectors.verdict import failure, require_success, retry_after

NOW = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_a_success(status: int) -> None:
    response = Response(status)

    assert failure(response) is None
    assert require_success(response) is response


@pytest.mark.parametrize(
    ("status", "reason", "retry", "disable"),
    [
        (100, Reason.BAD_ANSWER, True, False),
        (301, Reason.REDIRECT, False, False),
        (308, Reason.REDIRECT, False, False),
        (400, Reason.INVALID_MESSAGE, False, False),
        (401, Reason.AUTH, False, True),
        (403, Reason.AUTH, False, False),
        (404, Reason.GONE, False, False),
        (408, Reason.SERVER_ERROR, True, False),
        (409, Reason.SERVER_ERROR, True, False),
        (410, Reason.GONE, False, True),
        (422, Reason.INVALID_MESSAGE, False, False),
        (425, Reason.SERVER_ERROR, True, False),
        (429, Reason.RATE_LIMITED, True, False),
        (500, Reason.SERVER_ERROR, True, False),
        (503, Reason.SERVER_ERROR, True, False),
        (599, Reason.SERVER_ERROR, True, False),
    ],
)
def test_each_status_has_its_verdict(status: int, reason: Reason, retry: bool, disable: bool) -> None:
    error = failure(Response(status, {}, b""))

    assert error is not None
    assert (error.reason, error.retry, error.disable) == (reason, retry, disable)
    assert f"HTTP {status}" in error.text


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_other_than_2xx_is_a_failure(status: int) -> None:
    assert (failure(Response(status)) is None) is (status < 300)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503])
def test_retry_after_is_honoured_where_another_try_makes_sense(status: int) -> None:
    error = failure(Response(status, {"retry-after": "7"}))

    assert error is not None
    assert error.retry_after == 7


def test_the_beginning_of_the_answer_is_quoted_on_one_line() -> None:
    error = failure(Response(400, {}, b"no\r\n  such\tchannel" + b"x" * 1000))

    assert error is not None
    assert error.text.startswith("HTTP 400: no such channelxxx")
    assert len(error.text) == len("HTTP 400: ") + 300


def test_a_failure_is_raised() -> None:
    with pytest.raises(SendError) as caught:
        require_success(Response(503))

    assert caught.value.reason == Reason.SERVER_ERROR


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("Wed, 15 Jan 2025 10:31:00 GMT", 60.0),
        ("Wed, 15 Jan 2025 10:31:00 -0000", 60.0),
        ("Wed, 15 Jan 2025 10:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٧", None),
        ("99 Foo 99999 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_without_the_header_there_is_no_time_to_wait() -> None:
    assert retry_after({}, NOW) is None
