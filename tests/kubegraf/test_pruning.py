"""Pruning: what goes, what stays however old it is, and that nobody waits for it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import pruning as connectors_pruning
from connectors import redelivery, tally
from connectors.message import Message
from connectors.models import Attempt, Connector, Delivery, DeliveryStatus
from connectors.outbox import Order, delivery_for
from connectors.pruning import prune_deliveries
from events.models import Event, EventStatus
from events.pruning import still_open
from kubegraf import pruning, tasks
from tests.making import make_connector, make_event, make_message, make_resolve

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=91)
LATELY = timezone.now() - timedelta(days=89)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else waits for the database here."""
    monkeypatch.setattr(pruning, "PAUSE", 0)


def settled(
    connector: Connector | None = None,
    message: Message | None = None,
    status: str = DeliveryStatus.DELIVERED,
    **more: Any,
) -> Delivery:
    """A delivery with one attempt, written and settled long ago unless it is said otherwise."""
    connector = connector or Connector.objects.first() or make_connector()
    message = message or make_message(id=str(uuid.uuid4()))
    delivery = delivery_for(Order(connector, message, "subscription:1"))
    delivery.status, delivery.created_at = status, LONG_AGO
    delivery.settled_at = None if status in ("pending", "sending", "retrying") else LONG_AGO
    for name, value in more.items():
        setattr(delivery, name, value)
    delivery.save(force_insert=True)
    Attempt.objects.create(delivery=delivery, number=1)
    return delivery


def event(status: EventStatus, **more: Any) -> Event:
    """An event of long ago."""
    known: dict[str, Any] = {
        "fingerprint": str(uuid.uuid4()),
        "occurred_at": LONG_AGO,
        "first_seen": LONG_AGO,
        "resolved_at": LONG_AGO if status == EventStatus.RESOLVED else None,
    }
    made = make_event(status=status, **{**known, **more})
    made.save(force_insert=True)
    return made


def about(it: Event) -> Message:
    """A message that reports it."""
    return make_message(id=str(it.pk))


# --- What goes and what stays ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["delivered", "failed", "cancelled"])
def test_an_old_delivery_goes_with_its_attempts(status: str) -> None:
    settled(status=status)
    assert pruning.prune() == pruning.Pruned(deliveries=1)
    assert (Delivery.objects.count(), Attempt.objects.count()) == (0, 0)


@pytest.mark.parametrize("status", ["pending", "sending", "retrying"])
def test_a_delivery_that_has_not_settled_stays(status: str) -> None:
    settled(status=status)
    assert pruning.prune() == pruning.Pruned()
    assert (Delivery.objects.count(), Attempt.objects.count()) == (1, 1)


def test_a_session_goes_when_it_is_over() -> None:
    for key, days in (("over", -1), ("not yet", 1)):
        ends = timezone.now() + timedelta(days=days)
        Session.objects.create(session_key=key, session_data="", expire_date=ends)
    assert pruning.prune(dry_run=True) == pruning.Pruned(sessions=1)
    assert pruning.prune() == pruning.Pruned(sessions=1)
    assert Session.objects.get().session_key == "not yet"


def test_what_is_younger_stays() -> None:
    settled(created_at=LATELY, settled_at=LATELY)
    event(EventStatus.RESOLVED, first_seen=LATELY, resolved_at=LATELY)
    event(EventStatus.OCCURRED, first_seen=LATELY, occurred_at=LATELY)
    assert pruning.prune() == pruning.Pruned()
    assert (Delivery.objects.count(), Event.objects.count()) == (1, 2)


def test_age_counts_from_the_last_time_it_settled() -> None:
    settled(settled_at=LATELY)
    event(EventStatus.RESOLVED, resolved_at=LATELY)
    assert pruning.prune() == pruning.Pruned()


@pytest.mark.parametrize("status", [EventStatus.RESOLVED, EventStatus.OCCURRED])
def test_an_event_that_is_over_goes(status: EventStatus) -> None:
    event(status)
    assert pruning.prune() == pruning.Pruned(events=1)
    assert Event.objects.count() == 0


def test_an_open_event_stays_with_all_that_was_said_of_it() -> None:
    settled(message=about(event(EventStatus.FIRING)))
    assert pruning.prune() == pruning.Pruned()
    assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)


def test_what_was_said_of_an_event_stays_until_its_end_has_been_told() -> None:
    over = event(EventStatus.RESOLVED)
    settled(message=about(over))
    telling = settled(message=make_resolve(about(over)), status="retrying")

    assert pruning.prune() == pruning.Pruned()

    Delivery.objects.filter(pk=telling.pk).update(status="delivered", settled_at=LONG_AGO)
    assert pruning.prune() == pruning.Pruned(deliveries=2, events=1)


def test_what_inhibits_an_open_event_stays() -> None:
    inhibitor = event(EventStatus.RESOLVED)
    event(EventStatus.FIRING, inhibited_by=inhibitor)
    assert pruning.prune() == pruning.Pruned()
    assert Event.objects.filter(pk=inhibitor.pk).exists()


