"""What the observations of a cluster come to: asks the detectors, and follows what they find over time."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, TypeAlias

from django.utils import timezone

from connectors.message import JSONDict
from events import catalog, recurrence
from events.baselines import Baselines
from events.cluster.objects import Object, Ref, bounded
from events.cluster.watch import Gone, Listed, Seen
from events.decisions import Decision, Open, ProblemKey, Resolve, Sighting, Update
from events.detection import Change, Detector, Finding, Options, all_detectors, options_for
from events.draft import problem_of
from events.models import Cluster, Event
from events.recurrence import Recurrence
from events.tracking import OnRecord, Tracker
from events.waits import Waits

logger = logging.getLogger(__name__)

KEY_LIMIT = 255
"""Characters of a key as it is recorded."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Decided:
    """What is to become of a problem, and the object that led to it, where one did."""

    decision: Decision
    obj: Object | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that merely happens was found; `late` if nobody was watching when it did."""

    detector: Detector[Any, Any]
    sighting: Sighting
    at: datetime
    obj: Object | None
    late: bool


Outcome: TypeAlias = Decided | Happened


@dataclass(frozen=True, slots=True)
class _Watching:
    """A detector with the options it runs under."""

    detector: Detector[Any, Any]
    options: Options
    momentary: bool


class Evaluation:
    """Of one cluster: takes its observations in order, and yields what follows from each.

    What it yields is to be taken to its end, and each outcome before the next: `inhibitor` says what explains
    one away at that moment.
    """

    def __init__(
        self, cluster: Cluster, configured: Mapping[str, Mapping[str, Any]], still_so: Iterable[Event]
    ) -> None:
        """Options of detectors by event type, and what is open and was found by them."""
        self._baselines = Baselines(cluster)
        self._waits = Waits(cluster)
        self._by_kind: dict[type[Object], list[_Watching]] = defaultdict(list)
        self._kinds_of: dict[str, set[type[Object]]] = defaultdict(set)
        self._unlisted: dict[str, set[tuple[type[Object], str]]] = defaultdict(set)
        by_type: dict[str, _Watching] = {}
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
        events = list(still_so)
        on_record = {problem_of(event): event for event in events if event.event_type in by_type}
        # Of types that no detector looks for any more, nobody will see the end.
        self._abandoned = {problem_of(event): event.pk for event in events if event.event_type not in by_type}
        # The kind of the object that each was found on.
        self._found_on = {problem: event.resource.partition("/")[0] for problem, event in on_record.items()}
        now = timezone.now()
        heard = Cluster.objects.filter(pk=cluster.pk).values_list("heartbeat_at", flat=True).first()
        watched_until = min(heard or recurrence.registered(cluster), now)
        self._recurrence = Recurrence(cluster, watched_until)
        waited = dict(self._waits)
        self._waits.note((problem, None) for problem in waited if problem.event_type not in by_type)
        self._tracker = Tracker(
            (
                OnRecord(
                    problem,
                    event.pk,
                    by_type[event.event_type].options,
                    event.details.get(recurrence.TIMES, 1),
                )
                for problem, event in on_record.items()
            ),
            waited,
            now - watched_until if heard else timedelta(),
        )

    @property
    def kinds(self) -> Iterable[type[Object]]:
        """The kinds that some detector asks for."""
        return self._by_kind.keys()

    def observe(self, observation: Seen | Gone | Listed) -> Iterator[Outcome]:
        """What follows from one observation."""
        if isinstance(observation, Seen):
            return self._seen(observation.obj, observation.at)
        if isinstance(observation, Gone):
            watching_it = self._of_kind_named(observation.ref.kind)
            return chain.from_iterable(
                self._gone(watching, observation.ref, observation.at) for watching in watching_it
            )
        return self._listed(observation)

    def tick(self, now: datetime) -> Iterator[Outcome]:
        """What has held, and what has been over, for long enough."""
        while self._abandoned:
            yield Decided(Resolve(*self._abandoned.popitem(), now))
        yield from map(Decided, self._tracker.tick(now))

    def adopt(self, problem: ProblemKey, event_id: uuid.UUID) -> None:
        """A problem turned out to have an event on record, of this id."""
        self._tracker.adopt(problem, event_id)

    def has_unwritten(self) -> bool:
        """Whether something that must be known after a restart is to be written."""
        self._waits.note(self._tracker.moved())
        return bool(self._baselines or self._waits)

    def write(self) -> None:
        """Writes that; `written` says that the transaction it was part of has committed."""
        self._baselines.write()
        self._waits.write()

    def written(self) -> None:
        """Nothing of it needs writing any more."""
        self._baselines.written()
        self._waits.written()

    def inhibitor(self, detector: Detector[Any, Any], sighting: Sighting) -> uuid.UUID | None:
        """The open event that explains this one away; None if none does."""
        finding = sighting.finding
        for inhibitor in detector.inhibited_by:
            event_type, _, key = inhibitor.partition("/")
            for ref in (finding.subject or sighting.ref, *finding.rests_on):
                event_id = self._tracker.open_event(event_type, ref, key)
                if event_id is not None:
                    return event_id
        return None

    # --- observing ---

    def _seen(self, obj: Object, at: datetime) -> Iterator[Outcome]:
        ref = obj.ref
        for watching in self._by_kind.get(type(obj), ()):
            detector = watching.detector
            event_type = detector.event_type
            before = self._baselines.of(event_type, ref.uid)
            try:
                group, remembered = detector.group(obj), detector.remember(obj, before, at)
            except Exception:  # as in `_ask`
                logger.exception("%s failed on %s", event_type, ref.resource)
                continue
            left = self._baselines.group_of(event_type, ref.uid)
            if group is None:
                yield from self._judge(watching, Change(ref, obj, at, before))
            if remembered is not None:
                self._baselines.remember(event_type, ref, remembered, group)
            if group is not None:
                yield from self._judge_group(watching, group, obj, at, before)
            if left is not None and left != group:
                yield from self._judge_group(watching, left, None, at, before)

    def _gone(self, watching: _Watching, ref: Ref, at: datetime) -> Iterator[Outcome]:
        event_type = watching.detector.event_type
        before = self._baselines.of(event_type, ref.uid)
        group = self._baselines.group_of(event_type, ref.uid)
        self._baselines.forget(event_type, ref.uid)
        if group is not None:
            yield from self._judge_group(watching, group, None, at, before)
            return
        change: Change[Any] = Change(ref, None, at, before)
        findings = self._ask(watching, change)
        if watching.momentary and findings is not None:
            yield from self._happened(watching, change, findings)
        yield from self._over(watching, ref, at)

    def _listed(self, listed: Listed) -> Iterator[Outcome]:
        """What is known of this kind and was not in a complete list is gone."""
        kind = listed.kind.resource.kind
        for watching in self._by_kind.get(listed.kind, ()):
            event_type = watching.detector.event_type
            known = self._tracker.objects(event_type) + self._baselines.objects(event_type)
            for uid, ref in {ref.uid: ref for ref in known}.items():
                in_scope = ref.kind == kind and listed.namespace in ("", ref.namespace)
                if in_scope and uid not in listed.uids:
                    yield from self._gone(watching, ref, listed.at)
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

    def _of_kind_named(self, name: str) -> list[_Watching]:
        return [
            watching
            for kind, several in self._by_kind.items()
            if kind.resource.kind == name
            for watching in several
        ]

    # --- judging ---

    # These return lists: a generator for each detector of each object is a tenth of all that a watch costs.

    def _judge(self, watching: _Watching, change: Change[Any]) -> Sequence[Outcome]:
        """Asks the detector; what follows from what it finds."""
        findings = self._ask(watching, change)
        if findings is None:
            return ()
        if watching.momentary:
            return self._happened(watching, change, findings)
        event_type = watching.detector.event_type
        if findings:
            findings = [kept for finding in findings if (kept := self._of_now(watching, change, finding))]
        decisions = self._tracker.observe(event_type, change.ref, findings, watching.options, change.at)
        return [
            Decided(recurrence.in_words(watching.detector, decision, watching.options), change.new)
            for decision in decisions
        ]

    def _of_now(self, watching: _Watching, change: Change[Any], finding: Finding) -> Finding | None:
        """The finding, unless it is of something that happened, and that is past."""
        if not finding.occurrence:
            return finding
        ref, event_type = change.ref, watching.detector.event_type
        late = self._is_unlisted(event_type, ref.kind, ref.namespace)
        return self._recurrence.of_now(event_type, watching.options, change, finding, late=late)

    def _judge_group(
        self, watching: _Watching, group: Ref, obj: Object | None, at: datetime, before: JSONDict | None
    ) -> Sequence[Outcome]:
        """Asks the detector about a group of which a member has changed; one without members is gone."""
        members = self._baselines.members(watching.detector.event_type, group)
        ref = Ref(group.kind, group.name, group.namespace, uid=f"{group.namespace}/{group.resource}")
        if members:
            return self._judge(watching, Change(ref, obj, at, before, members))
        return self._over(watching, ref, at)

    def _ask(self, watching: _Watching, change: Change[Any]) -> list[Finding] | None:
        """A detector's findings; None if it failed, which is logged and says nothing about the object."""
        try:
            found = watching.detector.detect(change, watching.options)
            return [_recordable(finding, change.at) for finding in found]
        except Exception:  # one detector's fault must not stop the watch of a cluster
            logger.exception("%s failed on %s", watching.detector.event_type, change.ref.resource)
            return None

    def _happened(
        self, watching: _Watching, change: Change[Any], findings: Sequence[Finding]
    ) -> Sequence[Outcome]:
        if not findings:
            return ()
        ref = change.ref
        # By comparing the first list with what was known before, it is found after nobody was watching.
        late = self._is_unlisted(watching.detector.event_type, ref.kind, ref.namespace)
        return [
            Happened(watching.detector, Sighting(ref, finding), change.at, change.new, late)
            for finding in findings
        ]

    def _over(self, watching: _Watching, ref: Ref, at: datetime) -> Sequence[Outcome]:
        """What follows from the object, or the group, being no more."""
        detector = watching.detector
        decisions = self._tracker.gone(detector.event_type, ref, at, lingering=detector.outlives_object)
        return [Decided(decision) for decision in decisions]


def detector_of(decision: Open | Update) -> Detector[Any, Any]:
    """Who found it. Of several that report one type, the kind of the object tells which."""
    kind = decision.sighting.ref.kind
    of_type = [each for each in all_detectors() if each.event_type == decision.problem.event_type]
    return next(
        (each for each in of_type if kind in {seen.resource.kind for seen in each.watches}), of_type[0]
    )


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
