"""Since when problems wait to be opened, or to be over, so that no wait begins anew with another watcher."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from connectors import bulk
from events.decisions import ProblemKey
from events.fingerprints import fingerprint
from events.models import Cluster
from events.remembered import Wait


class Waits:
    """Those of one cluster, as they are in the database, and what has still to be written of them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._written = {
            ProblemKey(row.event_type, row.namespace, row.subject, row.key): row.since
            for row in Wait.objects.filter(cluster=cluster)
        }
        self._unwritten: dict[ProblemKey, datetime | None] = {}  # None: waits no more

    def __bool__(self) -> bool:
        """Whether something is to be written."""
        return bool(self._unwritten)

    def __iter__(self) -> Iterator[tuple[ProblemKey, datetime]]:
        """What is on record as waiting, and since when."""
        return iter(self._written.items())

    def note(self, moved: Iterable[tuple[ProblemKey, datetime | None]]) -> None:
        """What has begun or ceased to wait. What has done both meanwhile need not be written."""
        for problem, since in moved:
            if self._written.get(problem) == since:
                self._unwritten.pop(problem, None)
            else:
                self._unwritten[problem] = since

    def write(self) -> None:
        """Writes what has changed; `written` says that the transaction it was part of has committed."""
        over = [self._name(problem) for problem, since in self._unwritten.items() if since is None]
        if over:
            Wait.objects.filter(pk__in=over).delete()
        waiting = [self._row(problem, since) for problem, since in self._unwritten.items() if since]
        if waiting:
            Wait.objects.bulk_create(
                waiting,
                batch_size=500,
                update_conflicts=True,
                unique_fields=("fingerprint",),
                update_fields=("since",),
            )

    def written(self) -> None:
        """Nothing of it needs writing any more."""
        for problem, since in self._unwritten.items():
            if since is None:
                self._written.pop(problem, None)
            else:
                self._written[problem] = since
        self._unwritten = {}

    def _row(self, problem: ProblemKey, since: datetime) -> Wait:
        return bulk.instance(
            Wait,
            fingerprint=self._name(problem),
            cluster_id=self._cluster.pk,
            event_type=problem.event_type,
            namespace=problem.namespace,
            subject=problem.subject,
            key=problem.key,
            since=since,
        )

    def _name(self, problem: ProblemKey) -> str:
        return fingerprint(
            str(self._cluster.pk), problem.event_type, problem.namespace, problem.subject, problem.key
        )