def test_an_event_that_inhibited_what_is_over_goes() -> None:
    inhibitor = event(EventStatus.RESOLVED)
    event(EventStatus.OCCURRED, inhibited_by=inhibitor, first_seen=LATELY)
    assert pruning.prune() == pruning.Pruned(events=1)
    assert Event.objects.get().inhibited_by_id is None


def test_what_is_redelivered_meanwhile_stays() -> None:
    delivery = settled(status="failed")
    redelivery.redeliver([delivery])
    assert pruning.prune() == pruning.Pruned()
    assert Delivery.objects.get().status == "pending"


def test_pruning_lowers_no_count() -> None:
    tally.add("things", [("one",)])
    settled()
    before = tally.totals()
    tasks.prune()
    assert Delivery.objects.count() == 0
    assert tally.totals() == before


# --- In which pieces ------------------------------------------------------------------------------------


def test_each_batch_is_a_transaction_of_its_own_with_a_bounded_number_of_queries() -> None:
    connector = make_connector()
    for _ in range(7):
        settled(connector)
    before = timezone.now() - timedelta(days=90)
    batches: Iterator[int] = prune_deliveries(before, still_open, batch=3)
    sizes, queries = [], []
    while True:
        with CaptureQueriesContext(connection) as captured:
            deleted = next(batches, None)
        if deleted is None:
            break
        sizes.append(deleted)
        queries.append(len(captured))
        assert Delivery.objects.count() == 7 - sum(sizes)
    assert sizes == [3, 3, 1]
    assert max(queries) <= 10


def test_what_has_to_stay_does_not_hold_up_what_comes_after(monkeypatch: pytest.MonkeyPatch) -> None:
    open_one = event(EventStatus.FIRING)
    for _ in range(5):
        settled(message=about(open_one))
    last = settled()
    before = timezone.now() - timedelta(days=90)

    assert list(prune_deliveries(before, still_open, batch=2)) == [0, 0, 1]
    assert not Delivery.objects.filter(pk=last.pk).exists()


def test_a_run_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    settled()
    event(EventStatus.RESOLVED)
    assert pruning.prune(seconds=0) == pruning.Pruned(deliveries=1, finished=False)
    assert pruning.prune() == pruning.Pruned(events=1)


def test_no_batch_of_a_long_record_takes_a_second() -> None:
    connector = make_connector()
    deliveries = [delivery_for(Order(connector, make_message(id=str(n)), "test")) for n in range(6000)]
    for delivery in deliveries:
        delivery.status, delivery.created_at, delivery.settled_at = "delivered", LONG_AGO, LONG_AGO
    Delivery.objects.bulk_create(deliveries, batch_size=1000)
    Attempt.objects.bulk_create(
        [Attempt(delivery=d, number=1, exchanges=[{"body": "x" * 500}]) for d in deliveries], batch_size=1000
    )
    assert connectors_pruning.BATCH <= 500
    with CaptureQueriesContext(connection) as captured:
        assert pruning.prune().deliveries == 6000
    # Some hundredths of a second each; a busy machine may stop in the middle of one of them.
    assert sorted(float(query["time"]) for query in captured)[-2] < 0.5


# --- By command, and by the workers ---------------------------------------------------------------------


def command(*args: str) -> str:
    out = StringIO()
    call_command("prune", *args, stdout=out)
    return out.getvalue()


def test_a_dry_run_counts_and_deletes_nothing() -> None:
    settled()
    event(EventStatus.RESOLVED)
    assert command("--dry-run") == "1 deliveries and 1 events would be deleted.\n"
    assert (Delivery.objects.count(), Event.objects.count()) == (1, 1)


def test_the_command_deletes_what_is_older_than_it_is_told() -> None:
    settled(created_at=LATELY, settled_at=LATELY)
    assert command() == "0 deliveries and 0 events deleted.\n"
    assert command("--days", "30").startswith("1 deliveries and 0 events deleted.\n")


def test_what_occurred_is_kept_as_long_as_the_watch_would_report_it_again() -> None:
    event(EventStatus.OCCURRED, first_seen=LATELY, occurred_at=LATELY)
    event(EventStatus.RESOLVED, first_seen=LATELY, resolved_at=LATELY)
    said = command("--days", "30")
    assert said.startswith("0 deliveries and 1 events deleted.\nWhat occurred")
    assert Event.objects.get().status == EventStatus.OCCURRED


def test_a_number_of_days_below_one_is_refused() -> None:
    settled()
    with pytest.raises(CommandError, match="--days must be 1 or more, not 0"):
        command("--days", "0")
    assert Delivery.objects.count() == 1


def test_the_workers_prune_what_is_older_than_is_configured(settings: Any) -> None:
    settings.KEEP_DAYS = 30
    settled(created_at=LATELY, settled_at=LATELY)
    tasks.prune()
    assert Delivery.objects.count() == 0
