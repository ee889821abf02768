"""From events to deliveries: matches them with the subscriptions and writes the outbox."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from enum import Enum
from typing import NamedTuple

from django.utils import timezone

from connectors import presence
from connectors.message import Message, Status
from connectors.models import Connector, Delivery
from connectors.outbox import Order, enqueue
from events.models import Event, Subscription
from events.render import Address, facts_of, message_for
from events.routing import rules

ORIGIN = "subscription:"


class Turn(Enum):
    """What an event has come to."""

    OPENED = "opened"
    WORSENED = "worsened"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


_OPENINGS = (Turn.OPENED, Turn.WORSENED)
_FOLLOW_UPS = {Turn.ACKNOWLEDGED: Status.ACKNOWLEDGED, Turn.RESOLVED: Status.RESOLVED}


def route(turns: Sequence[tuple[Event, Turn]]) -> list[uuid.UUID]:
    """Writes the deliveries that these turns call for, in the caller's transaction; returns their ids.

    A new event goes to whoever subscribes to it, and so does one that has become worse: those who know of it
    get an update. One that was acknowledged or resolved goes to those who were told of it, whatever the
    subscriptions say by now, for an incident that was opened must be closed. Nobody is told of an event that
    another one inhibits, nor of what a silence holds, and a connector that fails is not told of that. Outside
    the hours of a subscription its connector is not told; `events.routing.beginning` makes up for it.
    """
    told = [(event, turn) for event, turn in turns if event.inhibited_by_id is None and not event.muted]
    if not told:
        return []
    wanted: list[_Wanted] = []
    openings = [event for event, turn in told if turn in _OPENINGS and not event.held]
    if openings:
        book, now = rules.current(), timezone.now()
        for event in openings:
            wanted += [
                _Wanted(rule.connector_id, event, None, f"{ORIGIN}{rule.subscription_id}")
                for rule in book.wanting(facts_of(event, now))
                if not is_about(event, rule.connector_id)
            ]
    for turn, status in _FOLLOW_UPS.items():
        wanted += _follow_ups([event for event, its in told if its is turn], status)
    return enqueue(_orders(wanted))


class _Wanted(NamedTuple):
    """Whom to tell of which event, because of what; `status` where that is not simply its own."""

    connector_id: int
    event: Event
    status: Status | None
    origin: str


def _orders(wanted: Sequence[_Wanted]) -> list[Order]:
    """Orders for the connectors among them that are enabled."""
    if not wanted:
        return []
    connectors = enabled({each.connector_id for each in wanted})
    address = Address.now()
    messages: dict[tuple[int, Status | None], Message] = {}
    orders = []
    for connector_id, event, status, origin in wanted:
        connector = connectors.get(connector_id)
        if connector is None:
            continue
        key = (id(event), status)
        message = messages.get(key)
        if message is None:
            message = messages[key] = message_for(event, status, address)
        orders.append(Order(connector, message, origin))
    return orders


def enabled(ids: Collection[int]) -> dict[int, Connector]:
    """Those of these connectors that are enabled, with no more than what is said of them in a delivery.

    None of them is deleted before the end of the caller's transaction.
    """
    # Asked for every event that is told. To make SQL of a queryset takes longer than the answer.
    sql = _ENABLED.format(", ".join(["%s"] * len(ids)), presence.lock())
    return {connector.pk: connector for connector in Connector.objects.raw(sql, [*ids])}


# Without the secrets: what is only to be named need not be decrypted.
_ENABLED = f"""
    SELECT id, name, provider, deliver_brief FROM {Connector._meta.db_table}
    WHERE enabled AND id IN ({{}}) {{}}"""  # noqa: S608 - our own names only


def _follow_ups(events: Sequence[Event], status: Status) -> list[_Wanted]:
    """What became of it, for each connector through which the bad news went."""
    if not events:
        return []
    by_id = {str(event.pk): event for event in events}
    sent = (
        Delivery.objects.filter(message_id__in=by_id, connector__isnull=False)
        .order_by("id")
        .values_list("connector_id", "message_id", "origin")
    )
    origins: dict[tuple[int, str], str] = {}
    for connector_id, message_id, origin in sent:
        if connector_id is not None:
            origins.setdefault((connector_id, message_id), origin)
    quiet = _quiet(set(origins.values())) if status is Status.RESOLVED else set()
    return [
        _Wanted(connector_id, by_id[message_id], status, origin)
        for (connector_id, message_id), origin in origins.items()
        if origin not in quiet
    ]


def is_about(event: Event, connector_id: int) -> bool:
    """Whether the event is that this connector fails: of that it cannot tell itself."""
    return event.event_type == "connector_failing" and event.details.get("connector_id") == connector_id


def _quiet(origins: set[str]) -> set[str]:
    """Those of the subscriptions that do not want to be told when it is over."""
    numbers = [int(number) for origin in origins if (number := origin.removeprefix(ORIGIN)).isdigit()]
    silent = Subscription.objects.filter(pk__in=numbers, send_resolved=False).values_list("pk", flat=True)
    return {f"{ORIGIN}{number}" for number in silent}
