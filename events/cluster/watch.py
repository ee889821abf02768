"""Follows one collection of a cluster: a list, then what changes, without a gap, until it is stopped.

Three layers: `Informer.follow` goes on for ever and decides what a failure means; `_list` and `_watch` are
one list and one connection; `_line` is one line. The rules of the protocol:
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from events.cluster.backoff import Backoff
from events.cluster.client import Client, Session
from events.cluster.decoding import decode
from events.cluster.lines import Identity, Reader, identity, read_line
from events.cluster.objects import Object, Ref
from events.cluster.trouble import ClusterError, Status, Trouble, from_status

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it is, learned `at` that moment."""

    obj: Object
    at: datetime


@dataclass(frozen=True, slots=True)
class Gone:
    """An object that is no more."""

    ref: Ref
    at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A complete list has been delivered: any object of that kind (and namespace) not in it is gone."""

    kind: type[Object]
    namespace: str
    uids: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """A collection cannot be watched now, and why. It is tried again."""

    plural: str
    text: str
    kind: Trouble = Trouble.FAILED


@dataclass(frozen=True, slots=True)
class Connected:
    """A watch of the collection is open."""

    plural: str


Observation: TypeAlias = Seen | Gone | Listed
Report: TypeAlias = Problem | Connected


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, and how many objects a page has.

    The API server sends a bookmark about every minute, so a stream silent for `inactivity` is dead, or its
    server sends none; going on from the last version costs one request. `steady`: a watch that lived this
    long was no failure. `slow_retry`: what a person has to mend is tried no more often. `first_lists`: how
    long after the start a kind waits for the first lists of the kinds before it.
    """

    page_size: int = 500
    watch: float = 290.0
    inactivity: float = 100.0
    steady: float = 1.0
    slow_retry: float = 60.0
    first_lists: float = 5.0
    backoff: Backoff = field(default_factory=Backoff)


# Two watches in a row from one version that bring nothing, not even a bookmark: the version is one that the
# server will never have (its past was restored from a backup), or that it no longer has and does not say so,
# which is what it does for events (https://github.com/kubernetes/kubernetes/issues/104171).
_FRUITLESS = 2
_LIST_RESTARTS = 3


