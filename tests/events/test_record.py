"""What is written as an event once, however often and by however many it is found out."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace

import pytest
from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.utils import timezone

from connectors.ids import uuid7
from connectors.message import Severity
from connectors.models import Delivery
from events import record
from events.detection import MOST_LISTED
from events.models import Event, EventStatus, Subscription
from events.record import Batch, Change, write
from tests.making import make_connector, make_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks first sees nothing: what is on record comes to be so right after the look."""
    look, looked = record.on_record, False

    def on_record(fingerprints: Collection[str]) -> dict[str, uuid.UUID]:
        nonlocal looked
        before, looked = looked, True
        return look(fingerprints) if before else {}

    monkeypatch.setattr(record, "on_record", on_record)


def test_what_is_open_already_is_adopted_and_what_is_new_is_written_and_told() -> None:
    Subscription.objects.create(connector=make_connector())
    write(Batch(new=[old := make_event(fingerprint="a")]))
    again, new = make_event(fingerprint="a"), make_event(fingerprint="b")

    assert write(Batch(new=[again, new])) == {again.pk: old.pk}

    assert set(Event.objects.values_list("pk", flat=True)) == {old.pk, new.pk}
    assert sorted(Delivery.objects.values_list("message_id", flat=True)) == [str(old.pk), str(new.pk)]


def test_what_has_occurred_already_is_adopted() -> None:
    old, again = (make_event(status=EventStatus.OCCURRED) for _ in range(2))
    write(Batch(new=[old]))

    assert write(Batch(new=[again])) == {again.pk: old.pk}


def test_of_two_equal_ones_the_first_is_written() -> None:
    first, second = make_event(id=uuid7()), make_event(id=uuid7())

    assert write(Batch(new=[first, second])) == {second.pk: first.pk}

    assert Event.objects.get().pk == first.pk


def test_a_batch_that_is_written_once_more_is_on_record_as_it_was() -> None:
    write(Batch(new=[event := make_event()]))

    assert write(Batch(new=[event])) == {event.pk: event.pk}


@pytest.mark.usefixtures("late")
def test_what_another_process_writes_at_the_same_moment_is_adopted() -> None:
    old, again, new = (make_event(fingerprint=name, status=EventStatus.OCCURRED) for name in "aab")
    old.save()

    assert write(Batch(new=[again, new])) == {again.pk: old.pk}

    assert set(Event.objects.values_list("pk", flat=True)) == {old.pk, new.pk}


def test_an_id_that_is_taken_is_an_error() -> None:
    write(Batch(new=[event := make_event(fingerprint="a")]))

    with pytest.raises(IntegrityError):
        write(Batch(new=[make_event(id=event.pk, fingerprint="b")]))


def plan(events: QuerySet[Event]) -> str:
    """How the database would find them if the table were long."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    return events.order_by().explain()


def test_what_an_event_inhibits_is_found_by_an_index_of_that_alone() -> None:
    inhibitor = make_event()

    assert "event_inhibited" in plan(Event.objects.filter(inhibited_by=inhibitor.pk))
    assert "event_inhibited" in plan(Event.objects.filter(inhibited_by__in=[inhibitor.pk, uuid7()]))


def test_the_events_of_a_cluster_are_found_by_the_index_of_its_open_ones() -> None:
    assert "event_open_of_cluster" in plan(Event.objects.filter(cluster=7))


def test_what_is_over_as_soon_as_it_turns_out_to_be_on_record_ends_there() -> None:
    write(Batch(new=[on_record := make_event()]))
    again, over_at = make_event(), timezone.now()

    adopted = write(Batch(new=[again], resolved=[(again.pk, over_at)]))

    assert adopted == {again.pk: on_record.pk}
    assert list(Event.objects.values_list("pk", "status", "resolved_at")) == [
        (on_record.pk, "resolved", over_at)
    ]


def test_what_is_on_record_already_is_what_explains_others() -> None:
    write(Batch(new=[node := make_event(fingerprint="node"), loop := make_event(fingerprint="loop")]))
    node_again = make_event(fingerprint="node")
    loop_again = make_event(fingerprint="loop", inhibited_by_id=node_again.pk)
    restart = make_event(fingerprint="restart", status=EventStatus.OCCURRED, inhibited_by_id=loop_again.pk)
    pending = make_event(fingerprint="pending", inhibited_by_id=node_again.pk)

    write(Batch(new=[restart, pending, loop_again, node_again]))

    explained = dict(Event.objects.values_list("fingerprint", "inhibited_by"))
    assert explained == {"node": None, "loop": None, "restart": loop.pk, "pending": node.pk}


def test_a_title_is_cut_to_what_the_record_takes() -> None:
    write(Batch(new=[event := make_event(title="x" * 501)]))
    assert Event.objects.get().title == "x" * 500

    write(Batch(changed=[replace(a_change(event, Severity.LOW), title="y" * 501)]))
    assert Event.objects.get().title == "y" * 500


@pytest.mark.parametrize(
    ("listed", "worse"),
    [(["a", "b"], False), (["b", "a"], False), (["a", "c"], True), (["a"], False), ([], False)],
)
def test_it_is_worse_when_something_is_added_to_what_it_lists(listed: list[str], worse: bool) -> None:
    event = make_event(details={"rights": ["a", "b"]}, severity="low")
    change = replace(a_change(event, Severity.LOW), details={"rights": listed}, grows_by="rights")

    assert change.is_worse_than(event) is worse


@pytest.mark.parametrize(
    ("added", "left_out", "worse"),
    [(["z"], 1, False), (["z"], MOST_LISTED, True), ([], 1, False)],
)
def test_of_a_list_that_was_cut_off_what_stands_last_is_news_only_where_nothing_is_as_it_was(
    added: list[str], left_out: int, worse: bool
) -> None:
    before = [f"a{n}" for n in range(MOST_LISTED)]
    event = make_event(details={"rights": before}, severity="low")
    change = replace(
        a_change(event, Severity.LOW), details={"rights": before[left_out:] + added}, grows_by="rights"
    )

    assert change.is_worse_than(event) is worse


def a_change(event: Event, severity: Severity) -> Change:
    return Change(event.pk, timezone.now(), event.title, "", severity, {}, [], 1)


def test_old_news_that_becomes_worse_is_told_and_what_does_not_stays_unsaid() -> None:
    Subscription.objects.create(connector=make_connector())
    old = [make_event(fingerprint=name, severity="low", muted="It was so before.") for name in "ab"]
    write(Batch(new=old))

    write(Batch(changed=[a_change(old[0], Severity.CRITICAL), a_change(old[1], Severity.LOW)]))

    assert [delivery.message_id for delivery in Delivery.objects.all()] == [str(old[0].pk)]
    assert list(Event.objects.order_by("fingerprint").values_list("muted", flat=True)) == [
        "",
        "It was so before.",
    ]


def test_what_occurred_is_not_told_when_its_inhibitor_is_over() -> None:
    write(Batch(new=[loop := make_event(fingerprint="loop")]))
    restart = make_event(fingerprint="restart", status=EventStatus.OCCURRED, inhibited_by_id=loop.pk)
    write(Batch(new=[restart]))
    Subscription.objects.create(connector=make_connector())

    write(Batch(resolved=[(loop.pk, timezone.now())]))

    assert not Delivery.objects.exists()
    assert Event.objects.get(pk=restart.pk).inhibited_by_id == loop.pk
