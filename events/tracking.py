"""Compares what detectors find with what is open, and decides what that makes of it. Pure.

The tracker of a cluster knows, of each problem (type, subject, key), which objects have it. It answers
every observation with decisions: open this, update that, resolve the other. It keeps no clock: time comes in.
It may be told the same thing any number of times; only what is new leads to a decision.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connectors.ids import uuid7
from events.cluster.objects import Ref
from events.decisions import Decision, Open, ProblemKey, Resolve, Sighting, Update
from events.detection import Finding, Options

_NEVER = datetime.min.replace(tzinfo=UTC)
_AHEAD = timedelta(seconds=10)
"""How far a node's clock may be ahead of ours: what it says of a time is cut to when that was first seen."""


@dataclass(frozen=True, slots=True)
class OnRecord:
    """A problem that is open when its tracker begins."""

    problem: ProblemKey
    event_id: uuid.UUID
    options: Options
    times: int = 1


@dataclass(slots=True)
class _Problem:
    """What is known of one problem. It waits to be opened, is open, or waits to be resolved."""

    options: Options
    event_id: uuid.UUID | None = None  # None: not open
    sightings: dict[str, Sighting] = field(default_factory=dict)  # by the object's uid
    since: datetime | None = None  # waiting to be opened: since when it is so
    over_since: datetime | None = None  # waiting to be resolved: since when it is over
    unconfirmed: bool = False  # read from the database; its objects have not been seen yet
    occurrences: set[str] = field(default_factory=set)  # of what happens time and again, those that were seen
    times: int = 0  # how many there have been

    @property
    def latest(self) -> Sighting:
        """The one that began last, where the cluster says when; else the one that was seen last.

        Of two reports on a workload, that on its former release may well be read after the other.
        """
        last = next(reversed(self.sightings.values()))
        if last.finding.since is None:
            return last
        return max(reversed(self.sightings.values()), key=lambda sighting: sighting.finding.since or _NEVER)


