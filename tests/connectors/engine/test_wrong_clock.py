"""A worker on a machine whose clock is wrong: what others are sending is left to them all the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from connectors.engine import leases
from connectors.engine.claim import claim, claim_one
from connectors.engine.send import deliver
from connectors.models import Attempt, Connector, Delivery, Lease
from connectors.outbox import Order, enqueue
from connectors.tasks import sweep
from tests.making import make_connector, make_message, statuses
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

OFF = [timedelta(minutes=10), timedelta(minutes=-10)]
SOON = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def _clocks_may_differ() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Whoever shares a file shares a clock.")


def queued() -> Connector:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    return connector


@pytest.mark.parametrize("off", OFF)
def test_it_takes_nobody_for_dead_who_lives(off: timedelta) -> None:
    claim(queued().pk)
    until = Lease.objects.get().until

    with time_machine.travel(timezone.now() + off):
        sweep()
    sweep()

    assert Lease.objects.get().until == until
    assert Attempt.objects.count() == 0


@pytest.mark.parametrize("off", OFF)
def test_it_has_no_next_try_of_others_come_early(off: timedelta) -> None:
    queued()
    later = timezone.now() + timedelta(hours=1)
    Delivery.objects.update(status="retrying", attempt_count=1, next_attempt_at=later)

    with time_machine.travel(timezone.now() + off):
        sweep()

    assert Delivery.objects.get().next_attempt_at == later


def test_it_sends_what_others_order_although_it_is_slow(receiver: Receiver) -> None:
    connector = make_connector(url=receiver.url)
    enqueue([Order(connector, make_message(), "test")])

    with time_machine.travel(timezone.now() - timedelta(minutes=10)):
        sweep()
        deliver(connector.pk)

    assert statuses(connector) == ["delivered"]


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("alone", [False, True])
def test_its_own_death_is_noticed_as_soon_as_ever(off: timedelta, alone: bool) -> None:
    connector = queued()

    with time_machine.travel(timezone.now() + off):
        Delivery.objects.update(next_attempt_at=timezone.now())
        claimed = claim_one(Delivery.objects.get()) if alone else claim(connector.pk)

    assert claimed.deliveries
    lease, now = Lease.objects.get(), timezone.now()
    assert now - SOON < lease.began_at <= now
    assert lease.until - lease.began_at == leases.LENGTH
