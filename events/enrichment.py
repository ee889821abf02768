"""Adds to events what the cluster still knows of them: the last log lines, and the warnings about the pod.

Never in the way of an alert: what has not come in time, or may not be read, is left out. And never a burden
to the API server: a storm of failing pods is asked about only in part.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from events.cluster.client import Session
from events.cluster.evidence import LOGS, WARNINGS, Evidence, is_previous
from events.cluster.objects import Pod, Resource
from events.cluster.trouble import ClusterError, Trouble
from events.excerpt import LAST_LOGS, LINES, RECENT_WARNINGS, log_excerpt, warnings_excerpt
from events.models import Event
from events.record import OPEN

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Where there is too much to ask about, these come first.
_WANTED = ("pod_crash_loop", "pod_oom_restart", "pod_restarted")

# Seconds in which a thread that has nothing to do looks whether there is something to try again.
_LOOK_AROUND = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and numbers.

    `wait`: how long a batch of events is held up at most, and `wait_per_minute` all batches of a minute
    together; when that is used up, or `events_per_minute`, events go out as they are. `refused`: how long
    what may not be read is not asked for again.
    """

    threads: int = 4
    wait: float = 1.5
    wait_per_minute: float = 6.0
    events_per_batch: int = 20
    events_per_minute: int = 60
    refused: float = 600.0


@dataclass(frozen=True, slots=True)
class _Found:
    """Something to add to an event."""

    event: Event
    name: str
    value: Any


_Answers: TypeAlias = "queue.SimpleQueue[_Found | None]"  # None: one event has been looked at


@dataclass(frozen=True, slots=True)
class _Job:
    event: Event
    deadline: float  # by time.monotonic
    answers: _Answers


@dataclass(slots=True)
class _Refusal:
    """A right that is missing, and when to try again what it was missed for."""

    text: str
    until: float
    ask: Callable[[Evidence], object]


