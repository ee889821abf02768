"""What the record says in words: times, what is waited for, why something failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import Reason
from connectors.models import Connector, Delivery
from connectors.moments import in_words, shown
from connectors.next_try import next_try
from connectors.remedies import label, remedy
from tests.making import WHEN

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=3), "now"),
        (timedelta(seconds=40), "in 40 s"),
        (timedelta(minutes=4), "in 4 min"),
        (timedelta(minutes=-90), "2 h ago"),
        (timedelta(days=-3), "3 d ago"),
        (timedelta(days=-40), "6 Dec 2024"),
    ],
)
def test_a_time_is_told_by_how_far_away_it_is(away: timedelta, words: str) -> None:
    assert in_words(WHEN + away, WHEN) == words


def test_the_exact_time_is_at_hand() -> None:
    assert shown(WHEN, WHEN + 5 * MINUTE) == (
        '<time class="kg-time" datetime="2025-01-15T10:30:00Z" title="15 Jan 2025, 10:30:00 UTC">'
        "5 min ago</time>"
    )


def waiting(status: str = "retrying", **of_connector: object) -> Delivery:
    connector = Connector(name="hook", provider="webhook", **{"enabled": True, **of_connector})
    return Delivery(connector=connector, status=status, next_attempt_at=WHEN + 4 * MINUTE)


@pytest.mark.parametrize(
    ("delivery", "words"),
    [
        (waiting(), "in 4 min"),
        (waiting(paused_at=WHEN), "when resumed"),
        (waiting(enabled=False), "when enabled"),
        (waiting(breaker="open", breaker_until=WHEN + 9 * MINUTE), "in 9 min"),
        (waiting(held_until=WHEN + 9 * MINUTE), "in 9 min"),
        (waiting("sending"), "with its digest"),
        (Delivery(status="pending", next_attempt_at=WHEN), "never"),
    ],
)
def test_what_a_delivery_waits_for_is_said(delivery: Delivery, words: str) -> None:
    found = next_try(delivery, WHEN)
    assert found is not None
    assert found.words == words


def test_what_is_due_goes_as_soon_as_possible() -> None:
    found = next_try(waiting(), WHEN + 5 * MINUTE)
    assert found is not None
    assert (found.words, found.at) == ("as soon as possible", datetime(2025, 1, 15, 10, 34, tzinfo=UTC))


def test_what_is_under_way_is_being_sent() -> None:
    found = next_try(waiting(), WHEN, being_sent=True)
    assert found is not None
    assert (found.words, found.at) == ("being sent now", None)


def test_what_has_settled_has_no_next_try() -> None:
    assert next_try(waiting("delivered"), WHEN) is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_it_means_and_what_to_do(reason: Reason) -> None:
    found = remedy(reason)
    assert found is not None
    assert found.meaning.endswith(".")
    assert found.advice.endswith(".")


def test_no_reason_has_no_remedy() -> None:
    assert remedy("") is None


def test_a_reason_is_written_as_people_write_it() -> None:
    assert [label("server_error"), label("tls")] == ["server error", "TLS"]
