"""What a subscription would have sent over the last days, as far as the record tells.

`replay` is pure: it takes what is on record and says what would have come of it. `backtest` reads the record
for it, in one pass over a bounded number of events.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import CharField, Count, Q
from django.db.models.functions import Cast
from django.utils import timezone

from connectors.message import Severity
from connectors.models import Delivery, DeliveryStatus
from events.models import Event, EventStatus, Subscription
from events.routing import rules
from events.routing.match import EventFacts, Rule, judge
from events.routing.route import ORIGIN

DAYS = 7
MOST_DAYS = 30
MOST_EVENTS = 100_000
"""Events that are looked at, the newest first."""
SHOWN = 50
"""Events that are named, the newest first."""

_IN_THE_ROW = ("namespace", "cluster", "resource", "title", "count")  # conditions that need no details


class Recorded(NamedTuple):
    """What the record says of an event, and whether a rule wants it, leaving aside the hours."""

    id: str
    event_type: str
    severity: str
    status: str
    first_seen: datetime
    resolved_at: datetime | None
    wanted: bool


class Sent(NamedTuple):
    """An event that would have been told: when, and when it would have been told that it is over."""

    id: str
    told_at: datetime
    resolved_at: datetime | None
    held_back: bool  # until the hours began


@dataclass(slots=True, kw_only=True)
class Replay:
    """What would have come of the record."""

    openings: int = 0
    resolutions: int = 0
    held_back: int = 0  # of the openings, those told only when the hours began
    withheld: int = 0  # wanted, but outside the hours, and over before they began or not to be told later
    waiting: int = 0  # wanted and still open, to be told when the hours begin
    by_day: dict[date, list[int]] = field(default_factory=dict)  # openings and resolutions
    by_severity: Counter[str] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    newest: list[Sent] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """Openings and resolutions."""
        return self.openings + self.resolutions


@dataclass(frozen=True, slots=True)
class Told:
    """One of the events that would have been told, for people."""

    event: Event
    told_at: datetime
    resolved_at: datetime | None
    held_back: bool


@dataclass(frozen=True, slots=True)
class Really:
    """What was sent through the connector meanwhile, for any of its subscriptions."""

    messages: int
    delivered: int
    failed: int
    cancelled: int
    at_least: bool  # there are more than were counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """The answer, with what is to be said about its limits."""

    days: int
    since: datetime
    subscription: str
    replay: Replay
    newest: list[Told]
    really: Really | None
    cut: bool  # there were more events than are looked at
    notes: list[str]

    def __str__(self) -> str:
        """In a sentence."""
        replay = self.replay
        days = f"the last {self.days} days" if self.days > 1 else "the last day"
        return (
            f"Over {days} this would have sent {_counted(replay.messages, 'message')}"
            f" ({_counted(replay.openings, 'opening')}, {_counted(replay.resolutions, 'resolution')})."
        )


def replay(rule: Rule, recorded: Iterable[Recorded], since: datetime, now: datetime) -> Replay:
    """What this rule would have had told of these events, newest first. Pure."""
    zone = ZoneInfo(rule.hours.zone) if rule.hours else UTC
    found = Replay(by_day=_days(since.astimezone(zone).date(), now.astimezone(zone).date()))
    by_day, by_severity, by_type, newest = found.by_day, found.by_severity, found.by_type, found.newest
    for event in recorded:
        if not event.wanted:
            continue
        told_at = event.first_seen
        held_back = rule.hours is not None and not rule.hours.include(told_at)
        if held_back and rule.hours is not None:
            told_at = rule.hours.next_beginning(told_at)
            over = event.status == EventStatus.OCCURRED or (event.resolved_at and event.resolved_at < told_at)
            if over or told_at > now:
                found.withheld += bool(over)
                found.waiting += not over
                continue
        resolved_at = event.resolved_at if rule.send_resolved else None
        found.openings += 1
        found.held_back += held_back
        by_day.setdefault(told_at.astimezone(zone).date(), [0, 0])[0] += 1
        by_severity[event.severity] += 1
        by_type[event.event_type] += 1
        if resolved_at is not None:
            found.resolutions += 1
            by_day.setdefault(resolved_at.astimezone(zone).date(), [0, 0])[1] += 1
            by_severity[event.severity] += 1
            by_type[event.event_type] += 1
        if len(newest) < SHOWN:
            newest.append(Sent(event.id, told_at, resolved_at, held_back))
    return found


def backtest(subscription: Subscription, days: int = DAYS, now: datetime | None = None) -> Backtest:
    """What this subscription, which need not be saved nor have a connector, would have sent.

    Raises catalog.UnknownEventType, or ValueError for a severity or hours there are not.
    """
    now = now or timezone.now()
    since = now - timedelta(days=days)
    rule = rules.rule_for(subscription)
    recorded = _on_record(rule, since)
    found = replay(rule, islice(recorded, MOST_EVENTS), since, now)
    cut = next(recorded, None) is not None
    return Backtest(
        days=days,
        since=since,
        subscription=subscription.in_words,
        replay=found,
        newest=_named(found.newest),
        really=_really(subscription.connector_id, since) if subscription.connector_id else None,
        cut=cut,
        notes=list(_notes(subscription, cut)),
    )


def _on_record(rule: Rule, since: datetime) -> Iterator[Recorded]:
    """The events since then that this rule could want, newest first: one more than are looked at at most.

    Of so many rows every conversion counts: ids and times are read as texts, details only where asked for.
    """
    # Behind a cast, so that no index on what inhibits them, which is nothing for most, is chosen for this.
    events = Event.objects.alias(inhibitor=_text("inhibited_by_id")).filter(inhibitor__isnull=True)
    events = events.filter(first_seen__gte=since, muted="", held=False)
    if rule.types is not None:
        events = events.filter(event_type__in=rule.types)
    if rule.min_severity is not Severity.INFO:
        reaching = [severity for severity in Severity if severity.reaches(rule.min_severity)]
        events = events.filter(severity__in=reaching)
    facts = ["event_type", "severity", "cluster_name", "namespace"]
    if rule.conditions:
        facts += ["resource", "title", "count"]
    if rule.conditions.keys() - _IN_THE_ROW:
        facts.append("details")
    rows = events.order_by("-first_seen").values_list(
        _text("pk"), "status", _text("first_seen"), _text("resolved_at"), *facts
    )
    wants, own = _verdicts(rule, facts), _about_itself(rule, since)
    for pk, status, first_seen, resolved_at, *known in rows[: MOST_EVENTS + 1].iterator(chunk_size=5000):
        begun, over = _moment(first_seen), _moment(resolved_at) if resolved_at else None
        yield Recorded(pk, known[0], known[1], status, begun, over, wants(tuple(known)) and pk not in own)


def _text(column: str) -> Cast:
    return Cast(column, CharField())


def _moment(text: str) -> datetime:
    """A time as the database writes it: in UTC, whether it says so or not."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _verdicts(rule: Rule, columns: list[str]) -> Callable[[tuple[object, ...]], bool]:
    """Whether the rule wants an event with these facts; what was asked before is known."""
    names = ["cluster" if column == "cluster_name" else column for column in columns]

    def judged(facts: tuple[object, ...]) -> bool:
        said = dict(zip(names, facts, strict=True))
        said["severity"] = Severity(str(said["severity"]))
        return judge(rule, EventFacts(**said)).wanted  # type: ignore[arg-type]  # columns of the record

    return judged if "details" in names else cache(judged)


