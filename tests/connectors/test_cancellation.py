"""Calling back what has not been sent yet."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from connectors import tally
from connectors.cancellation import LONGEST_WHY, cancel, refusal
from connectors.conversation import Receipt
from connectors.engine import quarantine
from connectors.engine.claim import Claim, claim
from connectors.engine.digest import ORIGIN, settle
from connectors.engine.leased import COLUMNS, Leased
from connectors.engine.record import Recorder
from connectors.errors import Reason, SendError
from connectors.models import Attempt, Connector, Delivery, Lease
from connectors.outbox import Order, enqueue
from connectors.redelivery import redeliver
from connectors.transport.drive import Result
from tests.calling import Caller, mistakes
from tests.making import make_connector, make_message, make_resolve, statuses, written
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db


def queue(connector: Connector, *names: str) -> list[Delivery]:
    return written(enqueue([Order(connector, make_message(id=name, key=name), "test") for name in names]))


def take() -> Claim:
    return claim(Connector.objects.get().pk)


def have_the_sender_die() -> None:
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    quarantine.bury()


def arrive(connector: Connector, claimed: Claim) -> None:
    """Has the sender of a claim write down that all of it arrived."""
    arrived = Result(Receipt(), None, [])
    Recorder(connector, claimed).record([(delivery, arrived) for delivery in claimed.deliveries])


def digest_of(connector: Connector, *contents: Delivery) -> Delivery:
    """A digest that is to tell of these."""
    made = Delivery.objects.get(pk=queue(connector, "the digest")[0].pk)
    made.origin = ORIGIN
    made.save()
    pks = [delivery.pk for delivery in contents]
    Delivery.objects.filter(pk__in=pks).update(status="sending", sent_in=made)
    return made


def cancelled_in_tally() -> int:
    counts = tally.totals()[tally.DELIVERIES]
    return sum(count.amount for count in counts if count.labels == ("webhook", "cancelled"))


def test_what_waits_is_cancelled_on_record_with_who_and_why() -> None:
    connector = make_connector()

    assert cancel(queue(connector, "a"), by="alice", why="The channel\nis gone.") == 1

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.note) == ("cancelled", "Cancelled by alice: The channel is gone.")
    assert delivery.settled_at is not None
    assert take().considered == 0
    assert cancelled_in_tally() == 1


def test_without_a_reason_the_record_says_who() -> None:
    cancel(queue(make_connector(), "a"), by="alice")

    assert Delivery.objects.get().note == "Cancelled by alice."


def test_a_long_reason_is_cut_short() -> None:
    cancel(queue(make_connector(), "a"), by="alice", why="x" * 10_000)

    assert len(Delivery.objects.get().note) == len("Cancelled by alice: ") + LONGEST_WHY


def test_what_waits_for_its_next_try_is_cancelled_and_its_attempts_stay() -> None:
    connector = make_connector()
    queue(connector, "a")
    claimed = take()
    late = Result(None, SendError(Reason.TIMEOUT, "Late.", retry=True), [])
    Recorder(connector, claimed).record([(claimed.deliveries[0], late)])

    assert cancel(Delivery.objects.all(), by="alice") == 1

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason, delivery.attempts.count()) == ("cancelled", "", 1)


def test_what_is_being_sent_cannot_be_called_back() -> None:
    connector = make_connector()
    queue(connector, "a")
    claimed = take()

    assert cancel(Delivery.objects.all(), by="alice") == 0

    assert "is being sent right now" in refusal(Delivery.objects.get())
    arrive(connector, claimed)
    assert statuses(connector) == ["delivered"]
    assert cancelled_in_tally() == 0


def test_what_waits_is_cancelled_while_another_is_being_sent() -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    claim(connector.pk, 1)

    assert cancel(Delivery.objects.all(), by="alice") == 1

    assert statuses(connector) == ["pending", "cancelled"]


def test_what_has_settled_stays_as_it_is() -> None:
    connector = make_connector()
    queue(connector, "a")
    arrive(connector, take())

    assert cancel(Delivery.objects.all(), by="alice") == 0

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.note) == ("delivered", "")
    assert refusal(delivery) == "It has settled already (delivered)."


def test_a_dead_senders_delivery_is_cancelled_saying_that_it_may_have_been_sent() -> None:
    connector = make_connector()
    queue(connector, "a")
    take()
    have_the_sender_die()

    assert cancel(Delivery.objects.all(), by="alice") == 1

    delivery = Delivery.objects.get()
    assert delivery.note == "Cancelled by alice. Its sender had died: it may have been sent."
    assert Attempt.objects.get().outcome == "unknown"
    lost = [count for count in tally.totals()[tally.ATTEMPTS] if count.labels[1] == "unknown"]
    assert [count.amount for count in lost] == [1]


def test_a_sender_that_was_thought_dead_cannot_undo_a_cancellation() -> None:
    connector = make_connector()
    queue(connector, "a")
    claimed = take()
    have_the_sender_die()
    cancel(Delivery.objects.all(), by="alice")

    arrive(connector, claimed)

    assert statuses(connector) == ["cancelled"]
    assert Attempt.objects.get().outcome == "unknown"


def test_a_resolve_of_what_was_cancelled_is_cancelled_in_turn() -> None:
    connector = make_connector()
    trigger = make_message()
    cancel(written(enqueue([Order(connector, trigger, "test")])), by="alice")
    enqueue([Order(connector, make_resolve(trigger), "test")])

    assert take().deliveries == ()

    assert statuses(connector) == ["cancelled", "cancelled"]
    assert Delivery.objects.order_by("id")[1].note == "What it resolves never arrived."


def test_what_waited_behind_a_cancelled_one_may_go() -> None:
    connector = make_connector()
    first = written(enqueue([Order(connector, make_message(id="a"), "test")]))
    Delivery.objects.update(status="retrying", next_attempt_at=timezone.now() + timedelta(hours=1))
    enqueue([Order(connector, make_message(id="b"), "test")])
    assert take().deliveries == ()

    cancel(first, by="alice")

    assert [delivery.message_id for delivery in take().deliveries] == ["b"]


def test_a_digest_takes_what_it_tells_of_with_it() -> None:
    connector = make_connector()
    contents = queue(connector, "a", "b")
    made = digest_of(connector, *contents)

    assert cancel(contents, by="alice") == 0
    content = Delivery.objects.get(pk=contents[0].pk)
    assert refusal(content).startswith("It is on its way in a digest.")
    assert cancel([made], by="alice", why="A drill.") == 1

    assert statuses(connector) == ["cancelled"] * 3
    content.refresh_from_db()
    words = "The digest that was to tell of it was cancelled. Cancelled by alice: A drill."
    assert content.note == words
    assert cancelled_in_tally() == 3


def test_a_cancelled_digest_leaves_what_was_told_by_itself() -> None:
    connector = make_connector()
    contents = queue(connector, "a", "b")
    made = digest_of(connector, *contents)
    Delivery.objects.filter(pk=contents[0].pk).update(status="delivered")

    cancel([made], by="alice")

    assert statuses(connector) == ["delivered", "cancelled", "cancelled"]


def test_a_cancelled_digest_that_is_sent_after_all_settles_what_it_tells_of() -> None:
    connector = make_connector()
    contents = queue(connector, "a", "b")
    made = digest_of(connector, *contents)
    cancel([made], by="alice")

    redeliver([made])
    Delivery.objects.filter(pk=made.pk).update(status="delivered")
    sent = Leased.of(Delivery.objects.values_list(*COLUMNS).get(pk=made.pk))
    sent.remote_url = ""
    settle([sent])

    assert statuses(connector) == ["delivered"] * 3


def test_more_than_one_batch_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.cancellation._BATCH", 2)
    connector = make_connector()

    assert cancel(queue(connector, "a", "b", "c"), by="alice") == 3

    assert statuses(connector) == ["cancelled"] * 3


@pytest.mark.django_db(transaction=True)
def test_senders_and_a_person_at_once_never_have_the_same_delivery() -> None:
    connector = make_connector()
    waiting = queue(connector, *(str(n) for n in range(200)))
    taken: list[str] = []
    cancelled: list[int] = []
    start = threading.Barrier(5)

    # Neither is done before the other has begun, however the threads are given time.
    one_taken, one_cancelled = threading.Event(), threading.Event()

    def send() -> None:
        start.wait()
        while (mine := claim(connector.pk, 3)).considered:
            taken.extend(str(delivery.id) for delivery in mine.deliveries)
            one_taken.set()
            one_cancelled.wait(PATIENCE)
        connection.close()

    def call_back() -> None:
        start.wait()
        # From behind, one by one, as the senders come from the front.
        for delivery in reversed(waiting):
            cancelled.append(cancel([delivery], by="alice"))
            one_cancelled.set()
            one_taken.wait(PATIENCE)
        connection.close()

    threads = [threading.Thread(target=work) for work in (send, send, send, send, call_back)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    rows = Delivery.objects.all()
    leased = [name for lease in Lease.objects.all() for name in lease.deliveries]
    assert sorted(taken) == sorted(leased)
    assert sorted(taken) == sorted(str(row.pk) for row in rows if row.status == "pending")
    assert sum(cancelled) == 200 - len(taken) == rows.filter(status="cancelled").count()
    assert 0 < len(taken) < 200  # otherwise nothing was shown


# --- Over the API ---------------------------------------------------------------------------------------


def path_of(delivery: Delivery) -> str:
    return f"deliveries/{delivery.pk}/cancel/"


def test_the_api_cancels_with_the_callers_name_and_note() -> None:
    caller = Caller("change_delivery")
    (delivery,) = queue(make_connector(), "a")

    answer = caller.post(path_of(delivery), {"note": "A drill."}, status=200)

    assert answer["status"] == "cancelled"
    assert answer["note"] == f"Cancelled by {caller.user.username}: A drill."


@pytest.mark.parametrize("status", ["pending", "delivered", "failed", "cancelled"])
def test_the_api_refuses_what_cannot_be_cancelled(status: str) -> None:
    (delivery,) = queue(make_connector(), "a")
    if status == "pending":
        take()
    Delivery.objects.update(status=status)

    answer: Any = Caller("change_delivery").post(path_of(delivery), status=409)

    assert answer["detail"] == refusal(Delivery.objects.get())
    assert Delivery.objects.get().status == status


def test_the_api_says_what_is_being_sent() -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    claim(connector.pk, 1)
    caller = Caller("view_delivery")

    listed = caller.get("deliveries/")["results"]

    assert {row["event"]: (row["status"], row["being_sent"]) for row in listed} == {
        "a": ("pending", True),
        "b": ("pending", False),
    }
    (first,) = (row["id"] for row in listed if row["being_sent"])
    assert caller.get(f"deliveries/{first}/")["being_sent"] is True


def test_whoever_may_only_view_cannot_cancel() -> None:
    (delivery,) = queue(make_connector(), "a")

    assert Caller("view_delivery").call("POST", path_of(delivery), {}).status_code == 403

    assert Delivery.objects.get().status == "pending"


def test_the_api_refuses_a_note_that_is_too_long() -> None:
    (delivery,) = queue(make_connector(), "a")

    answer = Caller("change_delivery").post(path_of(delivery), {"note": "x" * 501}, status=400)

    assert list(mistakes(answer)) == ["note"]
    assert Delivery.objects.get().status == "pending"
