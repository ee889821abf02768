"""Asks the API servers of many clusters at once whether they can serve."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from events.cluster.client import Session
from events.cluster.trouble import ClusterError, Trouble

if TYPE_CHECKING:
    from events.models import Cluster

TIMEOUT = 5.0
"""Seconds for a connection, and again for the answer."""
WAIT = 10.0
"""Seconds after which no more answers are waited for."""


class Verdict(Enum):
    """What an API server, or its silence, says."""

    READY = "ready"
    NOT_READY = "not ready"  # by its own account
    SILENT = "silent"  # no answer, which may be the fault of the way to it
    UNKNOWN = "unknown"  # it was not asked, or does not tell this account


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict, and why in words for people ("" for READY)."""

    verdict: Verdict
    text: str = ""


class Questions:
    """Asks, and keeps connections and credentials from one time to the next."""

    def __init__(self, *, timeout: float = TIMEOUT, wait: float = WAIT) -> None:
        self._timeout = timeout
        self._wait = wait
        self._sessions: dict[int, tuple[tuple[object, ...], Session]] = {}
        self._pending: dict[int, _Question] = {}
        self._asking = threading.Lock()

    def ask(self, clusters: Iterable[Cluster]) -> Mapping[int, Readiness]:
        """How ready each cluster's API server is, by the cluster's id. Takes `wait` seconds at most.

        Each is asked in a thread of its own, so that none waits for another. A thread that cannot be ended,
        for it waits for a credential program, is left behind, and its cluster not asked again before it ends.
        """
        with self._asking:
            return self._ask(list(clusters))

    def close(self) -> None:
        """End all connections."""
        with self._asking:
            self._forget(set())

    def _ask(self, clusters: list[Cluster]) -> dict[int, Readiness]:
        self._forget({cluster.pk for cluster in clusters})
        asked = []
        for cluster in clusters:
            question = self._pending.get(cluster.pk)
            if question is None or not question.is_alive():
                question = _Question(cluster, self._session(cluster), self._timeout)
                self._pending[cluster.pk] = question
                question.start()
                asked.append(question)
        deadline = time.monotonic() + self._wait
        for question in asked:
            question.join(max(0.0, deadline - time.monotonic()))
            if question.is_alive():
                self._sessions.pop(question.pk)[1].close()
        return {cluster.pk: self._pending[cluster.pk].answer() for cluster in clusters}

    def _session(self, cluster: Cluster) -> Session:
        access = (cluster.name, cluster.access, cluster.context, cluster.kubeconfig)
        known = self._sessions.get(cluster.pk)
        if known is not None and known[0] == access:
            return known[1]
        if known is not None:
            known[1].close()
        session = Session(cluster)
        self._sessions[cluster.pk] = access, session
        return session

    def _forget(self, wanted: set[int]) -> None:
        for pk in self._sessions.keys() - wanted:
            self._sessions.pop(pk)[1].close()
        for pk in self._pending.keys() - wanted:
            if not self._pending[pk].is_alive():
                del self._pending[pk]


class _Question(threading.Thread):
    """One request to one API server."""

    def __init__(self, cluster: Cluster, session: Session, timeout: float) -> None:
        super().__init__(name=f"{cluster}: readiness", daemon=True)
        self.pk = cluster.pk
        self._session = session
        self._timeout = timeout
        self._answer: Readiness | None = None
        self._server = ""  # once it is asked

    def run(self) -> None:
        """Ask. Whatever else goes wrong is logged as the fault of a thread, and the answer unknown."""
        try:
            client = self._session.client()
        except ClusterError as error:
            self._answer = Readiness(Verdict.UNKNOWN, error.text)
            return
        self._server = client.server
        try:
            client.check_ready(self._timeout)
        except ClusterError as error:
            if error.kind in (Trouble.UNAUTHORIZED, Trouble.UNREACHABLE):
                self._session.renew(client, at_once=error.kind == Trouble.UNAUTHORIZED)
            self._answer = Readiness(_verdict(error), error.text)
        else:
            self._answer = Readiness(Verdict.READY)

    def answer(self) -> Readiness:
        """The answer, or what it means that there is none yet."""
        if self._answer is not None:
            return self._answer
        if self._server and self.is_alive():
            return Readiness(Verdict.SILENT, f"{self._server} does not answer in time.")
        return Readiness(Verdict.UNKNOWN, "It has not been asked: there are no credentials yet.")


def _verdict(error: ClusterError) -> Verdict:
    """A server that refuses the account, or asks to come back later, has answered: that is no failure."""
    if error.status >= 500:
        return Verdict.NOT_READY
    return Verdict.SILENT if error.kind == Trouble.UNREACHABLE else Verdict.UNKNOWN
