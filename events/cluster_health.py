"""Clusters that do not work as a whole are events: `cluster_unhealthy`, one for each cause, while it is so.

This is judged outside the watcher, which may be what has failed. Level-triggered: what is so now is compared
with what is on record as open. How long it has been so is kept with the cluster, in `Cluster.health`, because
each look may be another process's.

Where the looks are taken there may be no way to a cluster, or no account of it (a service account that only
the watcher's pod has). Then only what the database says is judged. So a silent API server counts only once it
has answered before.
"""

from __future__ import annotations

import shlex
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec
from django.db import transaction
from django.utils import timezone

from connectors.ids import uuid7
from connectors.message import Recommendation
from events.cluster.objects import Ref
from events.cluster.readiness import Questions, Readiness, Verdict
from events.decisions import Sighting
from events.detection import Finding
from events.draft import SOURCE as WATCH
from events.draft import draft
from events.models import STILL_SO, Cluster, Event, WatchState
from events.record import Batch, Change, write

SOURCE = "health"
EVENT_TYPE = "cluster_unhealthy"

UNREADY_SHARE = 0.3
"""The share of nodes that, not being ready, makes the cluster unhealthy."""
CLEAR_AFTER = timedelta(seconds=60)
"""How long it must be over before it is resolved, so that what flaps rings once."""
MISSED_BEATS = timedelta(seconds=30)
"""The watcher says every ten seconds that it is there."""
GAP = timedelta(seconds=60)
"""After so long without a look, what was so before it does not count: nobody knows what was between."""


class Cause(StrEnum):
    """Why a cluster counts as unhealthy."""

    API_SERVER = "api_server"
    WATCH = "watch"
    NODES = "nodes"


HOLD = {
    Cause.API_SERVER: timedelta(seconds=30),  # three looks: one failed request rings nobody
    Cause.WATCH: timedelta(minutes=2),
    Cause.NODES: timedelta(seconds=60),
}
"""How long it must be so before it counts."""

Look: TypeAlias = Mapping[Cause, Finding | None]
"""What is wrong now, None for what is as it should be. A cause that is missing could not be judged."""


class Memory(msgspec.Struct, omit_defaults=True):
    """What is kept of a cluster from one look to the next, in `Cluster.health`.

    `answered`: its API server has been reached from where the looks are taken. `at`: the last look that
    found something. `so_since` and `over_since`: of each cause that is being waited for.
    """

    answered: bool = False
    at: datetime | None = None
    so_since: dict[Cause, datetime] = {}
    over_since: dict[Cause, datetime] = {}


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one cluster: what is to be said, what is to be unsaid, and what is to be kept for the next look."""

    so: list[Finding]
    over: list[Cause]
    memory: Memory


_questions = Questions()


def report(questions: Questions = _questions) -> None:
    """Looks at every enabled cluster, and opens, changes and resolves the events that say how it is.

    What was found in a cluster that has been removed is resolved, too.
    """
    answers = questions.ask(Cluster.objects.filter(enabled=True))
    now = timezone.now()
    with transaction.atomic():
        clusters = Cluster.objects.select_for_update(no_key=True).filter(enabled=True, pk__in=answers)
        batch, changed = compare(clusters, answers, _open_events(), now)
        Cluster.objects.bulk_update(changed, ("health",), batch_size=200)
        batch.resolved += [(event_id, now) for event_id in _of_removed_clusters()]
        if batch:
            write(batch)


def compare(
    clusters: Iterable[Cluster], answers: Mapping[int, Readiness], open_events: Iterable[Event], now: datetime
) -> tuple[Batch, list[Cluster]]:
    """What is to be written, so that the record says how the clusters are, and the clusters to be saved.

    An event whose cluster is not among these, because it is disabled or gone, is over.
    """
    on_record: dict[int | None, list[Event]] = defaultdict(list)
    for event in open_events:
        on_record[event.cluster_id].append(event)
    batch, changed = Batch(), []
    for cluster in clusters:
        events = {Cause(event.key): event for event in on_record.pop(cluster.pk, ())}
        memory = msgspec.convert(cluster.health, Memory)
        answer = answers[cluster.pk]
        memory.answered |= answer.verdict in (Verdict.READY, Verdict.NOT_READY)
        judgement = judge(look(cluster, answer, memory, now), events.keys(), memory, now)
        for finding in judgement.so:
            _tell(batch, cluster, finding, events.get(Cause(finding.key)), now)
        batch.resolved += [(events[cause].pk, now) for cause in judgement.over]
        kept = msgspec.to_builtins(judgement.memory)
        if kept != cluster.health:
            cluster.health = kept
            changed.append(cluster)
    batch.resolved += [(event.pk, now) for rest in on_record.values() for event in rest]
    return batch, changed


def judge(seen: Look, known: Collection[Cause], memory: Memory, now: datetime) -> Judgement:
    """Lets what was seen hold, or be over, for long enough. Pure; `known`: the causes on record as open."""
    fresh = memory.at is not None and now - memory.at <= GAP
    kept = Memory(answered=memory.answered)
    so: list[Finding] = []
    over: list[Cause] = []
    for cause in Cause:
        is_open = cause in known
        finding = seen.get(cause)
        if finding is not None:
            before = memory.so_since.get(cause) if fresh else None
            since = before or max(finding.since or now, now - GAP)
            kept.so_since[cause] = since
            if is_open or now - since >= HOLD[cause]:
                so.append(finding)
        elif is_open and cause in seen:
            since = (memory.over_since.get(cause) if fresh else None) or now
            if now - since >= CLEAR_AFTER:
                over.append(cause)
            else:
                kept.over_since[cause] = since
    if kept.so_since or kept.over_since:
        kept.at = now
    return Judgement(so, over, kept)


def look(cluster: Cluster, answer: Readiness, memory: Memory, now: datetime) -> Look:
    """What can be told of a cluster from its API server's answer and from what its watcher wrote."""
    watch = _watch(cluster, now)
    seen: dict[Cause, Finding | None] = {Cause.WATCH: watch}
    if answer.verdict is Verdict.NOT_READY or (answer.verdict is Verdict.SILENT and memory.answered):
        seen[Cause.API_SERVER] = _api_server(cluster, answer)
    elif answer.verdict is Verdict.READY or watch is None:
        # Where it cannot be asked, a watch that goes on says that it serves.
        seen[Cause.API_SERVER] = None
    if watch is None and cluster.nodes_known and "nodes" not in cluster.problems:
        seen[Cause.NODES] = _nodes(cluster)
    return seen


