"""Gathers what `events.why` judges: the event, what holds it, every subscription, and what was delivered."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.models import Delivery
from events import catalog
from events.models import Event, EventStatus, Subscription
from events.render import facts_of
from events.route import ORIGIN
from events.rules import rule_for
from events.why import Answer, Asked, Outcome, Question, Told, explain

SHOWN = 25
"""How many answers people are shown; there may be thousands of subscriptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What holds, or held, an event back as a whole: `kind` is inhibited, muted or silenced."""

    kind: str
    words: str
    event_id: uuid.UUID | None = None
    silence_id: int | None = None
    past: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why people were told of an event or were not. `more` counts the answers left out, by outcome."""

    holds: list[Hold]
    answers: list[Answer]
    more: dict[Outcome, int]


def why(event: Event, shown: int = SHOWN) -> Explanation:
    """The explanation, as everything is now, with at most that many answers."""
    holds = list(holds_of(event))
    about = event.details.get("connector_id") if event.event_type == "connector_failing" else None
    question = Question(
        facts=facts_of(event),
        since=event.first_seen,
        held_back=next((hold.words for hold in holds if not hold.past), ""),
        about_connector=about,
    )
    answers = explain(question, _asked(), _told(event), ORIGIN)
    return Explanation(
        holds=holds,
        answers=answers[:shown],
        more=dict(Counter(answer.outcome for answer in answers[shown:])),
    )


def holds_of(event: Event) -> Iterator[Hold]:
    """What holds the event back, and what did until it was over."""
    if event.inhibited_by is not None:
        inhibitor = event.inhibited_by
        verb = "Told together with" if inhibitor.status == EventStatus.OCCURRED else "Explained by"
        yield Hold(kind="inhibited", words=f"{verb} “{inhibitor.title}”.", event_id=inhibitor.pk)
    if event.muted:
        yield Hold(kind="muted", words=event.muted)
    if event.silence is not None:
        reason = event.silence.reason
        words = f"Silenced: {reason}" if event.held else f"Silenced before, and told afterwards: {reason}"
        yield Hold(kind="silenced", words=words, silence_id=event.silence.pk, past=not event.held)
    elif event.held:
        yield Hold(kind="silenced", words="Silenced.")


def _asked() -> Iterator[Asked]:
    """Every subscription, those too that are not in force. Without the connectors' secrets."""
    for subscription in (
        Subscription.objects.select_related("connector")
        .only(*_COLUMNS, "connector__name", "connector__enabled")
        .order_by("pk")
        .iterator(chunk_size=2000)
    ):
        rule, unreadable = None, ""
        try:
            rule = rule_for(subscription)
        except (catalog.UnknownEventType, ValueError) as error:
            unreadable = str(error)
        yield Asked(
            subscription_id=subscription.pk,
            connector_id=subscription.connector_id,
            connector=subscription.connector.name,
            enabled=subscription.enabled,
            connector_enabled=subscription.connector.enabled,
            changed_at=subscription.updated_at,
            rule=rule,
            unreadable=unreadable,
        )


_COLUMNS = [field.attname for field in Subscription._meta.concrete_fields]


def _told(event: Event) -> list[Told]:
    rows = Delivery.objects.filter(message_id=str(event.pk)).order_by("id")
    return [
        Told(delivery_id=pk, connector_id=connector_id, connector=name, origin=origin, status=status)
        for pk, connector_id, name, origin, status in rows.values_list(
            "pk", "connector_id", "connector_name", "origin", "status"
        )
    ]
