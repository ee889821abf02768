"""From what the watch sees to events on record: runs the detectors, keeps baselines, writes what follows."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from connectors import presence
from connectors.ids import uuid7
from connectors.message import JSONDict
from events import catalog
from events.annotations import Namespace, Routing
from events.baselines import Baselines
from events.cluster.objects import Object, Pod, Ref, bounded
from events.cluster.watch import Gone, Listed, Seen
from events.detection import Change, Detector, Finding, Options, all_detectors, options_for
from events.draft import SOURCE, draft, name_of, problem_of
from events.models import STILL_SO, Cluster, Event, EventStatus
from events.occurrences import Occurrences
from events.pruning import keeping
from events.record import Batch, write
from events.record import Change as EventChange
from events.tracking import Decision, Open, ProblemKey, Resolve, Sighting, Tracker, Update

logger = logging.getLogger(__name__)

KEY_LIMIT = 255
"""Characters of a key as it is recorded."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unregistered(Exception):
    """The cluster has been deleted: there is nothing to write about it any more."""


@dataclass(frozen=True, slots=True)
class _Watching:
    """A detector with the options it runs under."""

    detector: Detector[Any, Any]
    options: Options
    momentary: bool


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
        self._by_kind: dict[type[Object], list[_Watching]] = defaultdict(list)
        configured = settings.DETECTOR_OPTIONS if configured is None else configured
        by_type: dict[str, _Watching] = {}
        self._unlisted: dict[str, set[tuple[type[Object], str]]] = defaultdict(set)
        self._kinds_of: dict[str, set[type[Object]]] = defaultdict(set)
        for detector in all_detectors():
            options = options_for(detector, configured)
            if not options.enabled:
                continue
            momentary = catalog.EVENT_TYPES[detector.event_type].momentary
            watching = _Watching(detector, options, momentary)
            by_type.setdefault(detector.event_type, watching)
            for kind in detector.watches:
                self._by_kind[kind].append(watching)
                self._kinds_of[detector.event_type].add(kind)
                namespaces = (cluster.namespaces if kind.resource.namespaced else ()) or ("",)
                self._unlisted[detector.event_type] |= {(kind, namespace) for namespace in namespaces}
        # Kubernetes cuts its times off to whole seconds: what happens in the second of the registration seems
        # to be from before it, and one event too many is better than a lost one.
        self._registered = cluster.created_at.replace(microsecond=0)
        self._baselines = Baselines(cluster)
        still_so = list(Event.objects.filter(STILL_SO, cluster=cluster, source=SOURCE))
        on_record = {problem_of(event): event for event in still_so if event.event_type in by_type}
        # Of types that are no longer looked for, nobody will see the end.
        self._abandoned = [event.pk for event in still_so if event.event_type not in by_type]
        # The kind of the object that each was found on.
        self._found_on = {problem: event.resource.partition("/")[0] for problem, event in on_record.items()}
        self._tracker = Tracker(
            (problem, event.pk, by_type[event.event_type].options) for problem, event in on_record.items()
        )
        self._occurred = Occurrences()
        self._routing = Routing()
        self._unwritten = _Unwritten()

    @property
    def kinds(self) -> tuple[type[Object], ...]:
        """The kinds to be watched, those first that say more of what comes after them.

        Namespaces say where events are to go, and so do workloads; and a node that is down explains its pods.
        """
        return (Namespace, *sorted(self._by_kind, key=lambda kind: kind is Pod))

    def apply(self, observations: Sequence[Seen | Gone | Listed]) -> None:
        """Takes in what was seen, in order, and writes what comes of it in one transaction."""
        for observation in observations:
            self._observe(observation)
        self._write()

    def tick(self, now: datetime) -> None:
        """Lets time pass: opens what has held, and resolves what has been over, for long enough."""
        self._occurred.tick(now)
        self._unwritten.resolved += [(event_id, now) for event_id in self._abandoned]
        self._abandoned = []
        for decision in self._tracker.tick(now):
            self._decide(decision)
        self._write()

    def look(self, observations: Sequence[Seen | Gone | Listed], now: datetime) -> Iterator[str]:
        """What these observations would lead to, a line each; nothing is written."""
        for observation in observations:
            self._observe(observation)
        for decision in self._tracker.tick(now):
            self._decide(decision)
        changes = self._changes()
        unwritten, self._unwritten = self._unwritten, _Unwritten()
        self._baselines.written()
        for _, event in unwritten.new:
            where = f"{event.namespace}/" if event.namespace else ""
            yield f"{event.status} {event.event_type} {event.severity} {where}{event.resource}: {event.title}"
        for change in changes:
            yield f"changed {change.severity}: {change.title}"
        for event in Event.objects.filter(pk__in=[event_id for event_id, _ in unwritten.resolved]):
            yield f"resolved {event.event_type}: {event.title}"

    # --- observing ---

    def _observe(self, observation: Seen | Gone | Listed) -> None:
        if isinstance(observation, Seen):
            if not isinstance(observation.obj, Pod):  # a pod speaks for itself alone
                self._routing.note(observation.obj)
            self._seen(observation.obj, observation.at)
        elif isinstance(observation, Gone):
            self._routing.forget(observation.ref)
            for watching in self._of_kind_named(observation.ref.kind):
                self._gone(watching, observation.ref, observation.at)
        else:
            self._listed(observation)

    def _seen(self, obj: Object, at: datetime) -> None:
        ref = obj.ref
        for watching in self._by_kind.get(type(obj), ()):
            detector = watching.detector
            event_type = detector.event_type
            try:
                group, remembered = detector.group(obj), detector.remember(obj)
            except Exception:  # as in `_ask`
                logger.exception("%s failed on %s", event_type, ref.resource)
                continue
            before = self._baselines.of(event_type, ref.uid)
            left = self._baselines.group_of(event_type, ref.uid)
            if group is None:
                self._judge(watching, Change(ref, obj, at, before))
            if remembered is not None:
                self._baselines.remember(event_type, ref, remembered, group)
            if group is not None:
                self._judge_group(watching, group, obj, at, before)
            if left is not None and left != group:
                self._judge_group(watching, left, None, at, before)

    def _gone(self, watching: _Watching, ref: Ref, at: datetime) -> None:
        event_type = watching.detector.event_type
        before = self._baselines.of(event_type, ref.uid)
        group = self._baselines.group_of(event_type, ref.uid)
        self._baselines.forget(event_type, ref.uid)
        if group is not None:
            self._judge_group(watching, group, None, at, before)
            return
        findings = self._ask(watching, Change(ref, None, at, before))
        if watching.momentary and findings is not None:
            self._occurrences(watching, ref, findings, at, None)
        lingering = watching.detector.outlives_object
        for decision in self._tracker.gone(event_type, ref, at, lingering=lingering):
            self._decide(decision)

    def _listed(self, listed: Listed) -> None:
        """What is known of this kind and was not in a complete list is gone."""
        kind = listed.kind.resource.kind
        for watching in self._by_kind.get(listed.kind, ()):
            event_type = watching.detector.event_type
            known = self._tracker.objects(event_type) + self._baselines.objects(event_type)
            for uid, ref in {ref.uid: ref for ref in known}.items():
                in_scope = ref.kind == kind and listed.namespace in ("", ref.namespace)
                if in_scope and uid not in listed.uids:
                    self._gone(watching, ref, listed.at)
            self._unlisted[event_type].discard((listed.kind, listed.namespace))
            self._tracker.confirm(event_type, listed.at, self._can_be_told)

    def _can_be_told(self, problem: ProblemKey) -> bool:
        """Whether all has been listed on which a problem that is on record could still be found."""
        kind = self._found_on.get(problem, "")
        return not self._is_unlisted(problem.event_type, kind, problem.namespace)

    def _is_unlisted(self, event_type: str, kind: str, namespace: str) -> bool:
        """Whether there is no list yet that would have an object of this kind there.

        One kind, or one namespace, may never be listed for want of rights, and says nothing of the others.
        Of a group it is not known which kind its members are.
        """
        is_group = all(watched.resource.kind != kind for watched in self._kinds_of[event_type])
        return any(
            (is_group or unlisted.resource.kind == kind) and within in ("", namespace)
            for unlisted, within in self._unlisted[event_type]
        )

    def _judge(self, watching: _Watching, change: Change[Any]) -> None:
        """Asks the detector, and takes in what it finds."""
        findings = self._ask(watching, change)
        if findings is None:
            return
        event_type = watching.detector.event_type
        if watching.momentary:
            self._occurrences(watching, change.ref, findings, change.at, change.new)
            return
        for decision in self._tracker.observe(event_type, change.ref, findings, watching.options, change.at):
            self._decide(decision, change.new)

    def _judge_group(
        self, watching: _Watching, group: Ref, obj: Object | None, at: datetime, before: JSONDict | None
    ) -> None:
        """Asks the detector about a group of which a member has changed; one without members is gone."""
        event_type = watching.detector.event_type
        members = self._baselines.members(event_type, group)
        ref = Ref(group.kind, group.name, group.namespace, uid=f"{group.namespace}/{group.resource}")
        if members:
            self._judge(watching, Change(ref, obj, at, before, members))
            return
        lingering = watching.detector.outlives_object
        for decision in self._tracker.gone(event_type, ref, at, lingering=lingering):
            self._decide(decision)

    def _ask(self, watching: _Watching, change: Change[Any]) -> list[Finding] | None:
        """A detector's findings; None if it failed, which is logged and says nothing about the object."""
        try:
            found = watching.detector.detect(change, watching.options)
            return [_recordable(finding, change.at) for finding in found]
        except Exception:  # one detector's fault must not stop the watch of a cluster
            logger.exception("%s failed on %s", watching.detector.event_type, change.ref.resource)
            return None

    def _of_kind_named(self, name: str) -> list[_Watching]:
        return [
            watching
            for kind, several in self._by_kind.items()
            if kind.resource.kind == name
            for watching in several
        ]

    # --- deciding ---

    def _occurrences(
        self, watching: _Watching, ref: Ref, findings: Sequence[Finding], at: datetime, obj: Object | None
    ) -> None:
        """What merely happened becomes an event once.

        Unless it is older than the cluster's registration, or than the record is kept: its event may have
        been pruned while its object still shows it.
        """
        if not findings:
            return
        event_type = watching.detector.event_type
        earliest = max(self._registered, at - keeping())
        for finding in findings:
            occurrence = name_of(self.cluster, event_type, finding.subject or ref, finding.key)
            if not self._occurred.is_new(occurrence):
                continue
            if (finding.since or at) >= earliest:
                sighting = Sighting(ref, finding)
                event = draft(uuid7(), self.cluster, event_type, sighting, at, self._routed(sighting, obj))
                if self._is_unlisted(event_type, ref.kind, ref.namespace):
                    # Found by comparing the first list with what was known before: nobody was watching then.
                    event.details = {**event.details, "seen_late": True}
                event.status = EventStatus.OCCURRED
                event.inhibited_by_id = self._inhibitor(watching.detector, sighting)
                if event.inhibited_by_id is None and (told := self._occurred.join(event)) is not None:
                    event.inhibited_by_id = told.pk
                    told.count += 1  # reaches the record if it is not written yet
                self._unwritten.new.append((None, event))

    def _decide(self, decision: Decision, obj: Object | None = None) -> None:
        if isinstance(decision, Resolve):
            self._unwritten.resolved.append((decision.event_id, decision.at))
            return
        if isinstance(decision, Update):
            self._unwritten.changed[decision.event_id] = (decision, obj)
            return
        detector = self._detector(decision)
        event = self._draft(decision, obj)
        event.inhibited_by_id = self._inhibitor(detector, decision.sighting)
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
            grows_by = self._detector(update).grows_by
            changes.append(EventChange.into(event, event_id, update.at, event.count, grows_by))
        return changes

    def _inhibitor(self, detector: Detector[Any, Any], sighting: Sighting) -> uuid.UUID | None:
        """The open event that explains this one away; None if none does."""
        finding = sighting.finding
        for inhibitor in detector.inhibited_by:
            event_type, _, key = inhibitor.partition("/")
            for ref in (finding.subject or sighting.ref, *finding.rests_on):
                event_id = self._tracker.open_event(event_type, ref, key)
                if event_id is not None:
                    return event_id
        return None

    @staticmethod
    def _detector(decision: Open | Update) -> Detector[Any, Any]:
        """Who found it. Of several that report one type, the kind of the object tells which."""
        kind = decision.sighting.ref.kind
        of_type = [d for d in all_detectors() if d.event_type == decision.problem.event_type]
        return next((d for d in of_type if kind in {seen.resource.kind for seen in d.watches}), of_type[0])

    # --- writing ---

    def _write(self) -> None:
        if not (self._unwritten or self._baselines):
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
            self._baselines.write()
            adopted = write(Batch(new=new, changed=changes, resolved=unwritten.resolved))
            if self._guard:
                self._guard()
        self._baselines.written()
        self._unwritten = _Unwritten()
        for problem, event in unwritten.new:
            on_record = adopted.get(event.pk)
            if on_record is None:
                continue
            event.pk = on_record
            if problem is not None:
                self._tracker.adopt(problem, on_record)


def _recordable(finding: Finding, at: datetime) -> Finding:
    """The finding as the record can take it, whatever its object says: one must not end the watch of all.

    What a node, or whoever writes a report, says of a time may be none that any calendar has. And by a clock
    that is ahead of ours nothing has happened that we have not yet seen.
    """
    key, since = bounded(finding.key, KEY_LIMIT), finding.since
    if since is not None:
        since = min(max(since, EPOCH), at)
    if key == finding.key and since == finding.since:
        return finding
    return replace(finding, key=key, since=since)
