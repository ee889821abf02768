"""Gathers what `why` judges: the event, what holds it, every subscription, and what was delivered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import BooleanField, ExpressionWrapper, JSONField, Q, TextField
from django.db.models.functions import Cast

from connectors.models import Delivery
from events import catalog
from events.models import Event, EventStatus, Subscription
from events.render import facts_of
from events.routing.match import EventFacts
from events.routing.route import ORIGIN
from events.routing.rules import CLAUSES
from events.routing.why import Answer, Asked, Clause, Outcome, Question, Told, clause, explain

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
    facts = facts_of(event)
    question = Question(
        facts=facts,
        held_back=next((hold.words for hold in holds if not hold.past), ""),
        about_connector=about,
    )
    answers, more = explain(question, _asked(event, facts), _told(event), ORIGIN, shown)
    return Explanation(holds=holds, answers=answers, more=more)


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


def _asked(event: Event, facts: EventFacts) -> Iterator[Asked]:
    """Every subscription, those too that are not in force.

    JSON stays text until a clause is met for the first time: most of them say the same.
    """
    rows = (
        Subscription.objects.order_by("pk")
        .annotate(
            changed_since=ExpressionWrapper(Q(updated_at__gt=event.first_seen), output_field=BooleanField()),
            **{f"{name}_text": Cast(name, TextField()) for name in _COLUMNS},
        )
        .values_list(
            "pk",
            "connector_id",
            "connector__name",
            "enabled",
            "connector__enabled",
            "changed_since",
            *(f"{name}_text" for name in _COLUMNS),
        )
    )
    clauses = _Clauses(facts)
    for pk, connector_id, name, enabled, connector_enabled, changed, *said in rows.iterator(chunk_size=2000):
        found, unreadable = clauses.of(said)
        yield Asked(pk, connector_id, name, enabled, connector_enabled, changed, found, unreadable)


_COLUMNS = tuple(dict.fromkeys(column for columns, _ in CLAUSES.values() for column in columns))
"""The columns in which a subscription says what it wants."""
_IS_JSON = {name for name in _COLUMNS if isinstance(Subscription._meta.get_field(name), JSONField)}


class _Clauses:
    """Reads and judges the clauses of subscriptions: each once, however many have it."""

    def __init__(self, facts: EventFacts) -> None:
        self._facts = facts
        self._found: dict[tuple[str, tuple[str, ...]], Clause | str] = {}
        self._places = [
            (name, tuple(_COLUMNS.index(column) for column in columns))
            for name, (columns, _) in CLAUSES.items()
        ]

    def of(self, said: Sequence[str]) -> tuple[tuple[Clause, ...] | None, str]:
        """The clauses that these columns say; or None, and why they cannot be read."""
        clauses = []
        for name, places in self._places:
            key = (name, tuple([said[place] for place in places]))
            found = self._found.get(key)
            if found is None:
                found = self._found[key] = self._read(*key)
            if isinstance(found, str):
                return None, found
            clauses.append(found)
        return tuple(clauses), ""

    def _read(self, name: str, said: tuple[str, ...]) -> Clause | str:
        columns, read = CLAUSES[name]
        values = [
            json.loads(text) if column in _IS_JSON else text
            for column, text in zip(columns, said, strict=True)
        ]
        try:
            return clause(name, read(*values), self._facts)
        except (catalog.UnknownEventType, ValueError) as error:
            return str(error)


def _told(event: Event) -> list[Told]:
    rows = Delivery.objects.filter(message_id=str(event.pk)).order_by("id")
    return [
        Told(delivery_id=pk, connector_id=connector_id, connector=name, origin=origin, status=status)
        for pk, connector_id, name, origin, status in rows.values_list(
            "pk", "connector_id", "connector_name", "origin", "status"
        )
    ]
