"""All streams of a cluster at once: a thread for each, and one bounded queue that they feed."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from events.cluster.client import Session
from events.cluster.objects import Object
from events.cluster.status import Snapshot, Status, StreamKey
from events.cluster.trouble import Trouble
from events.cluster.watch import Gone, Informer, Listed, Observation, Problem, Seen, Timings

logger = logging.getLogger(__name__)

# When the reader falls behind, the streams wait, and the API server keeps what they have not read.
QUEUE_SIZE = 2000

Scope = tuple[type[Object], str]


def scopes(kinds: Iterable[type[Object]], namespaces: Iterable[str]) -> list[Scope]:
    """What to list and watch: each kind in each namespace, or everywhere, as what has no namespace is."""
    within = list(dict.fromkeys(namespaces)) or [""]
    return [
        (kind, namespace) for kind in kinds for namespace in (within if kind.resource.namespaced else [""])
    ]


class Streams:
    """Starts at once. `take` hands out what has been seen, each stream's observations in their order.

    At the start the kinds are listed one after the other, in the order of `following`.
    """

    def __init__(self, name: str, session: Session, following: Iterable[Scope], timings: Timings) -> None:
        self._session = session
        self._timings = timings
        self._stop = threading.Event()
        self._queue: queue.Queue[Observation] = queue.Queue(QUEUE_SIZE)
        following = list(following)
        self.status = Status(_key(kind, namespace) for kind, namespace in following)
        self._informers: dict[StreamKey, Informer] = {}
        self._faults: dict[StreamKey, int] = {}  # restarts of the informers that failed
        self._first_lists = threading.Condition()
        # Of which there has been no list yet, and no reason why there is none.
        self._unanswered = [_key(kind, namespace) for kind, namespace in following]
        self._patience_ends = time.monotonic() + timings.first_lists
        self._threads = [
            # Daemons, because a connection that is being made cannot be interrupted.
            threading.Thread(
                target=self._run,
                args=(kind, namespace),
                name=f"{name}: {'/'.join(filter(None, _key(kind, namespace)))}",
                daemon=True,
            )
            for kind, namespace in following
        ]
        for thread in self._threads:
            thread.start()

    def take(self, limit: int, timeout: float) -> list[Observation]:
        """Up to `limit` observations, as soon as there is one; none after `timeout` seconds."""
        taken: list[Observation] = []
        try:
            taken.append(self._queue.get(timeout=max(timeout, 0.0)))
            while len(taken) < limit:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return taken

    def snapshot(self) -> Snapshot:
        """How it goes at this moment."""
        informers = list(self._informers.values())
        restarts = sum(informer.restarts for informer in informers) + sum(list(self._faults.values()))
        known = sum(informer.known for informer in informers)
        return replace(self.status.snapshot(), objects_known=known, stream_restarts=restarts)

    def stop(self) -> None:
        """End all streams, whatever they are waiting for. What has been seen can still be taken."""
        self._stop.set()
        with self._first_lists:
            self._first_lists.notify_all()
        self._session.close()

    def join(self, timeout: float) -> None:
        """Wait for the streams to end, at most so many seconds in all."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, kind: type[Object], namespace: str) -> None:
        key, failures = _key(kind, namespace), 0
        self._wait_for_those_before(kind)
        while not self._stop.is_set():
            try:
                informer = Informer(self._session, kind, namespace, stop=self._stop, timings=self._timings)
                self._informers[key] = informer
                self._follow(informer)
            except Exception as error:  # one stream's fault must not end it, nor go unseen
                logger.exception("%s: the stream failed and is begun again", threading.current_thread().name)
                failures += 1
                self._faults[key] = self._faults.get(key, 0) + self._informers.pop(key).restarts + 1
                text = f"KubeGraf itself failed here ({type(error).__name__}); its log says more."
                self.status.note(key, Problem(kind.resource.plural, text, Trouble.FAILED), datetime.now(UTC))
                self._answered(key)
                self._stop.wait(self._timings.backoff.delay(failures))

    def _follow(self, informer: Informer) -> None:
        for item in informer.follow():
            if isinstance(item, Seen | Gone | Listed):
                self.status.changed(item.at)
                self._put(item)
            else:
                self.status.note(informer.key, item, datetime.now(UTC))
            if isinstance(item, Listed | Problem):
                self._answered(informer.key)

    def _wait_for_those_before(self, kind: type[Object]) -> None:
        """Until every kind before this one has been listed, or cannot be, or none is waited for any more."""

        def ours() -> bool:
            return (
                not self._unanswered or self._unanswered[0][0] == kind.resource.plural or self._stop.is_set()
            )

        with self._first_lists:
            self._first_lists.wait_for(ours, self._patience_ends - time.monotonic())

    def _answered(self, key: StreamKey) -> None:
        with self._first_lists:
            if key in self._unanswered:
                self._unanswered.remove(key)
                self._first_lists.notify_all()

    def _put(self, item: Observation) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.5)
            except queue.Full:
                continue
            return


def _key(kind: type[Object], namespace: str) -> StreamKey:
    return kind.resource.plural, namespace
