"""From an event on record to the message that tells of it."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from connectors.message import Message, Recommendation, Severity, Status
from events.match import EventFacts
from events.models import Event


def message_for(event: Event, status: Status | None = None) -> Message:
    """What is said of this event now; `status` where that is not simply its own."""
    status = status or Status(event.status)
    others = f" and {event.count - 1} more" if event.count > 1 else ""
    return Message(
        id=str(event.pk),
        key=event.fingerprint,
        event_type=event.event_type,
        title=event.title + others,
        severity=Severity(event.severity),
        timestamp=event.resolved_at if status is Status.RESOLVED and event.resolved_at else event.occurred_at,
        status=status,
        cluster=event.cluster_name,
        namespace=event.namespace,
        resource=event.resource,
        description=event.description,
        details=event.details,
        recommendations=tuple(Recommendation(**item) for item in event.recommendations),
        count=event.count,
        url=settings.PUBLIC_URL + reverse("admin:events_event_change", args=[event.pk]),
        routing=event.routing,
    )


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