class Enricher:
    """Enriches the events of one cluster, called from one thread; it asks in threads of its own.

    `namespaces`: those watched, none for all. When `stop` is set, nothing is waited for any more.
    """

    def __init__(
        self,
        session: Session,
        namespaces: Sequence[str] = (),
        *,
        stop: threading.Event | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._session = session
        self._by_namespace = bool(namespaces)
        self._stop = stop or threading.Event()
        self._limits = limits or Limits()
        self._budget = _Budget(self._limits)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._lock = threading.Lock()
        self._refusals: dict[tuple[str, str], _Refusal] = {}  # by plural and namespace

    def __call__(self, events: Sequence[Event]) -> None:
        """Add what is known to the details of these events, which are not saved yet."""
        if self._closed or self._stop.is_set():
            return
        wanted = [event for event in events if event.event_type in _WANTED]
        chosen = self._budget.take(_not_on_record(wanted)) if wanted else []
        if not chosen:
            return
        self._start()
        began = time.monotonic()
        deadline = began + self._budget.wait
        answers: _Answers = queue.SimpleQueue()
        for event in chosen:
            self._jobs.put(_Job(event, deadline, answers))
        self._collect(answers, len(chosen), deadline)
        self._budget.waited(time.monotonic() - began)

    def problems(self) -> dict[str, str]:
        """What may not be read (`pods/log`), and how to grant it."""
        with self._lock:
            texts: dict[str, list[str]] = {}
            for (plural, _), refusal in sorted(self._refusals.items()):
                texts.setdefault(plural, []).append(refusal.text)
        return {plural: " ".join(dict.fromkeys(several)) for plural, several in texts.items()}

    def close(self) -> None:
        """Enrich no more, and end the threads when they have done what they are at. Returns at once."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)

    def _start(self) -> None:
        while len(self._threads) < self._limits.threads:
            # Daemons, because a connection that is being made cannot be interrupted.
            self._threads.append(threading.Thread(target=self._work, name="enrichment", daemon=True))
            self._threads[-1].start()

    def _collect(self, answers: _Answers, jobs: int, deadline: float) -> None:
        """Takes what comes before the deadline. What comes later goes nowhere."""
        while jobs and not self._stop.is_set() and (left := deadline - time.monotonic()) > 0:
            try:
                found = answers.get(timeout=min(left, 0.1))
            except queue.Empty:
                continue
            if found is None:
                jobs -= 1
            else:
                # The details may be shared: they are the finding's own.
                found.event.details = {**found.event.details, found.name: found.value}

    # --- in the threads ---

    def _work(self) -> None:
        pause = min(self._limits.refused, _LOOK_AROUND)
        while True:
            try:
                job = self._jobs.get(timeout=pause)
            except queue.Empty:
                self._try_again()
                continue
            if job is None:
                return
            try:
                self._look_at(job)
            except ClusterError as error:
                logger.debug("%s is not enriched: %s", job.event.resource, error.text)
            except Exception:  # the event is sent without, and the next one is looked at
                logger.exception("%s could not be enriched", job.event.resource)
            finally:
                job.answers.put(None)

    def _look_at(self, job: _Job) -> None:
        event, details = job.event, job.event.details
        name, container = details.get("pod_name", ""), details.get("container", "")
        if not name or time.monotonic() >= job.deadline:
            return
        scope = event.namespace if self._by_namespace else ""
        evidence = Evidence(self._session.client(), job.deadline, scope)
        pod = self._ask(Pod.resource, scope, evidence, lambda evidence: evidence.pod(event.namespace, name))
        if pod is None:
            return
        previous = is_previous(pod, container, event.key, details.get("finished_at", ""))
        if previous is not None:

            def log(evidence: Evidence) -> str:
                return evidence.last_lines(pod, container, LINES, previous=previous)

            lines = log_excerpt(self._ask(LOGS, scope, evidence, log) or "")
            if lines:
                job.answers.put(_Found(event, LAST_LOGS, lines))
        warned = self._ask(WARNINGS, scope, evidence, lambda evidence: evidence.warnings(pod))
        if warned:
            job.answers.put(_Found(event, RECENT_WARNINGS, warnings_excerpt(warned)))

    def _ask(self, right: Resource, scope: str, evidence: Evidence, ask: Callable[[Evidence], T]) -> T | None:
        """What it answers; None if it does not, or was forbidden to answer a while ago."""
        key = (right.plural, scope)
        with self._lock:
            refusal = self._refusals.get(key)
            if refusal and time.monotonic() < refusal.until:
                return None
        try:
            answer = ask(evidence)
        except ClusterError as error:
            self._note(key, error, ask)
            return None
        with self._lock:
            self._refusals.pop(key, None)
        return answer

    def _note(self, key: tuple[str, str], error: ClusterError, ask: Callable[[Evidence], object]) -> None:
        logger.debug("%s: not read: %s", key[0], error.text)
        with self._lock:
            if error.kind == Trouble.FORBIDDEN:
                if key not in self._refusals:
                    logger.warning("%s cannot be read and is left out of events: %s", key[0], error.text)
                until = time.monotonic() + self._limits.refused
                self._refusals[key] = _Refusal(error.text, until, ask)
            elif error.kind in (Trouble.NOT_FOUND, Trouble.FAILED):
                self._refusals.pop(key, None)  # rights are looked at before anything else

    def _try_again(self) -> None:
        """Ask once more for what was refused, so that a right that was granted is noticed."""
        now = time.monotonic()
        due: list[tuple[tuple[str, str], _Refusal]] = []
        with self._lock:
            for key, refusal in self._refusals.items():
                if now >= refusal.until:
                    refusal.until = now + self._limits.refused  # the other threads need not
                    due.append((key, refusal))
        for key, refusal in due:
            try:
                refusal.ask(Evidence(self._session.client(), now + self._limits.wait, key[1]))
            except ClusterError as error:
                self._note(key, error, refusal.ask)
            else:
                with self._lock:
                    self._refusals.pop(key, None)


class _Budget:
    """What a minute may cost: so many events asked about, and so many seconds of waiting."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._began = time.monotonic()
        self._events = 0
        self._waited = 0.0

    @property
    def wait(self) -> float:
        """Seconds that the next batch may wait."""
        return min(self._limits.wait, self._limits.wait_per_minute - self._waited)

    def take(self, events: Sequence[Event]) -> list[Event]:
        """Those of the events that may be asked about now, the most urgent first."""
        if time.monotonic() - self._began >= 60.0:
            self._began, self._events, self._waited = time.monotonic(), 0, 0.0
        number = min(self._limits.events_per_batch, self._limits.events_per_minute - self._events)
        if number <= 0 or self.wait <= 0:
            return []
        chosen = sorted(events, key=lambda event: _WANTED.index(event.event_type))[:number]
        self._events += len(chosen)
        return chosen

    def waited(self, seconds: float) -> None:
        """So long it took."""
        self._waited += seconds


def _not_on_record(events: Sequence[Event]) -> list[Event]:
    """Those that are written for the first time: after a restart, much is seen that is on record."""
    known = set(
        Event.objects.filter(
            fingerprint__in={event.fingerprint for event in events}, status__in=OPEN
        ).values_list("fingerprint", flat=True)
    )
    return [event for event in events if event.fingerprint not in known]
