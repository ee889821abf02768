"""Writes events: what opened, changed, ended or merely occurred, with its deliveries, in one transaction.

Whoever finds something out, the watch or a caller of the API, comes through here.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from connectors import bulk, tally
from connectors.message import Severity
from events import silences
from events.detection import MOST_LISTED
from events.excerpt import ADDED
from events.models import STILL_SO, Event, EventStatus
from events.routing.route import Turn, route

logger = logging.getLogger(__name__)

OPEN = (EventStatus.FIRING, EventStatus.OCCURRED)
_CHANGES = ("title", "description", "severity", "details", "recommendations", "count", "last_seen", "muted")
TITLE_LIMIT = 500

EVENTS = "events"
"""The tally of events that have opened or occurred. Labels: event type, severity."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an open event has become."""

    event_id: uuid.UUID
    at: datetime
    title: str
    description: str
    severity: Severity
    details: dict[str, object]
    recommendations: list[dict[str, str]]
    count: int
    grows_by: str = ""  # the detail that lists what it consists of

    @classmethod
    def into(cls, new: Event, event_id: uuid.UUID, at: datetime, count: int, grows_by: str = "") -> Change:
        """That the event of this id is from now on what `new`, which is not written, says."""
        return cls(
            event_id=event_id,
            at=at,
            title=new.title,
            description=new.description,
            severity=Severity(new.severity),
            details=new.details,
            recommendations=new.recommendations,
            count=count,
            grows_by=grows_by,
        )

    def is_worse_than(self, event: Event) -> bool:
        """Whether those who know of the event should hear of this: it is more severe, or more of it."""
        if self.severity.rank > Severity(event.severity).rank:
            return True
        if not self.grows_by:
            return False
        listed, before = self.details.get(self.grows_by, ()), set(event.details.get(self.grows_by, ()))
        if not isinstance(listed, list | tuple):
            return False
        if len(before) >= MOST_LISTED:
            # It was cut off: what stands last now may have been there before, and have moved up.
            there = [place for place, entry in enumerate(listed) if entry in before]
            listed = listed[: max(there, default=len(listed))]
        return not before.issuperset(listed)


@dataclass(slots=True)
class Batch:
    """What is to be written together. An event in `new` is firing or has occurred, and does not change."""

    new: list[Event] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    resolved: list[tuple[uuid.UUID, datetime]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.resolved)


def write(batch: Batch) -> dict[uuid.UUID, uuid.UUID]:
    """Writes the batch and its deliveries in one transaction (the caller's, where there is one).

    An event whose fingerprint is already on record as open is not written again, whoever wrote it, and nobody
    is told twice: the answer maps the ids of such to the ids of those on record. The same goes for one that
    somebody has resolved by hand, until it has been over once.
    """
    with transaction.atomic():
        silences.hold(batch.new)
        adopted = _insert_in_order(batch.new)
        opened = [event for event in batch.new if event.id not in adopted]
        tally.add(EVENTS, ((event.event_type, event.severity) for event in opened))
        changes = {change.event_id: change for change in batch.changed}
        ends = {adopted.get(event_id, event_id): at for event_id, at in batch.resolved}
        _lock(changes, ends)
        worsened = _change(changes)
        resolved, gone = _resolve(ends)
        released = _released([*resolved, *gone])
        silences.hold_on_record([*worsened, *released])
        opened += released
        route(
            [(event, Turn.OPENED) for event in opened]
            + [(event, Turn.WORSENED) for event in worsened]
            + [(event, Turn.RESOLVED) for event in resolved]
        )
    if not logger.isEnabledFor(logging.INFO):
        return adopted
    for event in opened:
        logger.info(
            "%s %s: %s (%s)",
            event.event_type,
            event.status,
            event.title,
            event.severity,
            extra={"event": event.pk, "cluster": event.cluster_name},
        )
    for event in resolved:
        logger.info(
            "%s resolved: %s",
            event.event_type,
            event.title,
            extra={"event": event.pk, "cluster": event.cluster_name},
        )
    return adopted


def _insert_in_order(events: Sequence[Event]) -> dict[uuid.UUID, uuid.UUID]:
    """Inserts what inhibits before what is inhibited by it, so that each names what is on record."""
    told: list[Event] = []
    firing: list[Event] = []
    occurred: list[Event] = []
    for event in events:
        if event.inhibited_by_id is None:
            told.append(event)
        else:
            (firing if event.status == EventStatus.FIRING else occurred).append(event)
    adopted = _insert(told)
    for inhibited in (firing, occurred):
        for event in inhibited:
            if event.inhibited_by_id in adopted:
                event.inhibited_by_id = adopted[event.inhibited_by_id]
        adopted |= _insert(inhibited)
    return adopted


