"""Events that come from outside, in the payload format of the documentation."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from connectors import presence
from connectors.message import JSONDict, Severity, Status, iso
from events import catalog
from events.models import Cluster, Event, EventStatus
from events.record import OPEN, Batch, Change, fingerprint, on_record, write

SOURCE = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalReport:
    """What a caller reports. `event_type` is one of the catalog's; the rest may be left out but for `title`.

    With a `key`, a report of status firing opens the problem of that name (or updates it, if it is open), and
    one of status resolved ends it. Without a status it is firing where the catalog says that such an event
    resolves and a key is given, and otherwise something that merely occurred. `idempotency_key` names the
    report where there is no `key`, so that one that is sent again is no second event.
    """

    event_type: str
    title: str
    severity: Severity | None = None
    timestamp: datetime | None = None
    cluster: str = ""
    namespace: str = ""
    resource: str = ""
    description: str = ""
    details: JSONDict = field(default_factory=dict)
    recommendations: list[dict[str, str]] = field(default_factory=list)
    status: Status | None = None
    key: str = ""
    idempotency_key: str = ""


def report(data: ExternalReport) -> Event:
    """Puts it on record, tells whom it concerns, and returns the event.

    The same report twice (same key or idempotency key; without either, same content and timestamp) is one
    event. Resolving what is not open returns the last event of that key. Raises LookupError if there never
    was one, and catalog.UnknownEventType.
    """
    event_type = catalog.reported(data.event_type)
    now = timezone.now()
    status = data.status or _usual_status(data, event_type)
    name = data.key or _repeated(data) or _content(data)
    print_ = fingerprint("external", data.cluster, data.event_type, data.namespace, data.resource, name)
    if status is Status.RESOLVED:
        return _resolve(print_, data, now)
    event = Event(
        fingerprint=print_,
        status=EventStatus.OCCURRED if status is Status.OCCURRED else EventStatus.FIRING,
        event_type=data.event_type,
        severity=(data.severity or event_type.severity).value,
        source=SOURCE,
        cluster=Cluster.objects.filter(name=data.cluster).first() if data.cluster else None,
        cluster_name=data.cluster,
        namespace=data.namespace,
        resource=data.resource,
        subject=data.resource,
        key=name[:255],
        title=data.title,
        description=data.description,
        details=data.details,
        recommendations=data.recommendations,
        occurred_at=data.timestamp or now,
    )
    # What is reported again and again need not be written to find out that it is there.
    adopted = on_record([print_]).get(print_) or _write(event).get(event.pk)
    if adopted is None:
        return event
    if status is Status.FIRING:
        write(Batch(changed=[Change.into(event, adopted, now, event.count)]))
    return Event.objects.get(pk=adopted)


def _write(event: Event) -> dict[uuid.UUID, uuid.UUID]:
    """As `events.record.write`; of no cluster, where that was deleted a moment ago."""
    with transaction.atomic():
        if event.cluster_id is not None and not presence.staying(Cluster, [event.cluster_id]):
            event.cluster = None
        return write(Batch(new=[event]))


def _usual_status(data: ExternalReport, event_type: catalog.EventType) -> Status:
    return Status.FIRING if data.key and not event_type.momentary else Status.OCCURRED


def _repeated(data: ExternalReport) -> str:
    """A name for a report that says which one it is, however often it comes."""
    return fingerprint("idempotency", data.idempotency_key) if data.idempotency_key else ""


def _content(data: ExternalReport) -> str:
    """A name for a report that has no key: what it says, and when."""
    when = iso(data.timestamp) if data.timestamp else timezone.now().isoformat()
    return fingerprint(when, data.title, data.description, json.dumps(data.details, sort_keys=True))


def _resolve(print_: str, data: ExternalReport, now: datetime) -> Event:
    of_key = Event.objects.filter(fingerprint=print_).order_by("-first_seen")
    event = of_key.filter(status__in=OPEN).first() or of_key.first()
    if event is None:
        raise LookupError(
            f"There is no event {data.event_type} with the key {data.key!r} to resolve. The key, cluster,"
            " namespace and resource must be those it was reported with."
        )
    write(Batch(resolved=[(event.pk, data.timestamp or now)]))
    event.refresh_from_db()
    return event
