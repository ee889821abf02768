"""What happens time and again, and is one event for as long as it does: which times count, in which words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from events.cluster.objects import Ref
from events.decisions import Decision, Resolve, Sighting
from events.detection import Change, Detector, Finding, Options
from events.models import Cluster, Event
from events.occurrences import Occurrences
from events.pruning import keeping

SEEN_LATE = "seen_late"
"""The detail that says that something happened while nobody watched."""
TIMES = "times"
"""The detail that says how often something has happened that is one event."""


def registered(cluster: Cluster) -> datetime:
    """Since when what happens in the cluster is told.

    Kubernetes cuts its times off to whole seconds: what happens in the second of the registration seems to be
    from before it, and one event too many is better than a lost one.
    """
    return cluster.created_at.replace(microsecond=0)


class Recurrence:
    """Of one cluster, of which it is known until when it was watched before."""

    def __init__(self, cluster: Cluster, watched_until: datetime) -> None:
        self._cluster = cluster
        self._registered, self._watched_until = registered(cluster), watched_until
        self._occurred = Occurrences()

    def of_now(
        self, event_type: str, options: Options, change: Change[Any], finding: Finding, *, late: bool
    ) -> Finding | None:
        """The finding that something happened, unless that is over, or was before the registration.

        What happened while nobody watched is told all the same, and marked, when it is first seen. `late`
        says that it is found by a first list.
        """
        happened = finding.since or change.at
        if happened < max(self._registered, change.at - keeping()):
            return None
        is_over = happened + timedelta(seconds=options.clear_after) <= change.at
        known = finding.occurrence in self._occurred
        if known or happened <= self._watched_until:
            return None if is_over else finding
        subject = finding.subject or change.ref
        was_told = is_over and self._was_told(event_type, finding, subject, happened)
        self._occurred.is_new(finding.occurrence)  # and from now on it is known
        if was_told:
            return None
        if is_over or late:
            return replace(finding, details={**finding.details, SEEN_LATE: True})
        return finding

    def _was_told(self, event_type: str, finding: Finding, subject: Ref, happened: datetime) -> bool:
        """Whether it is on record, by somebody who only looked once and did not say that they watched."""
        of_subject = Event.objects.filter(event_type=event_type, namespace=subject.namespace, key=finding.key)
        of_subject = of_subject.filter(cluster=self._cluster, subject=subject.resource)
        return of_subject.filter(last_seen__gte=happened).exists()


def in_words(detector: Detector[Any, Any], decision: Decision, options: Options) -> Decision:
    """The decision on what has happened several times, in the words of its detector."""
    if isinstance(decision, Resolve) or decision.times == 1:
        return decision
    sighting, times = decision.sighting, decision.times
    said = detector.repeated(sighting.finding, times, options)
    said = replace(said, details={**said.details, TIMES: times})
    return replace(decision, sighting=Sighting(sighting.ref, said))
