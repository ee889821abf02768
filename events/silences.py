"""Silences at work: they hold events back while they are in force, and what outlasts them is told then.

What is in force is asked of the database whenever events are written, with one small query that usually finds
nothing: so a silence counts from the moment it is saved, in every process, and costs nothing while there is
none. Whether an event is held is written in the event's own transaction. `release` looks for what is held by
a silence that is over, rather than for silences that have just ended, so that an event which was being
written while its silence ended is found as well.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from events import catalog
from events.models import Event, EventStatus, Silence, SilenceState
from events.render import facts_of
from events.routing import conditions
from events.routing.match import EventFacts, Rule, judge, types_of
from events.routing.route import Turn, route

logger = logging.getLogger(__name__)

BATCH = 500
"""How many held events are released in one transaction."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A silence made ready for matching. Patterns mean what they mean in a subscription."""

    silence_id: int
    ends_at: datetime
    rule: Rule
    resources: list[str]

    def covers(self, event: Event, facts: EventFacts | None = None) -> bool:
        """Whether the silence is about this event: each of its matchers holds. `facts` are the event's."""
        if self.rule.types is not None and event.event_type not in self.rule.types:
            return False  # most are about something else, and need no verdict in words
        if not judge(self.rule, facts or facts_of(event)).wanted:
            return False
        return (
            not self.resources
            or conditions.matches(self.resources, event.resource)
            or conditions.matches(self.resources, event.subject)
        )


def matcher_for(silence: Silence) -> Matcher:
    """A silence made ready for matching. Raises catalog.UnknownEventType."""
    rule = Rule(
        subscription_id=0,
        connector_id=0,
        types=types_of(silence.event_types, {}),
        clusters=silence.clusters,
        namespaces=silence.namespaces,
    )
    return Matcher(silence.pk, silence.ends_at, rule, silence.resources)


def in_force(now: datetime) -> QuerySet[Silence]:
    """The silences in force at this moment, the one that ends last first."""
    return Silence.objects.filter(ended_at=None, starts_at__lte=now, ends_at__gt=now).order_by("-ends_at")


def in_state(rows: QuerySet[Silence], state: SilenceState) -> QuerySet[Silence]:
    """Those of them that are in that state now."""
    now = timezone.now()
    over = Q(ended_at__isnull=False) | Q(ends_at__lte=now)
    if state is SilenceState.OVER:
        return rows.filter(over)
    begun = Q(starts_at__lte=now)
    return rows.exclude(over).filter(begun if state is SilenceState.IN_FORCE else ~begun)


def matchers(now: datetime) -> list[Matcher]:
    """Those in force, ready for matching. One that cannot be read is logged and silences nothing."""
    if not _any_ends_after(now):
        return []
    found = []
    for silence in in_force(now):
        try:
            found.append(matcher_for(silence))
        except catalog.UnknownEventType as error:
            logger.error("silence %s is not in force: %s", silence.pk, error)
    return found


def _any_ends_after(now: datetime) -> bool:
    # Asked for every event that is written. To make a queryset and its SQL takes several times as long.
    with connection.cursor() as cursor:
        cursor.execute(_ANY_ENDS_AFTER, [connection.ops.adapt_datetimefield_value(now)])
        return cursor.fetchone() is not None


_ANY_ENDS_AFTER = f"SELECT 1 FROM {Silence._meta.db_table} WHERE ended_at IS NULL AND ends_at > %s LIMIT 1"  # noqa: S608 - our own names only


def hold(events: Sequence[Event]) -> list[Event]:
    """Says of each event whether a silence holds it back now; returns those of which that is news.

    Saves nothing. The silence stays named with the event when it holds it no longer.
    """
    if not events:
        return []
    known = matchers(timezone.now())
    return [event for event in events if (known or event.held) and _hold(event, known)]


def hold_on_record(events: Sequence[Event]) -> None:
    """The same for events on record, locked by the caller, and saves what has changed."""
    news = hold(events)
    if news:
        Event.objects.bulk_update(news, ("silence", "held"), batch_size=200)


def _hold(event: Event, known: Sequence[Matcher]) -> bool:
    before = (event.silence_id, event.held)
    silence_id = _covering(event, known) if known else None
    event.held = silence_id is not None
    if silence_id is not None:
        event.silence_id = silence_id
    return before != (event.silence_id, event.held)


def _covering(event: Event, known: Iterable[Matcher]) -> int | None:
    facts = facts_of(event)
    return next((matcher.silence_id for matcher in known if matcher.covers(event, facts)), None)


def release() -> int:
    """Tells of what silences held back that is still so and that no other silence covers; returns how many.

    What an inhibitor holds as well is told when that is over. What occurred or was resolved meanwhile is
    never told. May run any number of times at once: rows that another is dealing with are left to it.
    """
    told = 0
    while True:
        with transaction.atomic():
            now = timezone.now()
            known = matchers(now)
            events = list(_held_too_long(now).select_for_update(skip_locked=True, of=("self",))[:BATCH])
            if not events:
                return told
            for event in events:
                _hold(event, known)
            Event.objects.bulk_update(events, ("silence", "held"), batch_size=200)
            released = [event for event in events if not event.held]
            route([(event, Turn.OPENED) for event in released])
            # Somebody is on it already: whoever is paged now hears that, too.
            route([(event, Turn.ACKNOWLEDGED) for event in released if event.acknowledged_at])
        told += len(released)


def _held_too_long(now: datetime) -> QuerySet[Event]:
    """What is held, and no longer by a silence in force."""
    held = Event.objects.filter(held=True, status=EventStatus.FIRING)
    return held.filter(
        Q(silence=None) | ~Q(silence__in=list(in_force(now).values_list("pk", flat=True)))
    ).order_by("pk")


def end(silence: Silence, by: str) -> bool:
    """Ends a silence before its time; what it held back is told soon. Whether it was not over yet."""
    now = timezone.now()
    ended = Silence.objects.filter(pk=silence.pk, ended_at=None, ends_at__gt=now).update(
        ended_at=now, ended_by=by
    )
    silence.refresh_from_db()
    return bool(ended)
