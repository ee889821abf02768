"""How connectors and tests fare, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors.fields import Unreadable
from connectors.health import State, health, result_of_test
from connectors.models import Attempt, Connector, Delivery, DeliveryStatus, Outcome
from connectors.outbox import Order, delivery_for
from tests.making import make_connector, make_message

NOW = timezone.now()
EARLIER = NOW - timedelta(hours=1)
LATER = datetime(2125, 1, 15, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "state", "words"),
    [
        ({}, State.UNTRIED, "Nothing has been sent yet. Test it."),
        ({"last_success_at": NOW, "last_failure_at": EARLIER}, State.WORKING, "The last attempt arrived."),
        (
            {"last_success_at": EARLIER, "last_failure_at": NOW, "last_failure": "HTTP 502"},
            State.FAILING,
            "The last attempt failed: HTTP 502",
        ),
        (
            {"last_failure_at": NOW, "last_failure": "HTTP 429", "held_until": LATER},
            State.FAILING,
            "Nothing is sent until 15 Jan 2125, 11:30:00 UTC. The last attempt failed: HTTP 429",
        ),
        (
            {"last_success_at": NOW, "paused_at": NOW, "paused_reason": "The token was revoked."},
            State.PAUSED,
            "Paused: The token was revoked.",
        ),
    ],
)
def test_a_connector_fares_as_its_last_attempts_did(fields: dict[str, Any], state: State, words: str) -> None:
    found = health(Connector(name="hook", provider="webhook", **fields))
    assert (found.state, found.words) == (state, words)


def test_unreadable_secrets_are_told_first() -> None:
    secrets = Unreadable(Connector._meta.get_field("secrets"))
    found = health(Connector(name="hook", provider="webhook", secrets=secrets, last_success_at=NOW))
    assert found.state is State.UNREADABLE


def delivery(status: DeliveryStatus, outcome: Outcome = Outcome.DELIVERED, note: str = "") -> Delivery:
    """A test delivery that came to this."""
    made = delivery_for(Order(make_connector(f"{status} {outcome} {note}"), make_message(), "test"))
    made.status, made.note = status, note
    made.save(force_insert=True)
    Attempt.objects.create(delivery=made, number=1, outcome=outcome)
    return made


@pytest.mark.django_db
def test_a_test_that_was_only_accepted_does_not_claim_more() -> None:
    found = result_of_test(delivery(DeliveryStatus.DELIVERED, Outcome.ACCEPTED))
    assert (found.state, "gives no proof" in found.words) == (State.WORKING, True)


@pytest.mark.django_db
def test_what_the_service_said_stands_behind_the_result() -> None:
    assert (
        result_of_test(delivery(DeliveryStatus.FAILED, note="HTTP 404.")).words
        == "The test failed. HTTP 404."
    )
    assert result_of_test(delivery(DeliveryStatus.DELIVERED)).words == "The test message arrived."


@pytest.mark.django_db
def test_what_a_test_opened_and_could_not_close_is_a_failure() -> None:
    opened, closed = delivery(DeliveryStatus.DELIVERED), delivery(DeliveryStatus.FAILED, note="HTTP 500.")
    found = result_of_test(opened, closed)
    assert (found.state, found.words) == (
        State.FAILING,
        "The test message arrived, but what it opened could not be closed: close it by hand. HTTP 500.",
    )
    assert result_of_test(opened, opened).words == "The test message arrived and was closed again."
