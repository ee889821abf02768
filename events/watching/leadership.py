"""One leader for each cluster, however many watchers there are: who may watch it, since when, until when.

A candidate waits until the lease of a cluster is free, takes it and renews it. A leader that could not renew
stops writing before the lease ends, by its own clock, and goes on where it was when it could renew after all;
if another one has led meanwhile, it is deposed. Every leader gets a number greater than all before it, and
asks with every transaction whether that is still the greatest: so what a deposed one has yet to write is
not written.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError, connections

from connectors import pool
from events.cluster.backoff import Backoff
from events.cluster.lease import KubernetesLease
from events.cluster.trouble import ClusterError
from events.models import Cluster
from events.watching.leases import DatabaseLease, Lease, LeaseKind

logger = logging.getLogger(__name__)

_TROUBLE = (OperationalError, InterfaceError, ClusterError)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. A lease lasts `length`; its holder stops writing `margin` before that.

    `retry`: between two looks at a lease that another one holds, or that could not be read. A candidate lets
    others go first for `courtesy` for every cluster that it watches or is about to, `patience` at most.
    """

    length: float = 10.0
    renew: float = 3.0
    margin: float = 2.0
    retry: float = 1.0
    courtesy: float = 0.25
    patience: float = 2.5


class Deposed(Exception):
    """Another one leads, or may."""


class Suspended(Exception):
    """The lease could not be renewed in time. It may still turn out that nobody else has taken it."""


class Term:
    """The time for which one leads: without end here, where nobody else stands."""

    trouble = ""
    """Why the lease could not be renewed the last time; "" if it could."""

    def check(self) -> None:
        """Raises Deposed or Suspended unless one leads at this moment. Costs nothing."""

    def guard(self) -> None:
        """As `check`, and asks the database: for the last line of a transaction."""


class LeasedTerm(Term):
    """A term that lasts as long as its lease can be renewed, from `start` to `end`."""

    def __init__(self, name: str, lease: Lease, number: DatabaseLease, times: LeaseTimes) -> None:
        self._name = name
        self._lease = lease
        self._number = number
        self._times = times
        self._until = 0.0
        self._over = threading.Event()
        self._deposed = False
        # A thread of its own, for a transaction may last longer than a lease.
        self._thread = threading.Thread(target=self._keep, name=f"{name}: lease", daemon=True)

    def start(self, began: float) -> None:
        """Renew the lease from now on. `began`: when it was asked for, by the monotonic clock."""
        self._extend(began)
        self._thread.start()

    def end(self) -> None:
        """Give the lease back, so that the next one can take it at once."""
        self._over.set()
        self._thread.join(self._times.retry)
        try:
            if not self._deposed:
                self._lease.release()
        except _TROUBLE as error:
            logger.info("%s: the lease could not be given back and has to run out: %s", self._name, error)

    def check(self) -> None:
        if self._deposed:
            raise Deposed
        if time.monotonic() >= self._until:
            raise Suspended

    def guard(self) -> None:
        """Locks nothing: a leader that hangs in its transaction must not keep the next one from taking over.

        What that leaves open is a commit that takes longer than the margin by which writing ends before the
        lease does.
        """
        self.check()
        if not self._number.stands():
            self._deposed = True
            raise Deposed

    def _keep(self) -> None:
        wait = self._times.renew
        try:
            while not self._over.wait(wait) and not self._deposed:
                wait = self._times.renew if self._renew() else self._times.retry
                pool.give_back()
        except Exception:  # a fault of our own: whoever leads next may fare better
            logger.exception("%s: the lease can no longer be renewed", self._name)
            self._deposed = True
        finally:
            connections.close_all()

    def _renew(self) -> bool:
        """Whether it could be found out if the lease is still ours."""
        began = time.monotonic()
        try:
            held = self._lease.renew()
        except _TROUBLE as error:
            if not self.trouble:
                logger.warning("%s: the lease could not be renewed: %s", self._name, error)
            self.trouble = str(error)
            connections.close_all()
            return False
        if held:
            self._extend(began)
        else:
            self._deposed = True
        self.trouble = ""
        return True

    def _extend(self, began: float) -> None:
        # Whatever an answer took on its way, the lease began after it was asked for.
        self._until = began + self._times.length - self._times.margin


class Candidate:
    """A process that watches whatever nobody else does, under a name of its own. Threads share it."""

    def __init__(self, kind: LeaseKind = LeaseKind.NONE, times: LeaseTimes | None = None) -> None:
        self.kind = kind
        self.name = f"{socket.gethostname()[:80]}-{uuid.uuid4().hex[:12]}"
        self._times = times or LeaseTimes()
        self._lock = threading.Lock()
        self._load = 0  # clusters that it watches, or is about to

    @contextmanager
    def leading(
        self, cluster: Cluster, stop: threading.Event, report: Callable[[str], None]
    ) -> Iterator[Term | None]:
        """Waits until the cluster is ours to watch: a term that lasts as long as the block, at most.

        None if `stop` was set first. `report` is told why the lease is not to be had, whenever that fails.
        """
        if self.kind == LeaseKind.NONE:
            yield Term()
            return
        number = DatabaseLease(cluster, self.name, self._times.length)
        lease: Lease = number
        if self.kind == LeaseKind.KUBERNETES:
            lease = KubernetesLease(cluster, self.name, self._times.length)
        try:
            term = self._wait(cluster.name, lease, number, stop, report)
            try:
                yield term
            finally:
                if term is not None:
                    term.end()
                    self._less()
        finally:
            lease.close()

    def _wait(
        self,
        name: str,
        lease: Lease,
        number: DatabaseLease,
        stop: threading.Event,
        report: Callable[[str], None],
    ) -> LeasedTerm | None:
        stands_by, failures = False, 0
        retry = Backoff(first=self._times.retry, longest=5 * self._times.retry)
        while not stop.is_set():
            wait = self._times.retry
            try:
                free_in = lease.free_in()
                if free_in == 0.0:
                    term = self._take(name, lease, number, stop)
                    if term is not None:
                        logger.info("%s: this watcher leads", name)
                        return term
                elif not stands_by:
                    stands_by = True
                    logger.info("%s: another watcher leads; this one stands by", name)
                wait, failures = min(wait, free_in or wait), 0
            except ClusterError as error:
                failures += 1
                wait = max(retry.delay(failures), error.retry_after)
                report(error.text)
            except (OperationalError, InterfaceError) as error:
                failures += 1
                wait = retry.delay(failures)
                if failures == 1:
                    logger.warning("%s: the database is away, waiting for it: %s", name, error)
            finally:
                connections.close_all()  # who stands by needs none between two looks
            stop.wait(wait)
        return None

    def _take(
        self, name: str, lease: Lease, number: DatabaseLease, stop: threading.Event
    ) -> LeasedTerm | None:
        """Take a free lease, after a while in which those go first who have less to watch."""
        with self._lock:
            before = self._load
            self._load += 1
        taken = False
        try:
            courtesy = self._times.courtesy * (before + random.random() / 2)
            pool.give_back()  # others need it meanwhile
            if stop.wait(min(courtesy, self._times.patience)):
                return None
            term = LeasedTerm(name, lease, number, self._times)
            began = time.monotonic()
            taken = lease.take() and (lease is number or number.seize())
            if not taken:
                return None
            term.start(began)
            return term
        finally:
            if not taken:
                self._less()

    def _less(self) -> None:
        with self._lock:
            self._load -= 1
