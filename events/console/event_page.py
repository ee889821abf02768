"""What the page of an event shows: how it stands, what happened, its life, what is near it, who was told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.safestring import SafeString

from connectors import moments
from connectors.console.delivery_page import pretty
from connectors.console.pages import badge
from connectors.message import FOLLOW_UPS
from connectors.models import Delivery
from events import silences
from events.models import Event, EventStatus, Silence

DELIVERIES = 50
"""Deliveries that are listed at most."""
RELATED = 10
"""Events of each kind of relation that are listed at most."""
NEAR = timedelta(hours=1)
"""How long before and after it something may have to do with it."""

LINGERS = "The trouble is still seen. It does not open again until it has been over once."


def badges(event: Event) -> list[SafeString]:
    """Where it stands, and why nobody may have heard of it."""
    shown = [badge(event.status)]
    if event.acknowledged_at is not None and event.status == EventStatus.FIRING:
        shown.append(badge("acknowledged"))
    if event.held:
        shown.append(badge("silenced"))
    if event.inhibited_by_id is not None:
        shown.append(badge("inhibited"))
    if event.muted:
        shown.append(badge("muted"))
    return shown


def standing(event: Event, now: datetime) -> str:
    """Since when, or for how long: `Open for 3 h`, `It lasted 4 min`, `Happened 2 d ago`."""
    if event.status == EventStatus.OCCURRED:
        return f"Happened {moments.in_words(event.occurred_at, now)}"
    if event.status == EventStatus.RESOLVED and event.resolved_at is not None:
        lasted = max(0.0, (event.resolved_at - event.occurred_at).total_seconds())
        return f"It lasted {moments.span(lasted)}, until {moments.in_words(event.resolved_at, now)}"
    return f"Open for {moments.span(max(0.0, (now - event.occurred_at).total_seconds()))}"


@dataclass(frozen=True, slots=True)
class Detail:
    """A detail by its name: a word or two, or a block of text."""

    name: str
    text: str
    block: bool


def details(event: Event) -> list[Detail]:
    """Each detail, short ones first."""
    found = [_detail(str(name), value) for name, value in event.details.items()]
    return sorted(found, key=lambda detail: detail.block)


def _detail(name: str, value: Any) -> Detail:
    words = name.replace("_", " ")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Detail(words, "\n".join(value), block=len(value) > 1)
    if isinstance(value, Mapping | list):
        return Detail(words, pretty(value), block=True)
    text = {True: "yes", False: "no", None: "–"}.get(value) if isinstance(value, bool | None) else str(value)
    return Detail(words, text or "", block="\n" in (text or ""))


@dataclass(frozen=True, slots=True)
class Step:
    """Something in the life of an event."""

    at: datetime
    words: str
    note: str = ""
    delivery: Delivery | None = None

    @property
    def moment(self) -> SafeString:
        """When, for people."""
        return moments.shown(self.at)

    @property
    def state(self) -> SafeString:
        """Where the delivery stands, if it is one."""
        return badge(self.delivery.status) if self.delivery else SafeString()


def life(event: Event, deliveries: Sequence[Delivery]) -> list[Step]:
    """What became of it, from its beginning to its end. Deliveries only for who may see them."""
    steps = [*_own(event), *_told(deliveries)]
    return sorted(steps, key=lambda step: step.at)


def _own(event: Event) -> Iterator[Step]:
    momentary = event.status == EventStatus.OCCURRED
    yield Step(event.occurred_at, "It happened" if momentary else "It began")
    noticed = "Reported" if event.source in ("api", "alertmanager") else "Noticed"
    hold = ""
    if event.inhibited_by is not None:
        hold = f"Nobody was told: “{event.inhibited_by.title}” explains it."
    elif event.muted:
        hold = f"Nobody was told: {event.muted}"
    elif event.silence is not None:
        hold = f"Held back by a silence: {event.silence.reason}"
    yield Step(event.first_seen, noticed, hold)
    if event.last_seen - event.first_seen >= timedelta(seconds=1):
        more = f"It concerns {event.count} objects." if event.count > 1 else ""
        yield Step(event.last_seen, "Last changed", more)
    if event.acknowledged_at is not None:
        yield Step(event.acknowledged_at, f"Acknowledged by {event.acknowledged_by}", event.note)
    if event.resolved_at is not None:
        by = f" by {event.resolved_by}" if event.resolved_by else ""
        note = event.note if event.acknowledged_at is None else ""
        if event.lingers:
            note = "\n".join(filter(None, (note, LINGERS)))
        yield Step(event.resolved_at, f"Resolved{by}", note)
    if event.gone_at is not None:
        yield Step(event.gone_at, "The trouble itself was over")


def _told(deliveries: Sequence[Delivery]) -> Iterator[Step]:
    opened: set[str] = set()
    for delivery in deliveries:
        said = delivery.says("status")
        verb = "Telling" if delivery.is_unsettled else "Told"
        if said in FOLLOW_UPS:
            what = f" that it is {said}"
        else:
            what = " that it has become worse" if delivery.connector_name in opened else ""
            opened.add(delivery.connector_name)
        words = f"{verb} {delivery.connector_name}{what}"
        if delivery.status in ("failed", "cancelled"):
            words = f"Not told {delivery.connector_name}{what}"
        yield Step(delivery.created_at, words, delivery.note, delivery)


def deliveries_of(event: Event) -> list[Delivery]:
    """The deliveries that told of it, oldest first."""
    rows = Delivery.objects.filter(message_id=str(event.pk)).order_by("id").defer("remote")
    return list(rows[:DELIVERIES])


@dataclass(frozen=True, slots=True)
class Relation:
    """Events that have to do with this one, and how."""

    words: str
    events: list[Event]


def related(event: Event) -> list[Relation]:
    """What explains it and what it explains; what else befell its owner, or its node, at about that time."""
    shown = {event.pk}
    found = []

    def add(words: str, events: Iterable[Event]) -> None:
        fresh = [other for other in events if other.pk not in shown]
        shown.update(other.pk for other in fresh)
        if fresh:
            found.append(Relation(words, fresh))

    if event.inhibited_by is not None:
        add("Explained by", [event.inhibited_by])
    add("It explains", event.inhibited.order_by("-first_seen")[:RELATED])
    near = Event.objects.filter(
        first_seen__gte=event.first_seen - NEAR,
        first_seen__lte=event.first_seen + NEAR,
        cluster_name=event.cluster_name,
    ).order_by("-first_seen")
    if event.subject:
        add(
            f"Also of {event.subject}, within an hour",
            near.filter(namespace=event.namespace, subject=event.subject)[: RELATED + 1],
        )
    node = event.details.get("node")
    if isinstance(node, str) and node:
        on_it = Q(details__node=node) | Q(resource=f"Node/{node}")
        add(f"Also on the node {node}, within an hour", near.filter(on_it)[: RELATED + 1])
    return found


def covering(event: Event, now: datetime) -> list[Silence]:
    """The silences in force that are about it."""
    ids = {matcher.silence_id for matcher in silences.matchers(now) if matcher.covers(event)}
    return [silence for silence in silences.in_force(now) if silence.pk in ids] if ids else []
