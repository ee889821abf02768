"""Watches one cluster: from its streams to events on record, and how it goes to the cluster's row."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections
from django.db.models import Q

from connectors import pool
from events.cluster.backoff import Backoff
from events.cluster.client import Session
from events.cluster.status import Snapshot
from events.cluster.streams import Streams, scopes
from events.cluster.trouble import ClusterError, Trouble
from events.cluster.watch import Informer, Observation, Problem, Timings
from events.enrichment import Enricher
from events.ingest import Ingest, Unregistered
from events.models import Cluster, WatchState
from events.watching.leadership import Candidate, Deposed, Suspended, Term
from events.watching.turns import Crowded, turn

logger = logging.getLogger(__name__)

BATCH = 500
TICK = 1.0
WAKE = 0.2
HEARTBEAT = 10.0
# A cluster of which nobody has said anything for so long has no watcher.
UNWATCHED = 3 * HEARTBEAT
# Of the five seconds in which all must have ended: for streams to end, and for what they saw to be written.
STREAMS_END = 1.5
WRITING_ENDS = 2.0

AWAY = (OperationalError, InterfaceError)
"""How Django says that the database is away or busy, rather than that we asked for something wrong."""

T = TypeVar("T")
Print = Callable[[str], None]


class ClusterWatcher:
    """Watches one cluster from `start` to `stop`, in threads of its own, while `candidate` leads there.

    With `show`, nothing is written: each finding is handed to it as a line.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        candidate: Candidate | None = None,
        timings: Timings | None = None,
        show: Print | None = None,
    ) -> None:
        self.cluster = cluster
        self._timings = timings or Timings()
        self._show = show
        self._stop = threading.Event()
        self._retry = Backoff(first=0.5, longest=10.0)
        self._saved: Snapshot | None = None
        self._saved_at = 0.0
        self._candidate = candidate or Candidate()
        self._term = Term()
        self._told = ("", 0.0)
        self._thread = threading.Thread(target=self._run, name=f"{cluster}: ingest", daemon=True)

    def start(self) -> None:
        """Begin. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end: within five seconds, with what has been seen written. Returns at once."""
        self._stop.set()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    self._stand()
                except Deposed:
                    logger.warning("%s: this watcher no longer leads; it stands by", self.cluster)
                except Unregistered:
                    logger.info("%s: it has been deleted, and is watched no more", self.cluster)
                    self._stop.set()
                except Exception:  # one cluster's fault must not end its watch, nor go unseen
                    logger.exception("%s: the watch failed and is begun again", self.cluster)
                    failures = failures + 1 if time.monotonic() - began < 60 else 1
                    self._stop.wait(self._retry.delay(failures))
        finally:
            connections.close_all()

    def _stand(self) -> None:
        """Watch from when it is ours to watch until told to stop. Raises Deposed, or what went wrong."""
        with self._candidate.leading(self.cluster, self._stop, self._no_lease) as term:
            if term is None:
                return
            self._term = term
            self._saved = None  # others may have written since
            try:
                self._watch()
            except (Deposed, Unregistered):
                raise
            except Exception as error:
                text = f"KubeGraf itself failed here ({type(error).__name__}); its log says more."
                self._save(Snapshot(WatchState.DEGRADED, text))
                raise
            self._save(Snapshot(WatchState.STOPPED))

    def _watch(self) -> None:
        """Until told to stop. Whatever it raises, all of it is begun again, from a new list."""
        session = Session(self.cluster)
        enricher = Enricher(session, self.cluster.namespaces, stop=self._stop)
        ingest = self._persist(lambda: Ingest(self.cluster, enrich=enricher, guard=self._term.guard))
        if ingest is None:
            return
        following = scopes(ingest.kinds, self.cluster.namespaces)
        streams = Streams(self.cluster.name, session, following, self._timings)
        try:
            next_tick = 0.0
            while not self._stop.is_set():
                batch = streams.take(BATCH, min(WAKE, next_tick - time.monotonic()))
                due = time.monotonic() >= next_tick
                if batch or due:
                    self._take_in(ingest, batch)
                    streams.status.taken_in(batch, _now())
                if due:
                    next_tick = time.monotonic() + TICK
                    self._save(streams.snapshot().with_problems(enricher.problems()))
        finally:
            enricher.close()
            streams.stop()
            streams.join(STREAMS_END)
        deadline = time.monotonic() + WRITING_ENDS
        while time.monotonic() < deadline and (batch := streams.take(BATCH, 0)):
            self._take_in(ingest, batch)

    def _take_in(self, ingest: Ingest, batch: Sequence[Observation]) -> None:
        # While there is more to come, it is no later than what came last.
        now = batch[-1].at if len(batch) == BATCH else _now()

        def write() -> None:
            self._term.check()
            _take_in(ingest, self.cluster, batch, now, self._show)

        self._persist(write)

    def _persist(self, write: Callable[[], T]) -> T | None:
        """Do it, again and again while the database is away or the lease has lapsed.

        None if told to stop before it was done. Raises Deposed.
        """
        failures = 0
        while True:
            try:
                with turn():
                    done = write()
            except (Crowded, Suspended):
                if self._term.trouble:
                    self._no_lease(self._term.trouble)
                if self._stop.wait(WAKE):
                    return None
            except AWAY as error:
                failures += 1
                if failures == 1:
                    logger.warning("%s: the database is away, waiting for it: %s", self.cluster, error)
                connections.close_all()
                if self._stop.wait(self._retry.delay(failures)):
                    return None
            else:
                if failures:
                    logger.info("%s: the database is back; nothing was lost", self.cluster)
                return done

    def _save(self, snapshot: Snapshot) -> None:
        """Write how it goes to the cluster's row: when that has changed, and as a heartbeat."""
        news = snapshot.is_news_after(self._saved)
        if self._show or not (news or time.monotonic() - self._saved_at >= HEARTBEAT):
            return
        try:
            self._term.check()
        except (Deposed, Suspended):
            return  # how it goes is for the one to say who leads
        if news:
            text = f": {snapshot.state_message}" if snapshot.state_message else ""
            logger.info("%s: %s%s", self.cluster, snapshot.state.label, text)
        columns = {name: value for name, value in asdict(snapshot).items() if name != "last_change_at"}
        if snapshot.last_change_at:
            columns["last_change_at"] = snapshot.last_change_at
        try:
            Cluster.objects.filter(pk=self.cluster.pk).update(**columns, heartbeat_at=_now())
        except AWAY:
            connections.close_all()  # whoever has something to lose says so; this is tried again in a second
            return
        finally:
            pool.give_back()
        self._saved, self._saved_at = snapshot, time.monotonic()

    def _no_lease(self, why: str) -> None:
        """Show why this watcher may not watch the cluster, unless another one does."""
        told, at = self._told
        if why != told:
            logger.warning("%s: not watched from here: %s", self.cluster, why)
        elif time.monotonic() - at < HEARTBEAT:
            return
        self._told = (why, time.monotonic())
        unwatched = (
            Q(state__in=(WatchState.NEVER, WatchState.STOPPED))
            | Q(heartbeat_at=None)
            | Q(heartbeat_at__lt=_now() - timedelta(seconds=UNWATCHED))
        )
        try:
            Cluster.objects.filter(unwatched, pk=self.cluster.pk).update(
                state=WatchState.UNREACHABLE, state_message=why, connected_since=None
            )
        except AWAY:
            connections.close_all()  # this is tried again
        finally:
            pool.give_back()


