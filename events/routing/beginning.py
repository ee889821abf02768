"""When a subscription's hours begin: its connector is told what is still open of what it was not told.

A subscription is done with a beginning when it has been looked after once more, `SETTLING` later: what was
found out outside the hours may be committed a moment after they begin. Whatever a connector has been told of
is on record as a delivery, so that looking again tells nothing twice.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from connectors.message import Severity
from connectors.models import Delivery
from connectors.outbox import Order, enqueue
from events import catalog
from events.models import Event, EventStatus, Subscription
from events.render import facts_of, message_for
from events.routing import rules
from events.routing.match import Rule, judge
from events.routing.route import ORIGIN, enabled, is_about

logger = logging.getLogger(__name__)

SETTLING = timedelta(seconds=60)
CHUNK = 500
"""Open events that are read at a time."""
MOST = 500
"""Messages after which one look at one subscription ends. What is left is written by the next one."""


def begin_hours(now: datetime | None = None) -> int:
    """Tells what is to be told as hours begin; returns how many messages that were.

    It may be called any number of times, at once too: the first that comes to a subscription tells.
    """
    now = now or timezone.now()
    told = 0
    owing = Subscription.objects.filter(~Q(schedule={}) | Q(begun_at__isnull=False)).order_by("pk")
    for subscription in owing.iterator(chunk_size=CHUNK):
        try:
            rule = rules.rule_for(subscription)
        except (catalog.UnknownEventType, ValueError) as error:
            logger.error("subscription %s is not in force: %s", subscription.pk, error)
            continue
        if _is_due(rule, subscription.begun_at, now):
            told += _tell(subscription, rule, now)
    return told


def _is_due(rule: Rule, begun_at: datetime | None, now: datetime) -> bool:
    """Whether its hours have begun, and that has not been looked after to the end."""
    if rule.hours is None:  # it had some, and from now on is told always
        return True
    span = rule.hours.span_at(now)
    return span is not None and (begun_at is None or begun_at < span.begins + SETTLING)


@transaction.atomic
def _tell(subscription: Subscription, rule: Rule, now: datetime) -> int:
    """Tells one subscription's connector, and remembers that it was."""
    # Before the subscription: whoever deletes the connector, or saves it with what it has, locks that first.
    known = enabled([rule.connector_id]).get(rule.connector_id)
    # Whoever comes second waits here, and then finds it done.
    locked = Subscription.objects.select_for_update().filter(
        pk=subscription.pk, begun_at=subscription.begun_at, updated_at=subscription.updated_at
    )
    if not list(locked.order_by().values_list("pk")):
        return 0
    if not subscription.enabled:
        known = None
    events, complete = ([], True) if known is None else _owed(rule, now)
    if known is not None:
        origin = f"{ORIGIN}{rule.subscription_id}"
        enqueue([Order(known, message_for(event), origin) for event in events])
    if complete:
        locked.update(begun_at=now if rule.hours else None)
    return len(events)


def _owed(rule: Rule, now: datetime) -> tuple[list[Event], bool]:
    """What the connector is to be told, locked, and whether that is all of it."""
    still_open = Event.objects.filter(
        status=EventStatus.FIRING, inhibited_by__isnull=True, held=False, muted=""
    )
    if rule.types is not None:
        still_open = still_open.filter(event_type__in=rule.types)
    owed: list[Event] = []
    complete, after = True, uuid.UUID(int=0)
    while events := list(still_open.filter(pk__gt=after).order_by("pk")[:CHUNK]):
        after = events[-1].pk
        ids = {event.pk for event in _untold(rule, events, now)}
        # Locked, as whoever resolves it locks it: he finds the delivery, or we find it resolved. What he has
        # locked already is left to the next look.
        locked = still_open.select_for_update(skip_locked=True).filter(pk__in=ids)
        owed += _untold(rule, list(locked), now)
        complete = complete and len(locked) == len(ids)
        if len(owed) >= MOST:
            return owed, False
    return owed, complete


def _untold(rule: Rule, events: list[Event], now: datetime) -> list[Event]:
    """Those that are wanted, and are worse than anything the connector has been told of them."""
    wanted = [
        event
        for event in events
        if judge(rule, facts_of(event, now)).wanted and not is_about(event, rule.connector_id)
    ]
    ids = [str(event.pk) for event in wanted]
    told: dict[str, int] = dict(
        Delivery.objects.filter(connector_id=rule.connector_id, message_id__in=ids)
        .order_by()
        .values_list("message_id")
        .annotate(Max("priority"))
    )
    return [event for event in wanted if Severity(event.severity).rank > told.get(str(event.pk), -1)]
