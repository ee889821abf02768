"""What a lease is, and the one that the database keeps: who watches a cluster, and until when."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from django.db import IntegrityError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from events.models import Cluster
from events.remembered import WatchLease


class LeaseKind(StrEnum):
    """Where it is kept who leads: in a Lease of the watched cluster, in the database, or nowhere."""

    KUBERNETES = "kubernetes"
    DATABASE = "database"
    NONE = "none"


class Lease(Protocol):
    """What says who leads. Its methods raise OperationalError, InterfaceError or ClusterError."""

    def free_in(self) -> float:
        """Seconds until it is free to be taken, if its holder does not renew it; 0 when it is."""

    def take(self) -> bool:
        """Take it as it was when last looked at. False if it is no longer so."""

    def renew(self) -> bool:
        """Go on holding it, however late. False if another one has taken it."""

    def release(self) -> None:
        """Give it back; nothing happens if it is no longer ours."""

    def close(self) -> None:
        """Let go of what it takes to ask."""


class DatabaseLease:
    """A cluster's WatchLease row: a lease by the database's clock, and the number of the present leader."""

    def __init__(self, cluster: Cluster, holder: str, length: float) -> None:
        self._rows = WatchLease.objects.filter(pk=cluster.pk)
        self._cluster_id = cluster.pk
        self._holder = holder
        self._length = timedelta(seconds=length)
        self._token = 0

    def free_in(self) -> float:
        """Seconds until it is free to be taken, if its holder does not renew it; 0 when it is."""
        row = self._rows.annotate(now=Now()).first()
        if row is None:
            try:
                WatchLease.objects.bulk_create([WatchLease(pk=self._cluster_id)], ignore_conflicts=True)
            except IntegrityError:  # the cluster is being deleted: there will be nothing to watch
                return self._length.total_seconds()
            self._token = 0
            return 0.0
        self._token = row.token
        if row.holder in ("", self._holder) or row.expires_at is None:
            return 0.0
        return max(0.0, (row.expires_at - row.now).total_seconds())

    def take(self) -> bool:
        """Take it as it was when last looked at. False if it is no longer so."""
        free = Q(holder__in=("", self._holder)) | Q(expires_at=None) | Q(expires_at__lte=Now())
        return self._take(self._rows.filter(free, token=self._token))

    def seize(self) -> bool:
        """Take it whoever has it, where something else says who leads. False if another one was faster."""
        self.free_in()
        return self._take(self._rows.filter(token=self._token))

    def renew(self) -> bool:
        """Go on holding it, however late. False if another one has taken it."""
        return bool(self._ours().update(renewed_at=Now(), expires_at=Now() + self._length))

    def release(self) -> None:
        """Give it back; nothing happens if it is no longer ours."""
        self._ours().update(holder="")

    def close(self) -> None:
        """The connection is the thread's."""

    def stands(self) -> bool:
        """Whether nobody has led since."""
        return self._ours().exists()

    def _take(self, rows: QuerySet[WatchLease]) -> bool:
        taken = rows.update(
            holder=self._holder, token=F("token") + 1, renewed_at=Now(), expires_at=Now() + self._length
        )
        self._token += 1
        return bool(taken)

    def _ours(self) -> QuerySet[WatchLease]:
        return self._rows.filter(holder=self._holder, token=self._token)
