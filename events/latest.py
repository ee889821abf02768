"""The last event on record, as the message that tells of it."""

from __future__ import annotations

from typing import Any

from connectors.message import Message
from events.models import Event
from events.render import message_for


def last_event(user: Any) -> Message | None:
    """The last event's message, for somebody who may see events; None where there is none."""
    if not user.has_perm("events.view_event"):
        return None
    event = Event.objects.order_by("-first_seen").first()
    return message_for(event) if event else None