def _api_server(cluster: Cluster, answer: Readiness) -> Finding:
    return Finding(
        key=Cause.API_SERVER,
        title=f"The API server of {cluster} is not ready",
        description=answer.text,
        details={"cause": Cause.API_SERVER.value, "last_error": answer.text},
        recommendations=(
            Recommendation("See which of its checks fail", "kubectl get --raw '/readyz?verbose'"),
            Recommendation("See how the control plane's pods are", "kubectl get pods -n kube-system"),
        ),
    )


def _watch(cluster: Cluster, now: datetime) -> Finding | None:
    heard = cluster.heartbeat_at or cluster.created_at
    if now - heard > MISSED_BEATS:
        title, since = f"The cluster {cluster} is not watched", heard
        text = f"Its watcher has not been heard of since {heard:%Y-%m-%d %H:%M:%S} UTC."
        if cluster.state == WatchState.UNREACHABLE and cluster.state_message:
            text += f" The last that was said: {cluster.state_message}"
    elif cluster.state != WatchState.NEVER and cluster.connected_since is None:
        title, since = f"The watch of {cluster} is down", now
        text = cluster.state_message or "It has no connection to the API server."
    else:
        return None
    command = f"python manage.py watch_cluster --once --dry-run --cluster {shlex.quote(cluster.name)}"
    return Finding(
        key=Cause.WATCH,
        title=title,
        description=f"{text} What happens in the cluster is not seen.",
        since=since,
        details={"cause": Cause.WATCH.value, "last_error": text},
        recommendations=(
            Recommendation("See what the watcher's log says, and whether it runs"),
            Recommendation("See whether the cluster can be watched from where the watcher runs", command),
        ),
    )


def _nodes(cluster: Cluster) -> Finding | None:
    total, down = cluster.nodes_known, cluster.nodes_not_ready
    if down < UNREADY_SHARE * total:
        return None
    return Finding(
        key=Cause.NODES,
        title=f"Many nodes of {cluster} are not ready",
        description=f"{down} of {total} nodes are not ready.",
        details={"cause": Cause.NODES.value, "nodes": total, "nodes_not_ready": down},
        recommendations=(
            Recommendation("See which, and since when", "kubectl get nodes"),
            Recommendation("See why", "kubectl describe nodes"),
        ),
    )


def _tell(batch: Batch, cluster: Cluster, finding: Finding, event: Event | None, now: datetime) -> None:
    ref = Ref("Cluster", cluster.name)
    new = draft(uuid7(), cluster, EVENT_TYPE, Sighting(ref, finding), now, {})
    if event is None:
        new.source = SOURCE
        batch.new.append(new)
    elif (event.title, event.description) != (new.title, new.description):
        batch.changed.append(Change.into(new, event.pk, now, event.count))


def _open_events() -> Iterable[Event]:
    return Event.objects.filter(STILL_SO, event_type=EVENT_TYPE, source=SOURCE)


def _of_removed_clusters() -> Iterable[uuid.UUID]:
    """The open events that a watch found where nobody will ever see their end."""
    return Event.objects.filter(STILL_SO, source=WATCH, cluster=None).values_list("pk", flat=True)
