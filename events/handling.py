"""What people do with an open event: acknowledge it, or resolve it by hand.

Either tells those who were told of the event, in the same transaction. Doing the same twice, or two people at
once, changes and tells nothing more.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from connectors import text
from events import draft, report
from events.models import Event, EventStatus
from events.routing.route import Turn, route

logger = logging.getLogger(__name__)

NOTE_LIMIT = 2000
"""Characters of a note."""


ATTENTION = {
    "needed": Q(status=EventStatus.FIRING, acknowledged_at=None, held=False, inhibited_by=None, muted=""),
    "acknowledged": Q(acknowledged_at__isnull=False),
    "silenced": Q(held=True),
    "by_hand": ~Q(resolved_by=""),
}
"""Whether somebody is on an event, and whether anybody was told."""


def acknowledge(event_ids: Iterable[uuid.UUID], by: str, note: str = "") -> list[Event]:
    """Puts on record that somebody is on it, and tells so; returns the events of which that is news.

    Only what is open and not acknowledged yet can be.
    """
    now = timezone.now()
    with transaction.atomic():
        events = _open(event_ids, acknowledged_at=None)
        for event in events:
            event.acknowledged_at, event.acknowledged_by = now, by
            _add_note(event, note)
        Event.objects.bulk_update(events, ("acknowledged_at", "acknowledged_by", "note"), batch_size=200)
        route([(event, Turn.ACKNOWLEDGED) for event in events])
    _log("acknowledged", events, by)
    return events


def resolve(event_ids: Iterable[uuid.UUID], by: str, note: str = "") -> list[Event]:
    """Ends open events by hand, and tells so as if the cluster had shown it; returns them.

    Where the cluster still shows the trouble, it does not open again, and goes on explaining away what it
    explained, until it has been over once.
    """
    now = timezone.now()
    with transaction.atomic():
        events = _open(event_ids)
        for event in events:
            event.status, event.resolved_at, event.resolved_by = EventStatus.RESOLVED, now, by
            event.lingers = _is_watched(event)
            _add_note(event, note)
        changed = ("status", "resolved_at", "resolved_by", "lingers", "note")
        Event.objects.bulk_update(events, changed, batch_size=200)
        route([(event, Turn.RESOLVED) for event in events])
    _log("resolved", events, by)
    return events


def _open(event_ids: Iterable[uuid.UUID], **more: None) -> list[Event]:
    """Those of these events that are open, locked."""
    firing = Event.objects.filter(pk__in=list(event_ids), status=EventStatus.FIRING, **more)
    return list(firing.order_by("pk").select_for_update(of=("self",)))


def _is_watched(event: Event) -> bool:
    """Whether its source looks again and again, and will see the end of it. A report from outside is news."""
    if event.source == draft.SOURCE:
        return event.cluster_id is not None
    return event.source != report.SOURCE


def _add_note(event: Event, note: str) -> None:
    event.note = "\n".join(filter(None, (event.note, text.clean(note).strip()[:NOTE_LIMIT])))


def _log(what: str, events: Iterable[Event], by: str) -> None:
    for event in events:
        logger.info(
            "%s %s by %s: %s",
            event.event_type,
            what,
            by,
            event.title,
            extra={"event": event.pk, "cluster": event.cluster_name},
        )