def _about_itself(rule: Rule, since: datetime) -> set[str]:
    """The events that the connector itself fails: of those it is not told."""
    about = Event.objects.filter(event_type="connector_failing", first_seen__gte=since)
    if not rule.connector_id:
        return set()
    return set(about.filter(details__connector_id=rule.connector_id).values_list(_text("pk"), flat=True))


def _named(newest: list[Sent]) -> list[Told]:
    """With the events themselves."""
    fields = ("title", "event_type", "severity", "status", "cluster_name", "namespace", "count", "first_seen")
    ids = [uuid.UUID(sent.id) for sent in newest]
    events = Event.objects.only(*fields).in_bulk(ids)
    return [
        Told(events[pk], sent.told_at, sent.resolved_at, sent.held_back)
        for pk, sent in zip(ids, newest, strict=True)
        if pk in events
    ]


def _really(connector_id: int, since: datetime) -> Really:
    sent = Delivery.objects.filter(
        connector_id=connector_id, created_at__gte=since, origin__startswith=ORIGIN
    ).order_by("-created_at")[: MOST_EVENTS + 1]
    counts = sent.aggregate(
        messages=Count("pk"),
        **{
            status.value: Count("pk", filter=Q(status=status))
            for status in (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED)
        },
    )
    at_least = counts["messages"] > MOST_EVENTS
    return Really(**{**counts, "messages": counts["messages"] - at_least}, at_least=at_least)


def _notes(subscription: Subscription, cut: bool) -> Iterator[str]:
    """What the record cannot tell, in words."""
    if cut:
        yield f"There were more: only the newest {MOST_EVENTS:,} events that it could concern were looked at."
    yield "Only what began in these days is counted, as it is on record now."
    yield "Updates of events that became worse meanwhile are not on record, and are not counted."
    yield "Events that another one inhibits, or that are on record as not to be told, are left out."
    if subscription.connector_id and _has_others(subscription):
        yield "This connector has other subscriptions: an event that several of them ask for is sent once."


def _has_others(subscription: Subscription) -> bool:
    others = Subscription.objects.filter(connector_id=subscription.connector_id, enabled=True)
    return others.exclude(pk=subscription.pk).exists()


def _days(first: date, last: date) -> dict[date, list[int]]:
    """Each day from the first to the last, with nothing on it."""
    return {first + timedelta(days=number): [0, 0] for number in range((last - first).days + 1)}


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