def _insert(events: Sequence[Event]) -> dict[uuid.UUID, uuid.UUID]:
    """Inserts what is not on record yet; for the others, the id given to the id on record."""
    if not events:
        return {}
    first: dict[str, Event] = {}
    for event in events:
        event.title = event.title[:TITLE_LIMIT]
        first.setdefault(event.fingerprint, event)
    # The watch knows what it has open, but not what has occurred: each watcher that starts finds that again.
    # The database would refuse it anyway, but calls it an error in its log.
    occurred = any(event.status == EventStatus.OCCURRED for event in events)
    known = on_record(first) if occurred else {}
    while new := [event for name, event in first.items() if name not in known]:
        try:
            with transaction.atomic():
                bulk.insert(new)
            break
        except IntegrityError:
            before, known = known, on_record(first)
            if known.keys() <= before.keys():
                raise  # for another reason than that somebody has written one of them
    if not known and len(first) == len(events):
        return {}
    ids = {name: event.pk for name, event in first.items()} | known
    return {
        event.pk: ids[event.fingerprint]
        for event in events
        if event.fingerprint in known or first[event.fingerprint] is not event
    }


def on_record(fingerprints: Collection[str]) -> dict[str, uuid.UUID]:
    """Which of these problems are on record as open, or as resolved by hand and still so: under which id."""
    if connection.vendor == bulk.POSTGRESQL:
        with connection.cursor() as cursor:
            cursor.execute(_ON_RECORD, [f"{{{','.join(fingerprints)}}}"])
            return dict(cursor.fetchall())
    found = Event.objects.filter(Q(status__in=OPEN) | Q(lingers=True), fingerprint__in=fingerprints)
    return dict(found.order_by().values_list("fingerprint", "pk"))


# As the index has it. One text in place of a value for each costs a tenth.
_ON_RECORD = f"""
    SELECT fingerprint, id FROM {Event._meta.db_table}
    WHERE fingerprint = ANY(%s) AND (status IN ('firing', 'occurred') OR lingers)"""  # noqa: S608 - our own names only


def _lock(changes: Collection[uuid.UUID], ends: Collection[uuid.UUID]) -> None:
    """Locks what is to be changed, to end, or to be released by that: all of it in one order.

    It is the order in which `events.handling` locks events, or either could wait for the other.
    """
    if ends:
        concerned = Q(pk__in={*changes, *ends}) | Q(inhibited_by__in=ends, status=EventStatus.FIRING)
        list(Event.objects.filter(concerned).order_by("pk").select_for_update().values_list("pk"))


def _change(changes: dict[uuid.UUID, Change]) -> list[Event]:
    """Updates open events; returns those that have become worse."""
    if not changes:
        return []
    # Locked in the same order as above.
    firing = Event.objects.filter(pk__in=changes, status=EventStatus.FIRING)
    events = firing.order_by("pk").select_for_update()
    worsened, touched = [], []
    for event in events:
        change = changes[event.pk]
        if change.is_worse_than(event):
            event.muted = ""  # what is new about it is no old news
            worsened.append(event)
        event.title, event.description = change.title[:TITLE_LIMIT], change.description
        kept = {name: event.details[name] for name in ADDED if name in event.details}
        event.severity, event.details = change.severity.value, kept | change.details
        event.recommendations, event.count, event.last_seen = change.recommendations, change.count, change.at
        touched.append(event)
    _update(touched, _CHANGES)
    return worsened


def _update(events: Sequence[Event], fields: Sequence[str]) -> None:
    """Writes these columns of events that are on record, and locked."""
    # Django's bulk_update, a CASE for each column with a WHEN for each row, costs several times as much.
    Event.objects.bulk_create(events, update_conflicts=True, unique_fields=("id",), update_fields=fields)


def _resolve(ends: dict[uuid.UUID, datetime]) -> tuple[list[Event], list[Event]]:
    """Resolves open events; returns them, and those that were resolved by hand before and are gone now."""
    if not ends:
        return [], []
    events = list(Event.objects.filter(STILL_SO, pk__in=ends).order_by("pk").select_for_update())
    gone = [event for event in events if event.lingers]
    for event in gone:
        event.lingers, event.gone_at = False, ends[event.pk]
    _update(gone, ("lingers", "gone_at"))
    resolved = [event for event in events if event.status == EventStatus.FIRING]
    for event in resolved:
        event.status, event.resolved_at = EventStatus.RESOLVED, ends[event.pk]
    _update(resolved, ("status", "resolved_at"))
    return resolved, gone


def _released(over: Sequence[Event]) -> list[Event]:
    """What is still open of that which these events, now over, inhibited; nothing does any more."""
    if not over:
        return []
    ids = {event.pk for event in over}
    released = list(Event.objects.select_for_update().filter(inhibited_by__in=ids, status=EventStatus.FIRING))
    Event.objects.filter(pk__in=[event.pk for event in released]).update(inhibited_by=None)
    for event in released:
        event.inhibited_by = None
    return released
