"""A clock that is set back by an hour: nothing that was to go waits that hour for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from time_machine import Traveller

from connectors.engine import leases
from connectors.engine.breaker import LONGEST, OPENS_AFTER
from connectors.engine.claim import claim
from connectors.engine.send import deliver
from connectors.models import Connector, Delivery, Lease
from connectors.outbox import Order, enqueue
from connectors.tasks import sweep
from tests.making import make_connector, make_message, statuses
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

BACK = -3_600.0


def queue(connector: Connector, *names: str) -> None:
    enqueue([Order(connector, make_message(id=name, key=name), "test") for name in names])


def test_a_connector_with_a_rate_goes_on_at_its_rate(receiver: Receiver, clock: Traveller) -> None:
    connector = make_connector(url=receiver.url)
    Connector.objects.update(rate_per_second=1)
    queue(connector, "a", "b")
    deliver(connector.pk)
    deliver(connector.pk)
    assert statuses(connector) == ["delivered", "pending"]

    clock.shift(BACK)
    sweep()
    deliver(connector.pk)
    assert statuses(connector) == ["delivered", "pending"]
    clock.shift(1.1)
    deliver(connector.pk)

    assert statuses(connector) == ["delivered", "delivered"]


def test_a_circuit_that_is_open_is_tried_again_at_once(receiver: Receiver, clock: Traveller) -> None:
    connector = make_connector(url=receiver.url)
    until = timezone.now() + LONGEST
    Connector.objects.update(
        breaker="open", failures_in_row=OPENS_AFTER, breaker_trips=9, breaker_until=until
    )

    clock.shift(BACK)
    queue(connector, "a")
    deliver(connector.pk)

    assert (statuses(connector), Connector.objects.get().breaker) == (["delivered"], "closed")


def test_a_circuit_whose_probe_died_is_tried_again_at_once(receiver: Receiver, clock: Traveller) -> None:
    connector = make_connector(url=receiver.url)
    until = timezone.now() + leases.LENGTH
    Connector.objects.update(
        breaker="half_open", failures_in_row=OPENS_AFTER, breaker_trips=1, breaker_until=until
    )

    clock.shift(BACK)
    queue(connector, "a")
    deliver(connector.pk)

    assert (statuses(connector), Connector.objects.get().breaker) == (["delivered"], "closed")


def test_a_dead_sender_is_found_as_soon_as_ever() -> None:
    connector = make_connector()
    queue(connector, "a")
    claim(connector.pk)
    Lease.objects.update(until=F("until") - timedelta(seconds=BACK))

    sweep()

    assert Lease.objects.get().until <= leases.clock() + leases.LENGTH

    Lease.objects.update(until=leases.clock() - timedelta(seconds=1))
    sweep()

    assert Lease.objects.count() == 0


def test_what_was_written_is_due_now(receiver: Receiver, clock: Traveller) -> None:
    connector = make_connector(url=receiver.url)
    queue(connector, "a")

    clock.shift(BACK)
    sweep()
    deliver(connector.pk)

    assert statuses(connector) == ["delivered"]


def test_what_is_written_by_a_clock_that_is_a_little_ahead_is_left_alone(
    clock: Traveller,
) -> None:
    queue(make_connector(), "a")
    ahead = timezone.now() + timedelta(seconds=50)
    Delivery.objects.update(created_at=ahead, next_attempt_at=ahead)

    sweep()

    assert Delivery.objects.get().next_attempt_at == ahead
