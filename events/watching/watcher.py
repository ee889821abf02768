"""Watches clusters, as they are added, changed, disabled and deleted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from connectors import heartbeat, pool
from events.cluster.watch import Timings
from events.models import Cluster
from events.watching.cluster_watcher import AWAY, ClusterWatcher, Print
from events.watching.leadership import Candidate

logger = logging.getLogger(__name__)

STOP = 4.5
"""Seconds, of the five in which all must have ended, for the clusters' watches to end."""


class Watcher:
    """Watches all enabled clusters, or those named, as they are added, changed, disabled and deleted.

    Those where `candidate` leads; without one, all. `poll`: seconds between looks at the database. With
    `show`, see ClusterWatcher.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        *,
        candidate: Candidate | None = None,
        timings: Timings | None = None,
        show: Print | None = None,
        poll: float = 5.0,
    ) -> None:
        self._names = names
        self._candidate = candidate or Candidate()
        self._timings = timings
        self._show = show
        self._poll = poll
        self._watched: dict[int, ClusterWatcher] = {}
        self._idle = False
        self._away = False

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then all watching ends, within five seconds."""
        try:
            while not stop.is_set():
                self._look()
                heartbeat.beat()
                stop.wait(self._poll)
        finally:
            self._end(list(self._watched))

    def _look(self) -> None:
        """Make what is watched what the database says is to be watched."""
        try:
            wanted = {cluster.pk: cluster for cluster in _enabled(self._names)}
        except AWAY as error:
            if not self._away:
                logger.warning("The database is away; watching what was watched: %s", error)
            self._away = True
            return
        finally:
            pool.give_back()
        self._away = False
        if not wanted and not self._idle:
            logger.warning("%s It is noticed by itself.", nothing_to_watch(self._names))
        self._idle = not wanted
        self._end(
            [
                pk
                for pk, watched in self._watched.items()
                if pk not in wanted or _access(watched.cluster) != _access(wanted[pk])
            ]
        )
        for pk, cluster in wanted.items():
            if pk not in self._watched:
                self._watched[pk] = ClusterWatcher(
                    cluster, candidate=self._candidate, timings=self._timings, show=self._show
                )
                self._watched[pk].start()

    def _end(self, keys: Sequence[int]) -> None:
        for pk in keys:
            self._watched[pk].stop()
        deadline = time.monotonic() + STOP
        for pk in keys:
            watched = self._watched.pop(pk)
            if not watched.join(deadline - time.monotonic()):
                logger.warning("%s: the watch did not end in time and is left behind", watched.cluster)


def nothing_to_watch(names: Sequence[str] = ()) -> str:
    """Why there is nothing to watch, and what to do; for when no cluster (of those named) is enabled."""
    known = list(Cluster.objects.filter(name__in=names) if names else Cluster.objects.all())
    if not known:
        return "No cluster is registered. Add one in the admin, under Clusters."
    return f"No cluster is enabled ({', '.join(map(str, known))}). Enable one in the admin, under Clusters."


def _enabled(names: Sequence[str]) -> Iterable[Cluster]:
    clusters = Cluster.objects.filter(enabled=True)
    return clusters.filter(name__in=names) if names else clusters


def _access(cluster: Cluster) -> tuple[object, ...]:
    """What makes it another watch when it changes."""
    return (cluster.name, cluster.access, cluster.context, cluster.kubeconfig, tuple(cluster.namespaces))