class Informer:
    """Lists and watches one kind in one namespace, or in all.

    `follow` yields what is seen and how it goes until `stop` is set and the session closed. It is resumed
    where it was left, so whoever iterates may take its time; nothing is dropped. `known` says how many
    objects there are, `restarts` how often a watch broke, or ended before its time, and was opened again.
    """

    def __init__(
        self,
        session: Session,
        kind: type[Object],
        namespace: str = "",
        *,
        stop: threading.Event | None = None,
        timings: Timings | None = None,
    ) -> None:
        self._session = session
        self._kind = kind
        self._resource = kind.resource
        self._namespace = namespace
        self._stop = stop or threading.Event()
        self._timings = timings or Timings()
        self._client: Client | None = None
        self._version = ""  # what has been delivered; "" before a complete list
        self._opened = False  # whether the present watch was accepted
        self._lines = 0  # of the present watch, those that were understood
        self._failures = 0  # in a row
        self._fruitless = 0
        self._renewed = False  # whether new credentials have been tried since the last success
        self._problem = ""
        self._reader = Reader(kind, self.name)
        self._broken = False  # whether a watch that was open has broken, and none is open again
        self.known = 0
        self.restarts = 0

    @property
    def key(self) -> tuple[str, str]:
        """Plural and namespace."""
        return self._resource.plural, self._namespace

    @property
    def name(self) -> str:
        """What is watched, for a log line: `prod: pods in shop`."""
        place = f" in {self._namespace}" if self._namespace else ""
        return f"{self._session.name}: {self._resource.plural}{place}"

    def list(self) -> Iterator[Observation]:
        """Everything once, page by page, then `Listed`. Raises ClusterError."""
        self._client = self._session.client()
        yield from self._list(self._client)

    def follow(self) -> Iterator[Observation | Report]:
        """Everything there is, then everything that happens, until `stop` is set."""
        while not self._stop.is_set():
            error: ClusterError | None = None
            self._opened, self._lines, began = False, 0, time.monotonic()
            try:
                self._client = self._session.client()
                if not self._version:
                    yield from self._list(self._client)
                began = time.monotonic()
                yield from self._watch(self._client)
            except ClusterError as caught:
                error = caught
            if self._stop.is_set():
                return
            lasted = time.monotonic() - began
            steady = self._opened and lasted >= self._timings.steady
            # The server rounds the time that a watch is asked for to whole seconds.
            self._broken |= self._opened and (error is not None or lasted < self._timings.watch - 1)
            self._failures = 0 if steady else self._failures + 1
            report = self._report(error)
            if report:
                yield report
                if error and error.kind == Trouble.NOT_FOUND and self._resource.is_custom:
                    # What is not installed, or no longer, has no objects.
                    self.known = 0
                    yield Listed(self._kind, self._namespace, frozenset(), _now())
            self._stop.wait(self._next(error))

    # --- one list, one watch, one line ------------------------------------------------------------------

    def _list(self, client: Client) -> Iterator[Observation]:
        uids: set[str] = set()
        token, restarts = "", 0
        while True:
            try:
                page = client.list_page(self._resource, self._namespace, self._timings.page_size, token)
            except ClusterError as error:
                # The rest of the list is no longer kept (410), or was never known to this server (400).
                if not token or error.status not in (400, 410) or restarts == _LIST_RESTARTS:
                    raise
                logger.info("%s: the list has expired half-way and is begun again", self.name)
                uids, token, restarts = set(), "", restarts + 1
                continue
            now = _now()
            for raw in page.items or ():
                obj, which = self._reader.read(raw)
                uids.add(which.uid)
                if obj:
                    yield Seen(obj, now)
            if self._stop.is_set():
                return
            token = page.next
            if not token:
                break
        self.known = len(uids)
        yield Listed(self._kind, self._namespace, frozenset(uids), now)
        self._version = page.version

    def _watch(self, client: Client) -> Iterator[Observation | Report]:
        # Without chance, all streams of all watchers would end together.
        seconds = self._timings.watch * (1 + random.random() / 10)
        stream = client.watch(
            self._resource, self._namespace, self._version, seconds, self._timings.inactivity
        )
        with closing(stream) as lines:
            self._opened, self._renewed = True, False
            self.restarts += self._broken
            self._broken = False
            yield Connected(self._resource.plural)
            if self._problem:
                self._problem = ""
                logger.info("%s: watched again", self.name)
            for line in lines:
                yield from self._line(line)
                if self._stop.is_set():
                    return

    def _line(self, text: bytes) -> Iterator[Observation]:
        change = self._reader.change(text)
        if change:
            self._lines += 1
            yield from self._change(change.type, change.object, change.object.metadata)
            return
        line = read_line(text)
        if line.type == "ERROR":
            status = decode(line.object, Status)
            raise from_status(status, server=self._server, resource=self._resource, namespace=self._namespace)
        self._lines += 1
        if line.type == "BOOKMARK":
            self._version = identity(line.object).resource_version or self._version
            return
        yield from self._change(line.type, *self._reader.read(line.object))

    def _change(self, kind: str, obj: Object | None, which: Identity) -> Iterator[Observation]:
        if kind == "DELETED":
            if which.uid:
                self.known = max(0, self.known - 1)
                yield Gone(Ref(self._resource.kind, which.name, which.namespace, which.uid), _now())
        elif obj and kind in ("ADDED", "MODIFIED"):
            self.known += kind == "ADDED"
            yield Seen(obj, _now())
        elif obj:
            self._reader.complain(f"a change of type “{kind[:30]}”, which is not known, was skipped")
        # Only now has it been delivered: a watch that goes on from here brings it no second time.
        self._version = which.resource_version or self._version

    # --- what a failure means ---------------------------------------------------------------------------

    def _report(self, error: ClusterError | None) -> Report | None:
        """A problem to be shown: a request that was refused. That a stream ends or breaks is none yet."""
        if error is None:
            return None
        if self._opened or (error.kind == Trouble.GONE and self._version):
            log = logger.warning if error.kind == Trouble.GARBLED else logger.info
            log("%s: %s; going on from the last version", self.name, error.text.rstrip("."))
            return None
        if error.kind == Trouble.UNAUTHORIZED and not self._renewed:
            return None  # a token may have been replaced: the new one is tried first
        if error.text == self._problem:
            return None
        self._problem = error.text
        # That something is not installed is as it should be in most clusters.
        log = logger.info if error.kind == Trouble.NOT_FOUND else logger.warning
        log("%s: %s", self.name, error.text)
        return Problem(self._resource.plural, error.text, error.kind)

    def _next(self, error: ClusterError | None) -> float:
        """Sees to what the next attempt begins with; the seconds to wait before it."""
        kind = error.kind if error else None
        wait = self._timings.backoff.delay(self._failures)
        answered = self._opened or kind in (Trouble.FAILED, Trouble.GARBLED)
        self._fruitless = self._fruitless + 1 if answered and not self._lines else 0
        if kind in (Trouble.GONE, Trouble.NOT_FOUND) or self._fruitless >= _FRUITLESS:
            self._version, self._fruitless = "", 0
        if kind in (Trouble.UNAUTHORIZED, Trouble.UNREACHABLE, Trouble.CONFIG) and self._client:
            self._session.renew(self._client, at_once=kind == Trouble.UNAUTHORIZED and not self._renewed)
        if kind == Trouble.UNAUTHORIZED and not self._renewed:
            self._renewed = True
            return 0.0
        if kind in (Trouble.FORBIDDEN, Trouble.NOT_FOUND):
            return self._timings.slow_retry * random.uniform(0.9, 1.1)
        return max(wait, error.retry_after if error else 0.0)

    @property
    def _server(self) -> str:
        return self._client.server if self._client else "the API server"


def _now() -> datetime:
    return datetime.now(UTC)
