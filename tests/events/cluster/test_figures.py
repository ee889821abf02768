"""What a cluster's row says in figures: objects, restarts of streams, nodes, lag. Over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from events.cluster.backoff import Backoff
from events.cluster.client import Session
from events.cluster.objects import Condition, Meta, Node, NodeStatus, Pod
from events.cluster.status import LAG_SPAN, Snapshot, Status
from events.cluster.streams import Streams
from events.cluster.watch import Observation, Seen, Timings
from events.models import WatchState
from tests.events.cluster.following import FAST, stored
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, node, not_ready, pod
from tests.waiting import until

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Watched:
    """Streams of pods and nodes, with all they bring taken in at once."""

    def __init__(self, server: FakeKubernetes, timings: Timings) -> None:
        self._streams = Streams("test", Session(stored(server)), [(Pod, ""), (Node, "")], timings)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            batch = self._streams.take(100, 0.02)
            self._streams.status.taken_in(batch, datetime.now(UTC))

    @property
    def snapshot(self) -> Snapshot:
        return self._streams.snapshot()

    def close(self) -> None:
        self._end.set()
        self._thread.join(5)
        self._streams.stop()
        self._streams.join(5)


@contextmanager
def watched(server: FakeKubernetes, timings: Timings = FAST) -> Iterator[Watched]:
    watching = Watched(server, timings)
    try:
        until(lambda: server.open_watches() == 2)
        yield watching
    finally:
        watching.close()


def test_objects_are_counted_as_they_come_change_and_go(server: FakeKubernetes) -> None:
    for name in ("a", "b", "c"):
        server.put(pod(name))
    server.put(node("n"))
    with watched(server) as watching:
        assert watching.snapshot.objects_known == 4
        server.put(pod("d"))
        server.put(crash_looping(pod("a")))
        until(lambda: watching.snapshot.objects_known == 5)
        server.delete("Pod", "a")
        until(lambda: watching.snapshot.objects_known == 4)


def test_a_new_list_counts_anew(server: FakeKubernetes) -> None:
    for name in ("a", "b"):
        server.put(pod(name))
    with watched(server) as watching:
        lists = len(server.asked("list", "pods"))
        server.store.delete("Pod", "a", "default")  # which no watch is told of
        server.send_error(410, "Expired", "too old resource version", "pods")
        until(lambda: len(server.asked("list", "pods")) > lists and server.open_watches() == 2)
        until(lambda: watching.snapshot.objects_known == 1)


def test_a_stream_that_breaks_and_is_opened_again_is_one_restart(server: FakeKubernetes) -> None:
    with watched(server) as watching:
        assert watching.snapshot.stream_restarts == 0
        server.cut_watches("pods")
        until(lambda: watching.snapshot.stream_restarts == 1)


def test_a_server_that_is_away_is_one_restart_of_each_stream(server: FakeKubernetes) -> None:
    with watched(server) as watching:
        server.stop()
        until(lambda: watching.snapshot.state == WatchState.UNREACHABLE)
        assert watching.snapshot.stream_restarts == 0
        server.start()
        until(lambda: server.open_watches() == 2)
        until(lambda: watching.snapshot.stream_restarts == 2)


def test_a_watch_that_ends_at_its_time_is_no_restart(server: FakeKubernetes) -> None:
    timings = Timings(watch=0.5, steady=0.0, backoff=Backoff(first=0.01, longest=0.02))
    with watched(server, timings) as watching:
        asked = len(server.asked("watch"))
        server.end_watches()
        until(lambda: len(server.asked("watch")) >= asked + 2 and server.open_watches() == 2)
        assert watching.snapshot.stream_restarts == 0


def test_nodes_are_counted_and_those_that_do_not_work(server: FakeKubernetes) -> None:
    for name in ("a", "b", "c"):
        server.put(node(name))
    with watched(server) as watching:
        until(lambda: figures(watching.snapshot) == (3, 0))
        server.put(not_ready(node("a")))
        until(lambda: figures(watching.snapshot) == (3, 1))
        server.delete("Node", "a")
        until(lambda: figures(watching.snapshot) == (2, 0))


def test_a_node_that_is_being_removed_does_not_count_as_not_working(server: FakeKubernetes) -> None:
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
    server.put(node("a", ready=False, taints=[taint]))
    server.put(node("b", ready=False))
    with watched(server) as watching:
        until(lambda: figures(watching.snapshot) == (2, 1))


def test_a_node_that_joins_counts_as_not_working_only_after_five_minutes() -> None:
    status = Status([])
    joining = Node(
        Meta(name="a", uid="1", creation_timestamp=AT),
        status=NodeStatus((Condition("Ready", "False", last_transition_time=AT),)),
    )

    status.taken_in([Seen(joining, AT + timedelta(seconds=299))], AT)
    assert figures(status.snapshot()) == (1, 0)
    status.taken_in([Seen(joining, AT + timedelta(seconds=300))], AT)
    assert figures(status.snapshot()) == (1, 1)


def figures(snapshot: Snapshot) -> tuple[int, int]:
    return snapshot.nodes_known, snapshot.nodes_not_ready


def seen(seconds: float) -> list[Observation]:
    return [Seen(Pod(), AT + timedelta(seconds=seconds))]


def test_the_lag_is_that_of_what_waited_longest_in_the_last_minute() -> None:
    status = Status([])
    assert status.snapshot().lag_seconds is None
    status.taken_in(seen(0) + seen(2), AT + timedelta(seconds=3))
    status.taken_in(seen(4), AT + timedelta(seconds=5))
    assert status.snapshot().lag_seconds == 3.0
    later = 5 + LAG_SPAN.total_seconds()
    status.taken_in(seen(later - 0.5), AT + timedelta(seconds=later))
    assert status.snapshot().lag_seconds == 0.5


@pytest.mark.parametrize("figure", ["lag_seconds", "objects_known", "nodes_known", "stream_restarts"])
def test_a_figure_that_moves_on_is_no_news(figure: str) -> None:
    calm = Snapshot(WatchState.WATCHING)
    assert not Snapshot(WatchState.WATCHING, **{figure: 7}).is_news_after(calm)
    assert Snapshot(WatchState.UNREACHABLE).is_news_after(calm)
