"""Which deliveries are taken, in which order, and by whom."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from connectors import tally
from connectors.conversation import Receipt
from connectors.engine import digest, leases, quarantine
from connectors.engine.claim import BATCH, cancel_orphans, claim, claim_one
from connectors.engine.leased import Leased
from connectors.engine.record import Recorder
from connectors.errors import Reason, SendError
from connectors.message import Message, Severity
from connectors.models import Attempt, Connector, Delivery, Lease
from connectors.outbox import Order, enqueue
from connectors.transport.drive import Result
from tests.making import make_connector, make_message, make_resolve, statuses

pytestmark = pytest.mark.django_db


def queue(connector: Connector, *names: str, severity: Severity = Severity.HIGH) -> None:
    enqueue([Order(connector, make_message(id=n, key=n, severity=severity), "test") for n in names])


def take(limit: int = BATCH) -> list[str]:
    """The message ids of a claim for each connector there is."""
    claims = [claim(pk, limit) for pk in Connector.objects.order_by("pk").values_list("pk", flat=True)]
    return [delivery.message_id for claimed in claims for delivery in claimed.deliveries]


def have_senders_die() -> None:
    """Has all leases run out, and their senders buried."""
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    quarantine.bury()


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


def test_a_claim_is_a_lease_that_is_written_before_anything_is_sent() -> None:
    connector = make_connector()
    queue(connector, "a")

    before = timezone.now()
    claimed = claim(connector.pk)

    lease, delivery = Lease.objects.get(), Delivery.objects.get()
    assert (lease.pk, lease.connector_id) == (claimed.token, connector.pk)
    assert lease.deliveries == [str(delivery.pk)]
    assert lease.until - lease.began_at == leases.LENGTH
    assert (delivery.status, delivery.attempt_count) == ("pending", 0)
    [row] = claimed.deliveries
    assert row.attempt_count == 1
    assert before <= row.started_at <= timezone.now()


def test_where_a_lease_ran_out_it_is_on_record_that_nobody_knows_how_the_attempt_ended() -> None:
    queue(make_connector(), "a")
    take()
    began_at = Lease.objects.get().began_at

    have_senders_die()

    assert Lease.objects.count() == 0
    attempt, delivery = Attempt.objects.get(), Delivery.objects.get()
    assert (attempt.number, attempt.outcome, attempt.reason) == (1, "unknown", "unknown")
    assert (attempt.started_at, attempt.finished_at) == (began_at, delivery.next_attempt_at)
    assert (delivery.status, delivery.reason, delivery.attempt_count) == ("retrying", "unknown", 1)
    assert take() == ["a"]


def test_after_one_death_all_are_taken_together_again_and_after_a_second_each_alone() -> None:
    queue(make_connector(), "a", "b")
    take()

    have_senders_die()
    assert take() == ["a", "b"]

    have_senders_die()
    assert take() == ["a"]
    assert take() == ["b"]


def test_what_its_senders_die_of_is_given_up_with_the_last_attempt(settings: Settings) -> None:
    settings.RETRY_SCHEDULE = [1.0]
    connector = make_connector()
    queue(connector, "a")
    take()

    have_senders_die()
    assert statuses(connector) == ["retrying"]

    take()
    have_senders_die()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason, delivery.attempt_count) == ("failed", "unknown", 2)
    assert delivery.note.startswith("Its sender died, and so it went until no attempt was left.")
    assert delivery.settled_at is not None
    assert take() == []
    counted = {count.labels[1]: count.amount for count in tally.totals()[tally.DELIVERIES]}
    assert counted == {"failed": 1}


def test_with_a_digest_of_which_its_senders_die_what_it_tells_of_is_given_up(settings: Settings) -> None:
    settings.RETRY_SCHEDULE = []
    connector = make_connector()
    queue(connector, "the digest", "a")
    made, told = Delivery.objects.order_by("id")
    Delivery.objects.filter(pk=made.pk).update(origin=digest.ORIGIN)
    Delivery.objects.filter(pk=told.pk).update(status="sending", sent_in=made)

    assert take() == ["the digest"]
    have_senders_die()

    assert statuses(connector) == ["failed", "failed"]


def test_what_failed_otherwise_is_taken_with_what_a_sender_died_of_once() -> None:
    queue(make_connector(), "a", "b")
    Delivery.objects.filter(message_id="a").update(status="retrying", reason="unknown", attempt_count=1)
    Delivery.objects.filter(message_id="b").update(status="retrying", reason="timeout", attempt_count=5)

    assert take() == ["a", "b"]


def test_what_has_settled_is_not_sent_again_when_the_sender_that_held_it_has_died() -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    take()
    Delivery.objects.filter(message_id="a").update(status="delivered")

    have_senders_die()

    assert statuses(connector) == ["delivered", "retrying"]
    assert [attempt.delivery.message_id for attempt in Attempt.objects.all()] == ["b"]


def test_a_sender_that_was_taken_for_dead_writes_nothing_down() -> None:
    connector = make_connector()
    queue(connector, "a")
    claimed = claim(connector.pk)
    have_senders_die()

    Recorder(connector, claimed).record([(row, Result(Receipt(), None, [])) for row in claimed.deliveries])

    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["unknown"]
    assert statuses(connector) == ["retrying"]
    assert Connector.objects.get().last_success_at is None
    assert [count.labels[1] for count in tally.totals()[tally.ATTEMPTS]] == ["unknown"]


def test_what_has_ended_is_given_back_and_the_rest_stays_leased() -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    claimed = claim(connector.pk)
    recorder, (first, second) = Recorder(connector, claimed), claimed.deliveries

    recorder.record([(first, Result(Receipt(), None, []))])

    assert Lease.objects.get().deliveries == [second.id]
    assert statuses(connector) == ["delivered", "pending"]

    recorder.record([(second, Result(Receipt(), None, []))])

    assert Lease.objects.count() == 0
    assert statuses(connector) == ["delivered"] * 2


def test_what_a_service_has_only_accepted_is_on_record_as_that() -> None:
    connector = make_connector()
    queue(connector, "a")
    claimed = claim(connector.pk)

    Recorder(connector, claimed).record([(claimed.deliveries[0], Result(Receipt(accepted=True), None, []))])

    assert (statuses(connector), Attempt.objects.get().outcome) == (["delivered"], "accepted")


def test_why_a_connector_is_paused_is_what_was_answered_first() -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    claimed = claim(connector.pk)
    recorder = Recorder(connector, claimed)

    for row, words in zip(claimed.deliveries, ("Revoked.", "Gone."), strict=True):
        recorder.record([(row, Result(None, SendError(Reason.AUTH, words, disable=True), []))])

    assert statuses(connector) == ["retrying", "retrying"]
    assert Connector.objects.get().paused_reason == "Revoked."


def test_what_needs_no_sending_is_given_back_when_it_is_claimed() -> None:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.update(status="failed", attempt_count=8)
    enqueue([Order(connector, make_resolve(make_message()), "test")])
    queue(connector, "a")

    claimed = claim(connector.pk)

    assert [row.message_id for row in claimed.deliveries] == ["a"]
    assert Lease.objects.get().deliveries == [row.id for row in claimed.deliveries]
    assert claimed.considered == 2


def test_who_was_taken_for_dead_while_claiming_has_claimed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.update(status="failed", attempt_count=8)
    enqueue([Order(connector, make_resolve(make_message()), "test")])
    queue(connector, "a")

    def too_late(rows: list[Leased]) -> list[Leased]:
        have_senders_die()
        return rows

    monkeypatch.setattr(quarantine, "apart", too_late)

    assert claim(connector.pk).deliveries == ()
    assert Lease.objects.count() == 0


def test_a_lease_that_has_not_run_out_is_left() -> None:
    queue(make_connector(), "a")
    take()

    quarantine.bury()

    assert Lease.objects.count() == 1
    assert (Attempt.objects.count(), take()) == (0, [])


def test_what_is_being_sent_when_its_connector_is_deleted_ends_as_it_ends() -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    claimed = claim(connector.pk)
    connector.delete()

    cancel_orphans()

    late = SendError(Reason.TIMEOUT, "Late.", retry=True)
    ends = (Result(Receipt(), None, []), Result(None, late, []))
    Recorder(connector, claimed).record(list(zip(claimed.deliveries, ends, strict=True)))
    cancel_orphans()
    settled = Delivery.objects.order_by("pk").values_list("status", "note")
    assert list(settled) == [("delivered", ""), ("cancelled", "Its connector was deleted.")]
    counted = {count.labels[1]: count.amount for count in tally.totals()[tally.DELIVERIES]}
    assert counted == {"delivered": 1, "cancelled": 1}


def test_what_a_dead_sender_held_of_a_deleted_connector_is_settled_once() -> None:
    connector = make_connector()
    queue(connector, "a")
    take()
    connector.delete()
    cancel_orphans()

    have_senders_die()
    cancel_orphans()

    assert Delivery.objects.get().status == "cancelled"
    assert (Lease.objects.count(), Attempt.objects.get().outcome) == (0, "unknown")


def test_one_delivery_can_be_claimed_ahead_of_its_time_but_not_twice() -> None:
    queue(make_connector(), "a")
    Delivery.objects.update(status="retrying", next_attempt_at=timezone.now() + timedelta(hours=1))
    delivery = Delivery.objects.get()

    assert [row.id for row in claim_one(delivery).deliveries] == [str(delivery.pk)]
    assert claim_one(delivery).deliveries == ()


@pytest.mark.parametrize("status", ["delivered", "failed", "cancelled", "sending"])
def test_one_delivery_that_has_settled_or_is_in_a_digest_is_not_claimed(status: str) -> None:
    queue(make_connector(), "a")
    Delivery.objects.update(status=status)

    assert claim_one(Delivery.objects.get()).deliveries == ()


def test_a_resolve_waits_for_its_trigger() -> None:
    connector = make_connector()
    trigger = make_message()
    enqueue([Order(connector, trigger, "test")])
    Delivery.objects.update(
        attempt_count=1, status="retrying", next_attempt_at=timezone.now() + leases.LENGTH
    )
    enqueue([Order(connector, make_resolve(trigger), "test")])

    assert take() == []

    Delivery.objects.filter(status="retrying").update(status="delivered")
    assert take() == [trigger.id]


def test_a_trigger_of_one_connector_does_not_hold_up_another() -> None:
    slow, quick = make_connector("slow"), make_connector("quick")
    for connector in (slow, quick):
        enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.filter(connector=slow).update(next_attempt_at=timezone.now() + leases.LENGTH)

    assert take() == ["event-1"]


def test_a_resolve_of_what_never_arrived_is_cancelled_without_an_attempt() -> None:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.update(status="failed", attempt_count=8)
    enqueue([Order(connector, make_resolve(make_message()), "test")])

    claimed = claim(connector.pk)

    assert claimed.considered == 1
    assert claimed.deliveries == ()
    assert statuses(connector) == ["failed", "cancelled"]
    assert Attempt.objects.count() == 0


def test_what_arrived_through_another_connector_is_not_closed_through_this_one() -> None:
    told, untold = make_connector("told"), make_connector("untold")
    enqueue([Order(connector, make_message(), "test") for connector in (told, untold)])
    Delivery.objects.filter(connector=told).update(status="delivered")
    Delivery.objects.filter(connector=untold).update(status="failed", attempt_count=8)
    enqueue([Order(connector, make_resolve(make_message()), "test") for connector in (told, untold)])

    assert [len(claim(connector.pk).deliveries) for connector in (told, untold)] == [1, 0]
    assert statuses(untold) == ["failed", "cancelled"]


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
    assert delivery.settled_at is not None
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
    Delivery.objects.update(status="failed", attempt_count=9)
    opening = make_message(id="a", key="a")
    acknowledged = Message.from_json({**opening.to_json(), "status": "acknowledged"})
    enqueue([Order(connector, acknowledged, "test")])

    assert take() == []
    cancelled = Delivery.objects.get(status="cancelled")
    assert cancelled.note == "What it acknowledges never arrived."
    assert cancelled.settled_at is not None


def test_an_acknowledgement_leaves_after_what_it_acknowledges() -> None:
    connector = make_connector()
    opening = make_message(id="a", key="a")
    acknowledged = Message.from_json({**opening.to_json(), "status": "acknowledged"})
    enqueue([Order(connector, opening, "test"), Order(connector, acknowledged, "test")])

    assert take() == ["a"]
    assert take() == []
    Delivery.objects.filter(pk=uuid.UUID(*Lease.objects.get().deliveries)).update(status="delivered")
    assert [delivery.said().status for delivery in claim(connector.pk).deliveries] == ["acknowledged"]


def test_what_is_claimed_says_what_was_ordered() -> None:
    said = make_message(title="half a pair: \ud83d" if connection.vendor == "sqlite" else "whole: 🔥")
    connector = make_connector()
    enqueue([Order(connector, said, "test")])

    [leased] = claim(connector.pk).deliveries

    assert leased.said() == said
