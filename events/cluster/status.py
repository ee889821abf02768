"""How the watch of a cluster goes, put together from how each of its streams goes and what they bring."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from events.cluster.objects import Node
from events.cluster.trouble import Trouble
from events.cluster.watch import Connected, Gone, Observation, Problem, Report, Seen
from events.models import WatchState

StreamKey = tuple[str, str]  # plural, namespace

LAG_SPAN = timedelta(minutes=1)
"""A lag is shown until it has been exceeded, or for so long."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is shown of it: the columns of a Cluster row of the same names."""

    state: WatchState = WatchState.CONNECTING
    state_message: str = ""
    problems: dict[str, str] = field(default_factory=dict)
    connected_since: datetime | None = None
    last_change_at: datetime | None = None
    lag_seconds: float | None = None
    objects_known: int = 0
    stream_restarts: int = 0
    nodes_known: int = 0
    nodes_not_ready: int = 0

    def with_problems(self, others: dict[str, str]) -> Snapshot:
        """This with other problems than the streams have, which are no fault of the watch."""
        return replace(self, problems=self.problems | others) if others else self

    def is_news_after(self, other: Snapshot | None) -> bool:
        """Whether it goes otherwise than then; that the figures have moved on is no news."""
        return other is None or _how(self) != _how(other)


def _how(snapshot: Snapshot) -> tuple[object, ...]:
    return (snapshot.state, snapshot.state_message, snapshot.problems, snapshot.connected_since)


class Status:
    """Told by every stream how it goes, from whatever thread; asked by whoever shows it."""

    def __init__(self, streams: Iterable[StreamKey]) -> None:
        self._lock = threading.Lock()
        self._streams: dict[StreamKey, Report | None] = dict.fromkeys(streams)
        self._connected_since: datetime | None = None
        self._last_change_at: datetime | None = None
        self._lag: tuple[timedelta, datetime] | None = None  # and when it was seen
        self._nodes: dict[str, bool] = {}  # by uid, whether it is ready

    def note(self, stream: StreamKey, report: Report, at: datetime) -> None:
        """A stream is open, or has a problem. It counts as open until it has one."""
        with self._lock:
            self._streams[stream] = report
            connected = any(isinstance(state, Connected) for state in self._streams.values())
            if not connected:
                self._connected_since = None
            elif self._connected_since is None:
                self._connected_since = at

    def changed(self, at: datetime) -> None:
        """Something in the cluster has been seen to change."""
        with self._lock:
            self._last_change_at = at

    def taken_in(self, batch: Sequence[Observation], at: datetime) -> None:
        """What comes of this has been written, `at` that moment.

        The lag is that of the observation that waited longest since it was read. A change carries no time of
        its own that could be trusted for this (its conditions' are whole seconds by another clock), and what
        the API server has still to send cannot be seen from here.
        """
        if not batch:
            return
        lag = max(at - batch[0].at, timedelta())
        with self._lock:
            if self._lag is None or lag >= self._lag[0] or at - self._lag[1] > LAG_SPAN:
                self._lag = lag, at
            for observation in batch:
                self._count_nodes(observation)

    def _count_nodes(self, observation: Observation) -> None:
        if isinstance(observation, Seen):
            if isinstance(observation.obj, Node):
                self._nodes[observation.obj.metadata.uid] = _is_ready(observation.obj, observation.at)
        elif isinstance(observation, Gone):
            if observation.ref.kind == Node.resource.kind:
                self._nodes.pop(observation.ref.uid, None)
        elif observation.kind is Node:
            self._nodes = {uid: ready for uid, ready in self._nodes.items() if uid in observation.uids}

    def snapshot(self) -> Snapshot:
        """How it goes at this moment."""
        with self._lock:
            states = list(self._streams.values())
            problems: dict[str, str] = {}
            for (plural, _), state in sorted(self._streams.items()):
                if isinstance(state, Problem) and state.text not in problems.get(plural, ""):
                    problems[plural] = (
                        f"{problems[plural]} {state.text}" if plural in problems else state.text
                    )
            since, last = self._connected_since, self._last_change_at
            lag = self._lag[0].total_seconds() if self._lag else None
            nodes, ready = len(self._nodes), sum(self._nodes.values())
        overall, message = _overall(states)
        return Snapshot(
            overall, message, problems, since, last, lag, nodes_known=nodes, nodes_not_ready=nodes - ready
        )


def _overall(states: list[Problem | Connected | None]) -> tuple[WatchState, str]:
    troubles = [state for state in states if isinstance(state, Problem)]
    # What is not installed is not missing from the watch, as long as there is anything to watch.
    lacking = [trouble for trouble in troubles if trouble.kind != Trouble.NOT_FOUND]
    connected = any(isinstance(state, Connected) for state in states)
    refused = troubles and all(t.kind in (Trouble.FORBIDDEN, Trouble.NOT_FOUND) for t in troubles)
    if lacking and (connected or (refused and len(troubles) == len(states))):
        missing = ", ".join(sorted({trouble.plural for trouble in lacking}))
        return WatchState.DEGRADED, f"Not watched: {missing}."
    if connected:
        return WatchState.WATCHING, ""
    if troubles and len(troubles) == len(states):
        worst = (lacking or troubles)[0]
        return WatchState.UNREACHABLE, worst.text
    if lacking and not refused:
        return WatchState.UNREACHABLE, lacking[0].text
    return WatchState.CONNECTING, ""


def _is_ready(node: Node, at: datetime) -> bool:
    """Whether it works. One that is being removed on purpose, or joins, is not ready and as it should be.

    A node says at least every five minutes how it is, so that one that never gets ready is found out.
    """
    if node.removal or node.metadata.deletion_timestamp is not None:
        return True
    if (joins_until := node.joins_until) is not None and at < joins_until:
        return True
    return any(
        condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions or ()
    )
