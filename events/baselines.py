"""What detectors asked to have remembered of objects: in memory, and in the database when it is written."""

from __future__ import annotations

from collections import defaultdict

from connectors.message import JSONDict
from events.cluster.objects import Ref
from events.models import Cluster
from events.remembered import Baseline

Key = tuple[str, str]  # event type, uid


class Baselines:
    """The baselines of one cluster. What has changed is kept until `write` has put it into the database."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._rows: dict[Key, Baseline] = {}
        self._groups: dict[tuple[str, Ref], dict[str, Baseline]] = defaultdict(dict)
        self._unwritten: dict[Key, Baseline | None] = {}  # None: to be deleted
        for row in Baseline.objects.filter(cluster=cluster):
            self._keep(row)

    def __bool__(self) -> bool:
        """Whether something is to be written."""
        return bool(self._unwritten)

    def of(self, event_type: str, uid: str) -> JSONDict | None:
        """What is remembered of an object for the detector of that type; None if nothing is."""
        row = self._rows.get((event_type, uid))
        return None if row is None else row.remembered

    def objects(self, event_type: str) -> list[Ref]:
        """The objects of which something is remembered for that type."""
        return [
            Ref(row.kind, row.name, row.namespace, row.uid)
            for (of_type, _), row in self._rows.items()
            if of_type == event_type
        ]

    def group_of(self, event_type: str, uid: str) -> Ref | None:
        """The group in which an object was the last time; None if it stood alone or is not known."""
        row = self._rows.get((event_type, uid))
        return _group_ref(row) if row is not None and row.group else None

    def members(self, event_type: str, group: Ref) -> dict[str, JSONDict]:
        """What is remembered of each object of a group, by uid."""
        return {uid: row.remembered for uid, row in self._groups.get((event_type, group), {}).items()}

    def remember(self, event_type: str, ref: Ref, remembered: JSONDict, group: Ref | None = None) -> None:
        """Keeps this of an object in place of what was kept before."""
        if self.of(event_type, ref.uid) == remembered and self.group_of(event_type, ref.uid) == group:
            return
        row = Baseline(
            cluster=self._cluster,
            event_type=event_type,
            kind=ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            uid=ref.uid,
            group=group.resource if group else "",
            remembered=remembered,
        )
        self._drop(event_type, ref.uid)
        self._keep(row)
        self._unwritten[event_type, ref.uid] = row

    def forget(self, event_type: str, uid: str) -> None:
        """The object is no more."""
        if self._drop(event_type, uid):
            self._unwritten[event_type, uid] = None

    def write(self) -> None:
        """Writes what has changed; `written` says that the transaction it was part of has committed."""
        gone: dict[str, list[str]] = defaultdict(list)
        for (event_type, uid), row in self._unwritten.items():
            if row is None:
                gone[event_type].append(uid)
        for event_type, uids in gone.items():
            Baseline.objects.filter(cluster=self._cluster, event_type=event_type, uid__in=uids).delete()
        Baseline.objects.bulk_create(
            [row for row in self._unwritten.values() if row is not None],
            batch_size=500,
            update_conflicts=True,
            unique_fields=("cluster", "event_type", "uid"),
            update_fields=("remembered", "name", "namespace", "group"),
        )

    def written(self) -> None:
        """Nothing of it needs writing any more."""
        self._unwritten = {}

    def _keep(self, row: Baseline) -> None:
        self._rows[row.event_type, row.uid] = row
        if row.group:
            self._groups[row.event_type, _group_ref(row)][row.uid] = row

    def _drop(self, event_type: str, uid: str) -> bool:
        row = self._rows.pop((event_type, uid), None)
        if row is None:
            return False
        if row.group:
            members = self._groups[event_type, _group_ref(row)]
            members.pop(uid, None)
            if not members:
                del self._groups[event_type, _group_ref(row)]
        return True


def _group_ref(row: Baseline) -> Ref:
    kind, _, name = row.group.partition("/")
    return Ref(kind, name, row.namespace)
