"""From what the watch sees to events on record: what the detectors find is drafted, kept, and written."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from connectors import presence
from connectors.ids import uuid7
from events.annotations import Namespace, Routing
from events.cluster.objects import Object, Pod
from events.cluster.watch import Gone, Listed, Seen
from events.decisions import Decision, Open, ProblemKey, Resolve, Sighting, Update
from events.draft import SOURCE, draft, name_of
from events.evaluation import Decided, Evaluation, Happened, Outcome, detector_of
from events.models import STILL_SO, Cluster, Event, EventStatus
from events.occurrences import Occurrences
from events.pruning import keeping
from events.record import Batch, write
from events.record import Change as EventChange
from events.recurrence import SEEN_LATE, registered


class Unregistered(Exception):
    """The cluster has been deleted: there is nothing to write about it any more."""


@dataclass(slots=True)
class _Unwritten:
    """What has been decided and is not in the database yet. It survives a failed transaction."""

    new: list[tuple[ProblemKey | None, Event]] = field(default_factory=list)
    changed: dict[uuid.UUID, tuple[Update, Object | None]] = field(default_factory=dict)  # the latest of each
    resolved: list[tuple[uuid.UUID, datetime]] = field(default_factory=list)
    enriched: int = 0  # how many of the new ones that anyone will be told of have been enriched

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.resolved)


class Ingest:
    """Takes the observations of one cluster, in order, from one thread.

    If `apply` or `tick` raises because the database is away, call it again with the same observations: what
    was decided is kept and written then, and observing the same again decides nothing twice. They raise
    Unregistered once the cluster has been deleted.
    """

    def __init__(
        self,
        cluster: Cluster,
        configured: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        enrich: Callable[[Sequence[Event]], None] | None = None,
        guard: Callable[[], None] | None = None,
    ) -> None:
        """Options of detectors by event type; what adds to new events before they are written; and what is
        called last in every transaction, to raise if it must not be committed.
        """
        self.cluster = cluster
        self._enrich = enrich
        self._guard = guard
        self._registered = registered(cluster)
        self._evaluation = Evaluation(
            cluster,
            settings.DETECTOR_OPTIONS if configured is None else configured,
            Event.objects.filter(STILL_SO, cluster=cluster, source=SOURCE),
        )
        self._occurred = Occurrences()
        self._routing = Routing()
        self._unwritten = _Unwritten()

    @property
    def kinds(self) -> tuple[type[Object], ...]:
        """The kinds to be watched, those first that say more of what comes after them.

        Namespaces say where events are to go, and so do workloads; and a node that is down explains its pods.
        """
        return (Namespace, *sorted(self._evaluation.kinds, key=lambda kind: kind is Pod))

    def apply(self, observations: Sequence[Seen | Gone | Listed]) -> None:
        """Takes in what was seen, in order, and writes what comes of it in one transaction."""
        for observation in observations:
            self._observe(observation)
        self._write()

    def tick(self, now: datetime) -> None:
        """Lets time pass: opens what has held, and resolves what has been over, for long enough."""
        self._occurred.tick(now)
        self._take(self._evaluation.tick(now))
        self._write()

    def look(self, observations: Sequence[Seen | Gone | Listed], now: datetime) -> Iterator[str]:
        """What these observations would lead to, a line each; nothing is written."""
        for observation in observations:
            self._observe(observation)
        self._take(self._evaluation.tick(now))
        changes = self._changes()
        unwritten, self._unwritten = self._unwritten, _Unwritten()
        self._evaluation.has_unwritten()
        self._evaluation.written()
        for _, event in unwritten.new:
            where = f"{event.namespace}/" if event.namespace else ""
            yield f"{event.status} {event.event_type} {event.severity} {where}{event.resource}: {event.title}"
        for change in changes:
            yield f"changed {change.severity}: {change.title}"
        for event in Event.objects.filter(pk__in=[event_id for event_id, _ in unwritten.resolved]):
            yield f"resolved {event.event_type}: {event.title}"

    # --- what is observed, and what follows from it ---

    def _observe(self, observation: Seen | Gone | Listed) -> None:
        if isinstance(observation, Seen) and not isinstance(observation.obj, Pod):
            self._routing.note(observation.obj)  # a pod speaks for itself alone
        elif isinstance(observation, Gone):
            self._routing.forget(observation.ref)
        self._take(self._evaluation.observe(observation))

    def _take(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Decided):
                self._decide(outcome.decision, outcome.obj)
            else:
                self._happened(outcome)

    def _happened(self, found: Happened) -> None:
        """What merely happened becomes an event once.

        Unless it is older than the cluster's registration, or than the record is kept: its event may have
        been pruned while its object still shows it.
        """
        event_type, sighting = found.detector.event_type, found.sighting
        finding = sighting.finding
        occurrence = name_of(self.cluster, event_type, finding.subject or sighting.ref, finding.key)
        if not self._occurred.is_new(occurrence):
            return
        if (finding.since or found.at) < max(self._registered, found.at - keeping()):
            return
        routing = self._routed(sighting, found.obj)
        event = draft(uuid7(), self.cluster, event_type, sighting, found.at, routing)
        if found.late:
            event.details = {**event.details, SEEN_LATE: True}
        event.status = EventStatus.OCCURRED
        event.inhibited_by_id = self._evaluation.inhibitor(found.detector, sighting)
        if event.inhibited_by_id is None and (told := self._occurred.join(event)) is not None:
            event.inhibited_by_id = told.pk
            told.count += 1  # reaches the record if it is not written yet
        self._unwritten.new.append((None, event))

    def _decide(self, decision: Decision, obj: Object | None) -> None:
        if isinstance(decision, Resolve):
            self._unwritten.resolved.append((decision.event_id, decision.at))
            return
        if isinstance(decision, Update):
            self._unwritten.changed[decision.event_id] = (decision, obj)
            return
        detector = detector_of(decision)
        event = self._draft(decision, obj)
        event.occurred_at = decision.since
        event.inhibited_by_id = self._evaluation.inhibitor(detector, decision.sighting)
        if detector.only_news and event.occurred_at < self._registered:
            event.muted = "It was so before the cluster was registered."
        self._unwritten.new.append((decision.problem, event))

    def _draft(self, decision: Open | Update, obj: Object | None) -> Event:
        event_type, sighting = decision.problem.event_type, decision.sighting
        routing = self._routed(sighting, obj)
        return draft(
            decision.event_id, self.cluster, event_type, sighting, decision.at, routing, decision.count
        )

    def _routed(self, sighting: Sighting, obj: Object | None) -> dict[str, str]:
        return self._routing.of(sighting.ref, sighting.finding.subject or sighting.ref, obj)

    def _changes(self) -> list[EventChange]:
        """What has become of open events. One that is still to be written is simply written as it is now."""
        unwritten = {event.pk: event for problem, event in self._unwritten.new if problem is not None}
        changes = []
        for event_id, (update, obj) in self._unwritten.changed.items():
            event = self._draft(update, obj)
            fresh = unwritten.get(event_id)
            if fresh is not None:
                fresh.title, fresh.description, fresh.details = event.title, event.description, event.details
                fresh.severity, fresh.recommendations = event.severity, event.recommendations
                fresh.count = event.count
                continue
            grows_by = detector_of(update).grows_by
            changes.append(EventChange.into(event, event_id, update.at, event.count, grows_by))
        return changes

    # --- writing ---

    def _write(self) -> None:
        if not (self._evaluation.has_unwritten() or self._unwritten):
            return
        unwritten, changes = self._unwritten, self._changes()
        new = [event for _, event in unwritten.new]
        if self._enrich:
            fresh = [event for event in new if not (event.inhibited_by_id or event.muted)]
            self._enrich(fresh[unwritten.enriched :])
            unwritten.enriched = len(fresh)
        with transaction.atomic():
            if not presence.staying(Cluster, [self.cluster.pk]):
                raise Unregistered
            self._evaluation.write()
            adopted = write(Batch(new=new, changed=changes, resolved=unwritten.resolved))
            if self._guard:
                self._guard()
        self._evaluation.written()
        self._unwritten = _Unwritten()
        for problem, event in unwritten.new:
            on_record = adopted.get(event.pk)
            if on_record is None:
                continue
            event.pk = on_record
            if problem is not None:
                self._evaluation.adopt(problem, on_record)
