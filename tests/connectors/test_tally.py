"""Counts: what adds to them, that merging changes none, and what is read off them."""

from __future__ import annotations

import random
from bisect import bisect_left
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from connectors import outbox, tally
from connectors.engine import quarantine, send
from connectors.engine.claim import cancel_orphans, claim
from connectors.errors import Reason
from connectors.models import Attempt, Connector, Delivery, DeliveryStatus, Lease, Outcome, Tally
from connectors.outbox import Order, delivery_for
from tests.making import make_connector, make_message, make_resolve
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db

START = timezone.now()


def ended(
    connector: Connector, seconds: float, outcome: Outcome = Outcome.DELIVERED, reason: str = ""
) -> tuple[Delivery, Attempt]:
    """An attempt that took so long and ended so, and its delivery; neither saved."""
    delivery = delivery_for(Order(connector, make_message(), "test"))
    attempt = Attempt(delivery=delivery, number=1, started_at=START, outcome=outcome, reason=reason)
    attempt.finished_at = START + timedelta(seconds=seconds)
    if outcome == Outcome.DELIVERED:
        delivery.status, delivery.settled_at = DeliveryStatus.DELIVERED, START
    return delivery, attempt


def amounts(name: str) -> dict[tuple[str, ...], int]:
    """The totals of a count by its labels."""
    found: dict[tuple[str, ...], int] = {}
    for count in tally.totals()[name]:
        found[count.labels] = found.get(count.labels, 0) + count.amount
    return found


def everything() -> Any:
    """All that can be read, in one order."""
    totals = {name: sorted(counts, key=repr) for name, counts in tally.totals().items()}
    days = tally.of_last_day(Connector.objects.values_list("pk", flat=True))
    hours = tally.by_hour([tally.DELIVERIES, "things"], timezone.now() - tally.KEPT)
    return (
        totals,
        {pk: sorted(counts, key=repr) for pk, counts in days.items()},
        {name: sorted(counts, key=repr) for name, counts in hours.items()},
        sorted(tally.of_last_day_together(), key=repr),
    )


# --- What adds to them ----------------------------------------------------------------------------------


def test_an_attempt_that_arrived_is_counted_with_its_delivery(receiver: Receiver, settings: Any) -> None:
    settings.ALLOW_HTTP, settings.EGRESS_ALLOW = True, ["127.0.0.0/8"]
    connector = make_connector(url=receiver.url)
    outbox.enqueue([Order(connector, make_message(), "test")])
    send.deliver(connector.pk)

    assert amounts(tally.ATTEMPTS) == {("webhook", "delivered", ""): 1}
    assert amounts(tally.DELIVERIES) == {("webhook", "delivered"): 1}


def test_an_attempt_that_is_tried_again_settles_nothing() -> None:
    tally.add_attempts([ended(make_connector(), 1, Outcome.FAILED, Reason.TIMEOUT)])

    assert amounts(tally.ATTEMPTS) == {("webhook", "failed", "timeout"): 1}
    assert amounts(tally.DELIVERIES) == {}


def test_an_attempt_whose_sender_died_is_counted_when_it_is_found() -> None:
    outbox.enqueue([Order(make_connector(), make_message(), "test")])
    claim(Connector.objects.get().pk)
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    quarantine.bury()

    assert amounts(tally.ATTEMPTS) == {("webhook", "unknown", "unknown"): 1}


def test_a_pair_that_cancels_out_counts_as_two_cancelled() -> None:
    connector, message = make_connector(), make_message()
    outbox.enqueue([Order(connector, message, "test")])
    outbox.enqueue([Order(connector, make_resolve(message), "test")])

    assert amounts(tally.DELIVERIES) == {("webhook", "cancelled"): 2}


def test_a_resolve_of_what_never_arrived_counts_as_cancelled() -> None:
    connector = make_connector()
    outbox.enqueue([Order(connector, make_resolve(make_message()), "test")])
    claim(connector.pk)

    assert amounts(tally.DELIVERIES) == {("webhook", "cancelled"): 1}


def test_what_waited_for_a_deleted_connector_counts_as_cancelled() -> None:
    connector = make_connector()
    outbox.enqueue([Order(connector, make_message(), "test")])
    connector.delete()
    cancel_orphans()
    cancel_orphans()

    assert Delivery.objects.get().status == DeliveryStatus.CANCELLED
    assert amounts(tally.DELIVERIES) == {("webhook", "cancelled"): 1}


def test_what_is_rolled_back_is_not_counted() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012  # it is to fail after the tally
        tally.add("things", [("one",)])
        raise RuntimeError

    assert tally.totals() == {}


def test_those_that_are_alike_take_one_row() -> None:
    connector = make_connector()
    tally.add_attempts([ended(connector, 0.004) for _ in range(50)])

    assert {(row.name, row.step, row.amount) for row in Tally.objects.all()} == {
        ("attempts", tally.STEPS.index(0.005), 50),
        ("deliveries", None, 50),
    }


def test_nothing_adds_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        tally.add("things", [])
        tally.add_attempts([])
        tally.add_lost([])
        tally.add_cancelled([])


# --- Merging --------------------------------------------------------------------------------------------


