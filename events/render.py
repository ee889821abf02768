"""From an event on record to the message that tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from connectors.message import Message, Recommendation, Severity, Status
from events.models import Event
from events.routing.match import EventFacts


@dataclass(frozen=True, slots=True)
class Address:
    """Where a person finds an event: what stands before its id, and what after it."""

    before: str
    after: str

    @classmethod
    def now(cls) -> Address:
        """As the settings and the URLs are at this moment. For many events, it is found out once."""
        path = reverse("admin:events_event_change", args=[_ANY])
        before, _, after = path.rpartition(_ANY)
        return cls(settings.PUBLIC_URL + before, after)


_ANY = "00000000-0000-0000-0000-000000000000"


def message_for(event: Event, status: Status | None = None, address: Address | None = None) -> Message:
    """What is said of this event now; `status` where that is not simply its own."""
    status = status or Status(event.status)
    address = address or Address.now()
    pk = str(event.id)
    others = f" and {event.count - 1} more" if event.count > 1 else ""
    return Message(
        id=pk,
        key=event.fingerprint,
        event_type=event.event_type,
        title=event.title + others,
        severity=Severity(event.severity),
        timestamp=_when(event, status),
        status=status,
        cluster=event.cluster_name,
        namespace=event.namespace,
        resource=event.resource,
        description=_description(event, status),
        details=event.details,
        recommendations=tuple(Recommendation(**item) for item in event.recommendations),
        count=event.count,
        url=f"{address.before}{pk}{address.after}",
        routing=event.routing,
    )


def _when(event: Event, status: Status) -> datetime:
    """When that came about which is said."""
    if status is Status.RESOLVED:
        return event.resolved_at or event.occurred_at
    if status is Status.ACKNOWLEDGED:
        return event.acknowledged_at or event.occurred_at
    return event.occurred_at


def _description(event: Event, status: Status) -> str:
    """What happened, after who did something about it, where somebody did."""
    by = ""
    if status is Status.RESOLVED:
        by = event.resolved_by
    elif status is Status.ACKNOWLEDGED:
        by = event.acknowledged_by
    if not by:
        return event.description
    said = f"{status.value.capitalize()} by {by}"
    said += f": {event.note}" if event.note else "."
    return f"{said}\n\n{event.description}" if event.description else said


def facts_of(event: Event, at: datetime | None = None) -> EventFacts:
    """What subscriptions are matched against, at that time: when it was first seen, unless it is said."""
    return EventFacts(
        event_type=event.event_type,
        severity=Severity(event.severity),
        cluster=event.cluster_name,
        namespace=event.namespace,
        resource=event.resource,
        title=event.title,
        count=event.count,
        details=event.details,
        at=at or event.first_seen,
    )
