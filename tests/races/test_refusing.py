"""Batches of one audit log that come to several processes at once, and whom nobody refuses any more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from events import refusals
from events.models import Cluster, Event
from events.refusals import QUIET
from events.refused_caller import Refusal
from events.remembered import Refused
from events.sources.audit import read
from tests.calling import Caller
from tests.events.sources.test_audit import body, item
from tests.making import make_cluster
from tests.races.at_once import interrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_are_locked")]


def sent(number: int, *users: str, after: int = 0) -> list[Refusal]:
    """So many refusals of each of these users, a moment ago."""
    begin = timezone.now() - timedelta(seconds=60 - after)
    times = [begin + timedelta(seconds=place) for place in range(number)]
    return read(body(*(item(user, at=at) for user in users for at in times))).refusals


def test_two_batches_of_one_caller_at_once_are_both_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = make_cluster()
    other = interrupt(
        monkeypatch, refusals, "Batch", lambda: refusals.take_in(cluster, sent(2, "alice", after=30))
    )

    refusals.take_in(cluster, sent(3, "alice"))

    other()
    assert Event.objects.get().details["refused"] == 5


def test_batches_that_have_callers_in_common_wait_for_each_other_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = make_cluster()
    refusals.take_in(cluster, sent(1, "b", "d"))
    later = sent(5, "d", "c", "b", "a", after=20)
    other = interrupt(monkeypatch, refusals, "Batch", lambda: refusals.take_in(cluster, later))

    refusals.take_in(cluster, sent(5, "a", "b", "c", "d", after=10))

    other()
    counts = Event.objects.order_by("resource").values_list("resource", "details__refused")
    assert list(counts) == [("User/a", 10), ("User/b", 11), ("User/c", 10), ("User/d", 11)]


def test_a_caller_who_is_refused_again_while_it_ends_is_another_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = make_cluster()
    refusals.take_in(cluster, sent(5, "alice"))
    Refused.objects.update(last_at=timezone.now() - QUIET - timedelta(seconds=1))
    again = sent(5, "alice", after=30)
    other = interrupt(monkeypatch, refusals, "Batch", lambda: refusals.take_in(cluster, again))

    refusals.end()

    other()
    statuses = Event.objects.order_by("first_seen").values_list("status", "details__refused")
    assert list(statuses) == [("resolved", 5), ("firing", 5)]


def test_a_caller_whom_it_ends_for_while_they_are_refused_again_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = make_cluster()
    refusals.take_in(cluster, sent(5, "alice"))
    Refused.objects.update(last_at=timezone.now() - QUIET - timedelta(seconds=1))
    other = interrupt(monkeypatch, refusals, "Batch", refusals.end)

    refusals.take_in(cluster, sent(1, "alice", after=30))

    other()
    assert (Event.objects.get().status, Event.objects.get().details["refused"]) == ("firing", 6)


def test_a_cluster_is_deleted_while_a_batch_of_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, caller = make_cluster(), Caller(everything=True)
    answer = interrupt(
        monkeypatch,
        refusals,
        "Batch",
        lambda: caller.call("DELETE", f"clusters/{cluster.pk}/").status_code,
    )

    refusals.take_in(cluster, sent(5, "alice"))

    assert answer() == 204
    assert not Cluster.objects.exists()
    assert not Refused.objects.exists()
    assert Event.objects.get().cluster is None


def test_a_batch_of_a_cluster_that_was_just_deleted_counts_nothing() -> None:
    cluster = make_cluster()
    Cluster.objects.get().delete()

    refusals.take_in(cluster, sent(5, "alice"))

    assert not Refused.objects.exists()
    assert not Event.objects.exists()