def test_merging_changes_no_sum_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MERGED_AT_ONCE", 7)
    connectors = [make_connector("a"), make_connector("b", "email", **EMAIL)]
    chance = random.Random(1)
    for _ in range(30):
        outcome = chance.choice([Outcome.DELIVERED, Outcome.FAILED])
        # Sums of halves are exact, in whatever order.
        took = chance.choice([0.5, 1.5, 64.0])
        tally.add_attempts([ended(chance.choice(connectors), took, outcome)])
        tally.add("things", [(chance.choice("abc"), "same")])
    Tally.objects.filter(pk__in=Tally.objects.order_by("pk")[:20]).update(hour=F("hour") - timedelta(hours=3))
    for _ in range(3):
        before = everything()
        tally.merge()
        assert everything() == before
        tally.add_attempts([ended(connectors[0], 0.5)])

    tally.merge()
    assert not Tally.objects.filter(fresh=True).exists()
    assert Tally.objects.filter(hour=None).count() == len(
        {(c.labels, c.step) for counts in tally.totals().values() for c in counts}
    )


def test_merging_leaves_nothing_to_merge() -> None:
    tally.add("things", [("one",), ("two",)])

    assert (tally.merge(), tally.merge()) == (2, 0)


def test_merging_writes_anew_only_what_has_grown() -> None:
    quiet, busy = make_connector("quiet"), make_connector("busy")
    tally.add_attempts([ended(quiet, 1), ended(busy, 1), ended(busy, 3)])
    tally.merge()
    before = {row.pk: (row.connector_id, row.step) for row in Tally.objects.all()}

    tally.add_attempts([ended(busy, 3, Outcome.FAILED), ended(busy, 1)])
    tally.merge()

    gone = before.keys() - set(Tally.objects.values_list("pk", flat=True))
    one = bisect_left(tally.STEPS, 1)
    assert sorted(before[pk] for pk in gone if before[pk][0]) == [(busy.pk, one)]


def test_a_total_outlives_its_hours() -> None:
    connector = make_connector()
    tally.add_attempts([ended(connector, 1)])
    tally.merge()
    Tally.objects.exclude(hour=None).update(hour=timezone.now() - timedelta(hours=26))

    assert tally.forget_hours() == 1
    assert tally.of_last_day([connector.pk]) == {}
    assert tally.of_last_day_together() == []
    assert amounts(tally.ATTEMPTS) == {("webhook", "delivered", ""): 1}


def test_what_is_older_than_a_day_is_not_of_the_last_day() -> None:
    connector = make_connector()
    tally.add_attempts([ended(connector, 1)])
    Tally.objects.update(hour=timezone.now() - timedelta(hours=26))

    assert tally.of_last_day([connector.pk]) == {}


def test_what_is_no_connectors_is_kept_by_the_hour_for_eight_days() -> None:
    now = timezone.now().replace(minute=30, second=0, microsecond=0)
    for hours in (1, 1, 180, 200):
        tally.add("things", [("one",)])
        Tally.objects.filter(fresh=True).update(hour=now.replace(minute=0) - timedelta(hours=hours))
        tally.merge()

    def counted() -> dict[int, int]:
        found = tally.by_hour(["things"], now - timedelta(days=30))["things"]
        return {round((now - hour.began) / timedelta(hours=1) - 0.5): hour.amount for hour in found}

    assert counted() == {1: 2, 180: 1, 200: 1}
    assert tally.forget_hours() == 1
    assert counted() == {1: 2, 180: 1}
    assert amounts("things") == {("one",): 4}


def test_hours_are_read_by_name_and_since_the_hour_asked_for() -> None:
    tally.add("things", [("one",), ("one",), ("two",)])
    tally.add("others", [("one",)])
    now = timezone.now()
    began = now.replace(minute=0, second=0, microsecond=0)

    found = tally.by_hour(["things"], now)

    assert set(found) == {"things"}
    assert {(hour.began, hour.labels, hour.amount) for hour in found["things"]} == {
        (began, ("one",), 2),
        (began, ("two",), 1),
    }
    assert tally.by_hour(["things"], now + timedelta(hours=1)) == {}


# --- Reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 1.0])
def test_a_quantile_is_within_its_step(share: float) -> None:
    chance = random.Random(2)
    took = sorted(chance.lognormvariate(-2, 1.5) for _ in range(2000))
    sums: dict[int, int] = {}
    for seconds in took:
        step = next((n for n, bound in enumerate(tally.STEPS) if seconds <= bound), len(tally.STEPS))
        sums[step] = sums.get(step, 0) + 1
    true = took[max(0, round(share * len(took)) - 1)]

    found = tally.quantile(share, list(sums.items()))

    assert found is not None
    assert true / 2 <= found <= true * 2


def test_there_is_no_quantile_of_nothing() -> None:
    assert tally.quantile(0.5, []) is None


def test_what_took_longer_than_the_last_step_counts_as_the_last_step() -> None:
    assert tally.quantile(0.5, [(len(tally.STEPS), 3)]) == tally.STEPS[-1]


def test_neighbouring_bounds_are_a_factor_of_two_apart_at_most() -> None:
    assert all(upper <= 2 * lower for lower, upper in zip(tally.STEPS, tally.STEPS[1:], strict=False))


EMAIL = {"smtp_host": "mail.example.com", "from_address": "kubegraf@example.com", "to": ["you@example.com"]}