class Tracker:
    """The problems of one cluster, open ones and those that wait to be opened or resolved."""

    def __init__(
        self,
        already_open: Iterable[OnRecord] = (),
        waited: Mapping[ProblemKey, datetime] | None = None,
        away: timedelta = timedelta(),
    ) -> None:
        """What is open; since when the tracker before this one had waited for what, and how long it is away.

        The time between the two does not count: nobody knows what was then.
        """
        self._away = away
        self._waited = dict(waited or {})  # what has not been seen since
        self._moved: set[ProblemKey] = set()
        self._problems: dict[ProblemKey, _Problem] = {}
        self._of_object: dict[tuple[str, str], dict[ProblemKey, Ref]] = {}
        self._of_subject: dict[tuple[str, str, str], set[ProblemKey]] = {}
        self._waiting: set[ProblemKey] = set()
        for known in already_open:
            state = _Problem(known.options, known.event_id, unconfirmed=True, times=known.times)
            self._add(known.problem, state)

    def open_event(self, event_type: str, subject: Ref, key: str = "") -> uuid.UUID | None:
        """The open event of that type and subject (and key, if one is given); None if there is none."""
        for problem in self._of_subject.get((event_type, subject.namespace, subject.resource), ()):
            event_id = self._problems[problem].event_id
            if event_id is not None and key in ("", problem.key):
                return event_id
        return None

    def adopt(self, problem: ProblemKey, event_id: uuid.UUID) -> None:
        """The problem was already on record under this id, by someone else's hand."""
        if problem in self._problems:
            self._problems[problem].event_id = event_id

    def moved(self) -> Iterator[tuple[ProblemKey, datetime | None]]:
        """What has begun or ceased to wait since this was last asked, and since when it waits, if it does.

        Given to the tracker that takes over, it keeps waits from beginning anew there.
        """
        while self._moved:
            problem = self._moved.pop()
            state = self._problems.get(problem)
            if state is None or problem not in self._waiting:
                yield problem, None
            else:
                yield problem, state.since if state.event_id is None else state.over_since

    def observe(
        self, event_type: str, ref: Ref, findings: Sequence[Finding], options: Options, at: datetime
    ) -> list[Decision]:
        """What a detector finds on an object now: everything it finds, or nothing when all is well."""
        had = self._of_object.get((event_type, ref.uid), {})
        if not (findings or had):
            return []  # as for most objects at most times
        found: dict[ProblemKey, Finding] = {}
        decisions: list[Decision] = []
        for finding in findings:
            problem = _problem_of(event_type, ref, finding)
            if finding.occurrence:
                decisions += self._happens(problem, Sighting(ref, finding), options, at)
            else:
                found[problem] = finding
        for problem, finding in found.items():
            decisions += self._has(problem, Sighting(ref, finding), options, at)
        for problem in had.keys() - found.keys():
            decisions += self._has_not(problem, ref.uid, at, gone=False)
        self._note(event_type, ref, found)
        return decisions

    def gone(self, event_type: str, ref: Ref, at: datetime, *, lingering: bool = False) -> list[Decision]:
        """The object is no more: what it had itself is over at once, or with `lingering` as ever.

        So is what it no longer had while it was being deleted. The trouble of a workload waits: its next pod
        may be in the same.
        """
        decisions: list[Decision] = []
        for problem in list(self._of_object.get((event_type, ref.uid), ())):
            own = (problem.namespace, problem.subject) == (ref.namespace, ref.resource)
            decisions += self._has_not(problem, ref.uid, at, gone=own and not lingering)
        if not lingering:
            for problem in list(self._of_subject.get((event_type, ref.namespace, ref.resource), ())):
                decisions += self._ended(problem, at)
        self._note(event_type, ref, {})
        return decisions

    def objects(self, event_type: str) -> list[Ref]:
        """The objects that have a problem of that type."""
        return [
            next(iter(problems.values()))
            for (kind, _), problems in self._of_object.items()
            if kind == event_type
        ]

    def confirm(self, event_type: str, at: datetime, seen: Callable[[ProblemKey], bool]) -> None:
        """Every object has been seen that could have a problem of that type for which `seen` says so.

        What was open before and was not found on any of them begins to be over.
        """
        for problem, state in self._problems.items():
            if state.unconfirmed and problem.event_type == event_type and seen(problem):
                state.unconfirmed = False
                if not state.sightings:
                    state.over_since = self._resumed(problem, at)
                    self._wait(problem)
        for problem in [each for each in self._waited if each.event_type == event_type and seen(each)]:
            self._waited.pop(problem)
            self._moved.add(problem)

    def tick(self, now: datetime) -> list[Decision]:
        """What has waited long enough by now."""
        decisions: list[Decision] = []
        for problem in list(self._waiting):
            decisions += self._settle(problem, now)
        return decisions

    def _has(self, problem: ProblemKey, sighting: Sighting, options: Options, at: datetime) -> list[Decision]:
        state = self._problems.get(problem)
        if state is None:
            state = self._add(problem, _Problem(options))
        known = state.sightings.pop(sighting.ref.uid, None)  # so that the latest comes last
        state.sightings[sighting.ref.uid] = sighting
        state.over_since, state.unconfirmed = None, False
        resumed = self._resumed(problem, at)
        if state.event_id is None:
            begun = min(sighting.finding.since or at, resumed)
            if state.since is None or begun < state.since:
                state.since = begun
                self._wait(problem)
            return self._settle(problem, at)
        self._wait_no_more(problem)
        if known is not None and known.finding == sighting.finding:
            return []
        return [Update(problem, state.event_id, state.latest, len(state.sightings), at)]

    def _happens(
        self, problem: ProblemKey, sighting: Sighting, options: Options, at: datetime
    ) -> list[Decision]:
        """It waits to be over from the moment it has happened; once more, and it waits anew."""
        state = self._problems.get(problem) or self._add(problem, _Problem(options))
        finding, happened = sighting.finding, sighting.finding.since or at
        last = self._waited.pop(problem, None)  # that was known to the tracker before this one
        if last is not None:
            state.over_since = last
            self._wait(problem)
        state.unconfirmed = False
        known = finding.occurrence in state.occurrences or (last is not None and happened <= last + _AHEAD)
        state.occurrences.add(finding.occurrence)
        state.sightings.pop(sighting.ref.uid, None)
        state.sightings[sighting.ref.uid] = sighting
        if known:
            return []
        state.times += 1
        state.over_since = happened if state.over_since is None else max(state.over_since, happened)
        self._wait(problem)
        count, times = len(state.sightings), state.times
        if state.event_id is None:
            state.event_id = uuid7()
            return [Open(problem, state.event_id, state.latest, count, at, happened, times)]
        return [Update(problem, state.event_id, state.latest, count, at, times)]

    def _resumed(self, problem: ProblemKey, at: datetime) -> datetime:
        """Since when it counts as waiting: since now, unless it did so when this tracker began."""
        since = self._waited.pop(problem, None)
        return at if since is None else min(since + self._away, at)

    def _has_not(self, problem: ProblemKey, uid: str, at: datetime, *, gone: bool) -> list[Decision]:
        state = self._problems[problem]
        state.sightings.pop(uid, None)
        if state.sightings:
            if state.event_id is None:
                return []
            return [Update(problem, state.event_id, state.latest, len(state.sightings), at)]
        if state.event_id is None:
            self._forget(problem)
            return []
        state.over_since = at
        self._wait(problem)
        return self._ended(problem, at) if gone else self._settle(problem, at)

    def _ended(self, problem: ProblemKey, at: datetime) -> list[Decision]:
        """Resolves what waits to be resolved, however long it has been over."""
        state = self._problems[problem]
        if state.over_since is None:
            return []
        state.over_since = at - timedelta(seconds=state.options.clear_after)
        return self._settle(problem, at)

    def _settle(self, problem: ProblemKey, now: datetime) -> list[Decision]:
        """Opens or resolves a waiting problem if its time has come."""
        state = self._problems[problem]
        if state.event_id is None and state.since is not None:
            not_before = state.latest.finding.not_before or state.since
            if now < max(not_before, state.since + timedelta(seconds=state.options.for_seconds)):
                return []
            self._wait_no_more(problem)
            state.event_id = uuid7()
            return [Open(problem, state.event_id, state.latest, len(state.sightings), now, state.since)]
        if state.event_id is not None and state.over_since is not None:
            if now - state.over_since < timedelta(seconds=state.options.clear_after):
                return []
            self._forget(problem)
            return [Resolve(problem, state.event_id, now)]
        return []

    def _add(self, problem: ProblemKey, state: _Problem) -> _Problem:
        self._problems[problem] = state
        subject = (problem.event_type, problem.namespace, problem.subject)
        self._of_subject.setdefault(subject, set()).add(problem)
        return state

    def _wait(self, problem: ProblemKey) -> None:
        self._waiting.add(problem)
        self._moved.add(problem)

    def _wait_no_more(self, problem: ProblemKey) -> None:
        if problem in self._waiting:
            self._waiting.discard(problem)
            self._moved.add(problem)

    def _forget(self, problem: ProblemKey) -> None:
        self._wait_no_more(problem)
        del self._problems[problem]
        subject = (problem.event_type, problem.namespace, problem.subject)
        self._of_subject[subject].discard(problem)
        if not self._of_subject[subject]:
            del self._of_subject[subject]

    def _note(self, event_type: str, ref: Ref, found: Mapping[ProblemKey, Finding]) -> None:
        """Keeps which problems an object has; those without any take no room."""
        if found:
            self._of_object[event_type, ref.uid] = dict.fromkeys(found, ref)
        else:
            self._of_object.pop((event_type, ref.uid), None)


def _problem_of(event_type: str, ref: Ref, finding: Finding) -> ProblemKey:
    subject = finding.subject or ref
    return ProblemKey(event_type, subject.namespace, subject.resource, finding.key)
