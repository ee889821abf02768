"""Leasing a delivery while somebody else is just deciding about it."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from connectors.engine import leases
from connectors.engine.claim import claim_one
from connectors.models import Delivery
from connectors.outbox import Order, enqueue
from tests.making import make_connector, make_message
from tests.races.at_once import Meanwhile, until_it_waits

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_are_locked")]


def test_one_that_somebody_is_just_leasing_is_not_leased_as_well() -> None:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    delivery = Delivery.objects.get()

    with transaction.atomic():
        leases.lock(connector.pk)
        leases.take(connector.pk, [str(delivery.pk)], timezone.now())
        claiming = Meanwhile(lambda: claim_one(delivery).deliveries)
        until_it_waits(claiming)

    assert claiming.result() == ()
