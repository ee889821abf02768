"""Which deliveries are taken, in which order, and by whom."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from connectors.engine.claim import BATCH, LEASE, cancel_orphans, claim, due
from connectors.message import Message, Severity
from connectors.models import Attempt, Connector, Delivery
from connectors.outbox import Order, enqueue
from tests.making import make_connector, make_message, make_resolve, statuses

pytestmark = pytest.mark.django_db


def queue(connector: Connector, *names: str, severity: Severity = Severity.HIGH) -> None:
    enqueue([Order(connector, make_message(id=n, key=n, severity=severity), "test") for n in names])


def take(limit: int = BATCH) -> list[str]:
    """The message ids of a claim."""
    return [delivery.message_id for delivery in claim(due(timezone.now()), limit).deliveries]


def expire_leases() -> None:
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_oldest_first_with_critical_ahead() -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    queue(connector, "c", severity=Severity.CRITICAL)

    assert take() == ["c", "a", "b"]


def test_what_is_claimed_is_not_claimed_again() -> None:
    queue(make_connector(), "a", "b", "c")

    assert take(2) == ["a", "b"]
    assert take(2) == ["c"]
    assert take(2) == []


def test_a_claim_opens_an_attempt_before_anything_is_sent() -> None:
    queue(make_connector(), "a")

    claimed = claim(due(timezone.now()))

    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.finished_at) == (1, "open", None)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.lease_token, delivery.attempt_count) == ("sending", claimed.token, 1)
    assert delivery.lease_until is not None
    assert delivery.lease_until <= timezone.now() + LEASE


def test_a_lease_that_ran_out_is_taken_over_and_its_attempt_closed_as_unknown() -> None:
    queue(make_connector(), "a")
    take()
    expire_leases()

    assert take() == ["a"]

    first, second = Attempt.objects.order_by("number")
    assert (first.outcome, first.reason) == ("unknown", "unknown")
    assert first.finished_at is not None
    assert (second.number, second.outcome) == (2, "open")


def test_a_resolve_waits_for_its_trigger() -> None:
    connector = make_connector()
    trigger = make_message()
    enqueue([Order(connector, trigger, "test")])
    Delivery.objects.update(attempt_count=1, status="retrying", next_attempt_at=timezone.now() + LEASE)
    enqueue([Order(connector, make_resolve(trigger), "test")])

    assert take() == []

    Delivery.objects.filter(status="retrying").update(status="delivered")
    assert take() == [trigger.id]


def test_a_trigger_of_one_connector_does_not_hold_up_another() -> None:
    slow, quick = make_connector("slow"), make_connector("quick")
    for connector in (slow, quick):
        enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.filter(connector=slow).update(next_attempt_at=timezone.now() + LEASE)

    assert take() == ["event-1"]


def test_a_resolve_of_what_never_arrived_is_cancelled_without_an_attempt() -> None:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.update(status="failed", attempt_count=8)
    enqueue([Order(connector, make_resolve(make_message()), "test")])

    claimed = claim(due(timezone.now()))

    assert claimed.considered == 1
    assert claimed.deliveries == ()
    assert statuses(connector) == ["failed", "cancelled"]
    assert Attempt.objects.count() == 0


def test_what_waits_for_its_next_try_is_left() -> None:
    queue(make_connector(), "a")
    Delivery.objects.update(status="retrying", next_attempt_at=timezone.now() + timedelta(seconds=5))

    assert take() == []


def test_what_was_on_its_way_through_a_deleted_connector_is_cancelled_and_stays_readable() -> None:
    connector = make_connector("gone soon")
    queue(connector, "a")
    connector.delete()

    cancel_orphans()

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.note) == ("cancelled", "Its connector was deleted.")
    assert (delivery.connector_name, delivery.provider) == ("gone soon", "webhook")


@pytest.mark.django_db(transaction=True)
def test_many_senders_at_once_never_claim_the_same_delivery() -> None:
    queue(make_connector(), *(str(n) for n in range(120)))
    taken: list[str] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        while mine := take(5):
            taken.extend(mine)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(taken, key=int) == [str(n) for n in range(120)]


def test_what_follows_up_what_never_arrived_is_not_sent() -> None:
    connector = make_connector()
    queue(connector, "a")
    take()
    Delivery.objects.update(status="failed", attempt_count=9)
    opening = make_message(id="a", key="a")
    acknowledged = Message.from_json({**opening.to_json(), "status": "acknowledged"})
    enqueue([Order(connector, acknowledged, "test")])

    assert take() == []
    assert Delivery.objects.get(status="cancelled").note == "What it acknowledges never arrived."


def test_an_acknowledgement_leaves_after_what_it_acknowledges() -> None:
    connector = make_connector()
    opening = make_message(id="a", key="a")
    acknowledged = Message.from_json({**opening.to_json(), "status": "acknowledged"})
    enqueue([Order(connector, opening, "test"), Order(connector, acknowledged, "test")])

    assert take() == ["a"]
    assert take() == []
    Delivery.objects.filter(status="sending").update(status="delivered", lease_until=None)
    assert [delivery.said().status for delivery in claim(due(timezone.now())).deliveries] == ["acknowledged"]


def test_what_is_claimed_says_what_was_ordered() -> None:
    said = make_message(title="half a pair: \ud83d" if connection.vendor == "sqlite" else "whole: 🔥")
    enqueue([Order(make_connector(), said, "test")])

    [leased] = claim(due(timezone.now())).deliveries

    assert leased.said() == said
