"""Events as findings tell of them, before they are written."""

from __future__ import annotations

import uuid
from datetime import datetime

from connectors import bulk
from connectors.message import JSONDict
from events import catalog
from events.cluster.objects import Ref
from events.decisions import ProblemKey, Sighting
from events.fingerprints import fingerprint
from events.masking import mask
from events.models import Cluster, Event, EventStatus

SOURCE = "watch"


def draft(
    event_id: uuid.UUID,
    cluster: Cluster,
    event_type: str,
    sighting: Sighting,
    at: datetime,
    routing: dict[str, str],
    count: int = 1,
) -> Event:
    """The event, not saved, of a finding that `count` objects share."""
    ref, finding = sighting.ref, sighting.finding
    subject = finding.subject or ref
    return bulk.instance(
        Event,
        id=event_id,
        fingerprint=name_of(cluster, event_type, subject, finding.key),
        status=EventStatus.FIRING,
        event_type=event_type,
        severity=(finding.severity or catalog.EVENT_TYPES[event_type].severity).value,
        source=SOURCE,
        cluster_id=cluster.pk,
        cluster_name=cluster.name,
        namespace=ref.namespace,
        resource=ref.resource,
        subject=subject.resource,
        key=finding.key,
        title=_storable(finding.title),
        description=_storable(finding.description),
        details=_shown(finding.details),
        recommendations=[
            {"action": item.action, "command": item.command} for item in finding.recommendations
        ],
        routing=routing,
        count=count,
        occurred_at=finding.since or at,
        first_seen=at,
        last_seen=at,
    )


def _storable(text: str) -> str:
    """The text without NULs, which PostgreSQL takes in none: whoever writes a status may have put one in."""
    return text.replace("\0", "") if "\0" in text else text


def _shown(details: JSONDict) -> JSONDict:
    """The details without what looks like a secret in the last words of a container.

    These may be the end of its log: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
    """
    said = details.get("last_error")
    return {**details, "last_error": mask(said)} if isinstance(said, str) else details


def name_of(cluster: Cluster, event_type: str, subject: Ref, key: str) -> str:
    """The fingerprint of a problem, or of an occurrence, in a cluster."""
    return fingerprint(str(cluster.pk), event_type, subject.namespace, subject.resource, key)


def problem_of(event: Event) -> ProblemKey:
    """The problem that an event of the watch tells of."""
    # A subject lies in the namespace of the objects it is found on.
    return ProblemKey(event.event_type, event.namespace, event.subject, event.key)
