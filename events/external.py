"""Events that come from outside, in the payload format of the documentation."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from connectors import presence
from connectors.message import Status, iso
from events import catalog
from events.fingerprints import fingerprint
from events.models import Cluster, Event, EventStatus
from events.record import OPEN, Batch, Change, on_record, write
from events.report import SOURCE, ExternalReport


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of many reports: how many opened or occurred, were so already, ended, or were not open."""

    opened: int = 0
    updated: int = 0
    resolved: int = 0
    not_open: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.opened + other.opened,
            self.updated + other.updated,
            self.resolved + other.resolved,
            self.not_open + other.not_open,
        )


def report(data: ExternalReport) -> Event:
    """Puts it on record, tells whom it concerns, and returns the event.

    The same report twice (same key or idempotency key; without either, same content and timestamp) is one
    event. Resolving what is not open returns the last event of that key. Raises LookupError if there never
    was one, and catalog.UnknownEventType.
    """
    event_type = catalog.reported(data.event_type)
    now = timezone.now()
    status = data.status or _usual_status(data, event_type)
    name = _name(data)
    print_ = _problem(data, name)
    if status is Status.RESOLVED:
        return _resolve(print_, data, now)
    cluster = Cluster.objects.filter(name=data.cluster).first() if data.cluster else None
    event = _draft(data, name, cluster, now)
    # What is reported again and again need not be written to find out that it is there.
    adopted = on_record([print_]).get(print_) or _write(event).get(event.pk)
    if adopted is None:
        return event
    if status is Status.FIRING:
        write(Batch(changed=[Change.into(event, adopted, now, event.count)]))
    return Event.objects.get(pk=adopted)


def report_all(reports: Iterable[ExternalReport]) -> Taken:
    """Puts many on record in one transaction; none of them keeps another from it.

    Of several about one problem the last counts. Resolving what is not open does nothing. What was resolved
    by hand and began again since then opens, even if nobody has reported that it was over.
    """
    now = timezone.now()
    named = ((_name(data), data) for data in reports)
    last = {_problem(data, name): (name, data) for name, data in named}
    with transaction.atomic():
        clusters = _clusters({data.cluster for _, data in last.values()})
        known = on_record(last)
        by_hand = _resolved_by_hand(known.values())
        batch, gone, not_open = Batch(), Batch(), 0
        for print_ in sorted(last):  # in one order, or two who write the same at once wait for each other
            name, data = last[print_]
            event_id = known.get(print_)
            if data.status is Status.RESOLVED:
                if event_id is None:
                    not_open += 1
                else:
                    batch.resolved.append((event_id, data.timestamp or now))
                continue
            event = _draft(data, name, clusters.get(data.cluster), now)
            if event_id is None:
                batch.new.append(event)
            elif event_id in by_hand and event.occurred_at > by_hand[event_id]:
                gone.resolved.append((event_id, event.occurred_at))
                batch.new.append(event)
            elif event.status == EventStatus.FIRING:
                batch.changed.append(Change.into(event, event_id, now, event.count))
        if gone:
            write(gone)
        opened = len(batch.new) - len(write(batch))
    return Taken(
        opened=opened,
        updated=len(last) - opened - len(batch.resolved) - not_open,
        resolved=len(batch.resolved),
        not_open=not_open,
    )


def _clusters(names: set[str]) -> dict[str, Cluster]:
    """The clusters of these names. They stay until the end of the transaction."""
    found = list(Cluster.objects.filter(name__in=names - {""}))
    there = presence.staying(Cluster, [cluster.pk for cluster in found])
    return {cluster.name: cluster for cluster in found if cluster.pk in there}


def _resolved_by_hand(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """When those of these events that linger were resolved."""
    lingering = Event.objects.filter(pk__in=list(ids), lingers=True).order_by()
    return {pk: at for pk, at in lingering.values_list("pk", "resolved_at") if at is not None}


def _draft(data: ExternalReport, name: str, cluster: Cluster | None, now: datetime) -> Event:
    """The event, not saved, of a report that is not of an end."""
    event_type = catalog.reported(data.event_type)
    occurred = (data.status or _usual_status(data, event_type)) is Status.OCCURRED
    return Event(
        fingerprint=_problem(data, name),
        status=EventStatus.OCCURRED if occurred else EventStatus.FIRING,
        event_type=data.event_type,
        severity=(data.severity or event_type.severity).value,
        source=data.source,
        cluster=cluster,
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


def _name(data: ExternalReport) -> str:
    """What names the problem, or the report."""
    return data.key or _repeated(data) or _content(data)


def _problem(data: ExternalReport, name: str) -> str:
    """The fingerprint of what is reported under that name."""
    if data.source == SOURCE:
        return fingerprint("external", data.cluster, data.event_type, data.namespace, data.resource, name)
    # It tells its problems apart itself. What we read out of its words is not always said with the end, and
    # may be read otherwise by another version of ours while the problem is open.
    return fingerprint(data.source, data.cluster, name)


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
