"""How connectors fare in numbers, and that a list costs no more queries than a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connectors import outbox, tally, text
from connectors.errors import Reason
from connectors.models import Attempt, Connector, Delivery, Outcome
from connectors.outbox import Order, delivery_for
from connectors.vitals import Vitals, vitals_of
from tests.calling import Caller
from tests.making import make_connector, make_message, written

pytestmark = pytest.mark.django_db


def tried(connector: Connector, seconds: float, outcome: Outcome = Outcome.DELIVERED) -> None:
    """An attempt of a moment ago is counted."""
    now = timezone.now()
    delivery = delivery_for(Order(connector, make_message(), "test"))
    reason = Reason.TIMEOUT if outcome == Outcome.FAILED else ""
    attempt = Attempt(delivery=delivery, number=1, started_at=now, outcome=outcome, reason=reason)
    attempt.finished_at = now + timedelta(seconds=seconds)
    tally.add_attempts([(delivery, attempt)])


def waiting(connector: Connector, name: str = "a", age: timedelta = timedelta()) -> Delivery:
    """A delivery that has not settled."""
    (delivery,) = written(outbox.enqueue([Order(connector, make_message(id=name, key=name), "test")]))
    delivery.created_at = timezone.now() - age
    delivery.save()
    return delivery


def test_nothing_tried_has_no_rate() -> None:
    connector = make_connector()
    found = vitals_of([connector])[connector.pk]
    assert (found, found.success_rate) == (Vitals(), None)
    assert found.words == "Nothing was tried in the last 24 hours."


def test_the_rate_is_the_share_that_arrived() -> None:
    connector = make_connector()
    for outcome in (Outcome.DELIVERED, Outcome.ACCEPTED, Outcome.FAILED, Outcome.DELIVERED):
        tried(connector, 0.004, outcome)
    tally.add_lost([delivery_for(Order(connector, make_message(), "test"))])

    found = vitals_of([connector])[connector.pk]

    assert (found.attempts, found.arrived, found.success_rate) == (5, 3, 0.6)


def test_latency_is_that_of_the_attempts_that_ended() -> None:
    connector = make_connector()
    for seconds in [0.004] * 90 + [4.0] * 10:
        tried(connector, seconds)

    found = vitals_of([connector])[connector.pk]

    assert found.latency_p50 == pytest.approx(0.004, abs=0.001)
    assert found.latency_p95 == pytest.approx(4.0, abs=1.0)


def test_what_waits_is_counted_with_its_oldest() -> None:
    connector, other = make_connector("a"), make_connector("b")
    waiting(connector, "new")
    oldest = waiting(connector, "old", timedelta(hours=3))
    waiting(other)

    found = vitals_of([connector])[connector.pk]

    assert (found.waiting, found.oldest_waiting_at) == (2, oldest.created_at)
    assert found.words.endswith(f"2 waiting, the oldest since {text.moment(oldest.created_at)}.")


def test_all_connectors_take_two_queries(django_assert_num_queries: Any) -> None:
    connectors = [make_connector(str(number)) for number in range(5)]
    for connector in connectors:
        tried(connector, 0.1)
        waiting(connector)
    with django_assert_num_queries(2):
        found = vitals_of(connectors)
    assert [found[connector.pk].waiting for connector in connectors] == [1] * 5


# --- Over the API and in the admin ----------------------------------------------------------------------


def test_the_api_says_how_a_connector_fares() -> None:
    connector = make_connector()
    tried(connector, 0.15)
    waiting(connector, age=timedelta(seconds=90))
    caller = Caller(everything=True)

    health = caller.get(f"connectors/{connector.pk}/")["health"]

    assert 90 <= health.pop("oldest_waiting_seconds") < 120
    assert health.pop("oldest_waiting_at").endswith("Z")
    assert health == {
        "attempts": 1,
        "arrived": 1,
        "success_rate": 1.0,
        "latency_p50": 0.125,
        "latency_p95": 0.1475,
        "waiting": 1,
    }
    (listed,) = caller.get("connectors/")["results"]
    assert listed["health"]["waiting"] == 1


def test_a_list_of_many_takes_no_more_queries_than_a_list_of_one() -> None:
    caller = Caller(everything=True)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            caller.get("connectors/")
        return len(captured)

    make_connector("0")
    one = queries()
    for number in range(1, 20):
        tried(make_connector(str(number)), 0.1)
    assert queries() == one


def test_what_was_read_can_be_sent_back_though_the_numbers_have_changed() -> None:
    connector = make_connector()
    caller = Caller(everything=True)
    read = caller.get(f"connectors/{connector.pk}/")
    waiting(connector)

    answer = caller.put(f"connectors/{connector.pk}/", {**read, "name": "new"})

    assert (answer["name"], answer["health"]["waiting"]) == ("new", 1)


def test_the_connectors_page_says_it_in_words(client: Client) -> None:
    connector = make_connector()
    tried(connector, 0.15)
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_connector"))
    client.force_login(user)

    html = client.get(reverse("admin:connectors_connector_change", args=(connector.pk,))).text

    assert "1 of 1 attempts in the last 24 hours arrived; half of them took up to 125 ms" in html
