"""Connectors that do not deliver are events, too: `connector_failing`, for as long as it is so.

Level-triggered: what is wrong with the connectors now is compared with what is on record as open. So a
connector that fails makes one event, however many deliveries wait for it and however long, and the event is
resolved when it delivers again, is disabled, or is gone. `events.routing.route` never tells of it through the
connector itself; where another one that is to tell of it fails, that is one event more and no loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from connectors.message import JSONDict
from connectors.models import BreakerState, Connector
from events import catalog
from events.fingerprints import fingerprint
from events.models import STILL_SO, Event, EventStatus
from events.record import Batch, Change, write

SOURCE = "connectors"
EVENT_TYPE = "connector_failing"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a connector, in words that stay the same as long as it is the same."""

    connector: Connector
    title: str
    description: str
    recommendation: str

    @property
    def fingerprint(self) -> str:
        """The name of the problem."""
        return fingerprint("connector", str(self.connector.pk))

    @property
    def details(self) -> JSONDict:
        """`connector_id` is what keeps it from being told through the connector itself."""
        return {
            "connector_id": self.connector.pk,
            "connector": self.connector.name,
            "type": self.connector.provider,
        }


def trouble_of(connector: Connector) -> Trouble | None:
    """What is wrong with this connector; None where it delivers, or is not meant to."""
    if not connector.enabled:
        return None
    if connector.paused_at is not None:
        return Trouble(
            connector,
            f"The connector “{connector.name}” is paused",
            connector.paused_reason,
            "Mend the connector, test it, and resume it: what waits for it goes out then",
        )
    if connector.breaker != BreakerState.CLOSED:
        return Trouble(
            connector,
            f"The connector “{connector.name}” does not deliver",
            "Its receiver failed again and again. Deliveries wait, and it is tried from time to time.",
            "See on the connector's page why the last attempt failed",
        )
    return None


def report() -> None:
    """Opens, changes and resolves the events that say which connectors fail."""
    failing = Connector.objects.filter(
        Q(paused_at__isnull=False) | ~Q(breaker=BreakerState.CLOSED), enabled=True
    )
    found = [trouble for connector in failing if (trouble := trouble_of(connector)) is not None]
    open_events = Event.objects.filter(STILL_SO, event_type=EVENT_TYPE, source=SOURCE)
    batch = compare(found, open_events)
    if batch:
        write(batch)


def compare(found: Iterable[Trouble], open_events: Iterable[Event]) -> Batch:
    """What is to be written, so that the events on record say what was found. Writes nothing."""
    now = timezone.now()
    on_record = {event.fingerprint: event for event in open_events}
    batch = Batch()
    for trouble in found:
        new = _event(trouble)
        event = on_record.pop(new.fingerprint, None)
        if event is None:
            batch.new.append(new)
        elif (event.title, event.description) != (new.title, new.description):
            batch.changed.append(Change.into(new, event.pk, now, event.count))
    batch.resolved = [(event.pk, now) for event in on_record.values()]
    return batch


def _event(trouble: Trouble) -> Event:
    resource = f"Connector/{trouble.connector.name}"
    return Event(
        fingerprint=trouble.fingerprint,
        status=EventStatus.FIRING,
        event_type=EVENT_TYPE,
        severity=catalog.EVENT_TYPES[EVENT_TYPE].severity.value,
        source=SOURCE,
        resource=resource,
        subject=resource,
        title=trouble.title,
        description=trouble.description,
        details=trouble.details,
        recommendations=[{"action": trouble.recommendation}],
        occurred_at=timezone.now(),
    )