def watch_once(cluster: Cluster, *, show: Print | None = None) -> list[Problem]:
    """List everything once and take it in. What could not be listed, and why.

    That something is not installed counts only where nothing is: then that is no API server.
    """
    problems: list[Problem] = []
    with closing(Session(cluster)) as session, closing(Enricher(session, cluster.namespaces)) as enricher:
        ingest = Ingest(cluster, enrich=enricher)
        following = scopes(ingest.kinds, cluster.namespaces)
        for kind, namespace in following:
            observations = Informer(session, kind, namespace).list()
            try:
                while batch := list(islice(observations, BATCH)):
                    _take_in(ingest, cluster, batch, batch[-1].at, show)
            except ClusterError as error:
                problems.append(Problem(kind.resource.plural, error.text, error.kind))
        _take_in(ingest, cluster, (), _now(), show)
    if len(problems) == len(following):
        return problems
    return [problem for problem in problems if problem.kind != Trouble.NOT_FOUND]


def _take_in(
    ingest: Ingest, cluster: Cluster, batch: Sequence[Observation], now: datetime, show: Print | None
) -> None:
    """One batch, and the time as it is then; with `show`, only what would come of it."""
    if show:
        for line in ingest.look(batch, now):
            show(f"{cluster}: {line}")
    else:
        ingest.apply(batch)
        ingest.tick(now)


def _now() -> datetime:
    return datetime.now(UTC)
