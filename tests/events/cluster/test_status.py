"""How the watch of a cluster goes, from how its streams go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from events.cluster.status import Status
from events.cluster.trouble import Trouble
from events.cluster.watch import Connected, Problem
from events.models import WatchState

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
PODS, NODES, CRD = ("pods", ""), ("nodes", ""), ("reports", "")


def problem(plural: str, kind: Trouble = Trouble.FORBIDDEN, text: str = "no right") -> Problem:
    return Problem(plural, text, kind)


def test_it_is_connecting_until_a_stream_says_something() -> None:
    status = Status([PODS, NODES])
    assert status.snapshot().state == WatchState.CONNECTING
    assert status.snapshot().connected_since is None


def test_with_a_stream_open_it_watches_since_then() -> None:
    status = Status([PODS, NODES])
    status.note(PODS, Connected("pods"), AT)
    status.note(NODES, Connected("nodes"), AT + timedelta(seconds=5))
    assert status.snapshot().state == WatchState.WATCHING
    assert status.snapshot().connected_since == AT


def test_with_one_missing_it_is_degraded_and_says_what() -> None:
    status = Status([PODS, NODES])
    status.note(PODS, Connected("pods"), AT)
    status.note(NODES, problem("nodes"), AT)
    snapshot = status.snapshot()
    assert (snapshot.state, snapshot.state_message) == (WatchState.DEGRADED, "Not watched: nodes.")
    assert snapshot.problems == {"nodes": "no right"}


def test_what_is_not_installed_is_named_but_missed_by_nobody() -> None:
    status = Status([PODS, CRD])
    status.note(PODS, Connected("pods"), AT)
    status.note(CRD, problem("reports", Trouble.NOT_FOUND, "not installed"), AT)
    snapshot = status.snapshot()
    assert (snapshot.state, snapshot.problems) == (WatchState.WATCHING, {"reports": "not installed"})


def test_with_nothing_reached_it_is_unreachable_and_says_why() -> None:
    status = Status([PODS, NODES])
    status.note(PODS, problem("pods", Trouble.UNREACHABLE, "refused"), AT)
    snapshot = status.snapshot()
    assert (snapshot.state, snapshot.state_message) == (WatchState.UNREACHABLE, "refused")


def test_a_server_that_refuses_everything_has_been_reached() -> None:
    status = Status([PODS, NODES])
    status.note(PODS, problem("pods"), AT)
    assert status.snapshot().state == WatchState.CONNECTING
    status.note(NODES, problem("nodes"), AT)
    snapshot = status.snapshot()
    assert (snapshot.state, snapshot.state_message) == (WatchState.DEGRADED, "Not watched: nodes, pods.")


def test_an_address_that_knows_nothing_of_all_this_is_no_cluster() -> None:
    status = Status([PODS, NODES])
    status.note(PODS, problem("pods", Trouble.NOT_FOUND, "not installed"), AT)
    status.note(NODES, problem("nodes", Trouble.NOT_FOUND, "not installed"), AT)
    assert status.snapshot().state == WatchState.UNREACHABLE


def test_connected_since_begins_anew_after_everything_was_lost() -> None:
    later = AT + timedelta(minutes=10)
    status = Status([PODS])
    status.note(PODS, Connected("pods"), AT)
    status.note(PODS, problem("pods", Trouble.UNREACHABLE), AT + timedelta(minutes=5))
    assert status.snapshot().connected_since is None
    status.note(PODS, Connected("pods"), later)
    assert status.snapshot().state == WatchState.WATCHING
    assert status.snapshot().connected_since == later


def test_problems_of_several_namespaces_stand_together() -> None:
    status = Status([("pods", "a"), ("pods", "b"), ("pods", "c")])
    status.note(("pods", "a"), problem("pods", text="not in a."), AT)
    status.note(("pods", "b"), problem("pods", text="not in b."), AT)
    status.note(("pods", "c"), problem("pods", text="not in b."), AT)
    assert status.snapshot().problems == {"pods": "not in a. not in b."}


def test_the_last_change_is_remembered() -> None:
    status = Status([PODS])
    assert status.snapshot().last_change_at is None
    status.changed(AT)
    assert status.snapshot().last_change_at == AT
