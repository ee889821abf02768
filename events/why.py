"""Why somebody was told of an event, or was not: for each subscription the first clause that decided. Pure.

`events.inquiry` gathers what is judged here. A clause that is added to `events.match.judge` and to its Rule
needs nothing here: how near a miss was is found by judging each of the Rule's clauses by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from events.match import EventFacts, Rule, judge

_NOT_CLAUSES = frozenset({"subscription_id", "connector_id", "send_resolved"})


class Outcome(StrEnum):
    """What a subscription made of an event, in the order in which people look for it."""

    TOLD = "told"  # a delivery is on record
    HELD = "held back"  # wanted, but the event as a whole is held back
    NOT_TOLD = "not told"  # wanted, but something else stood in the way
    NOT_WANTED = "not wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A subscription that is asked, in force or not. `rule` is None where it cannot be read."""

    subscription_id: int
    connector_id: int
    connector: str
    enabled: bool
    connector_enabled: bool
    changed_at: datetime
    rule: Rule | None
    unreadable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A delivery that told of the event."""

    delivery_id: uuid.UUID
    connector_id: int | None
    connector: str
    origin: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of the event for one subscription; None for one that has been deleted since."""

    subscription_id: int | None
    connector_id: int | None
    connector: str
    outcome: Outcome
    reason: str
    misses: int = 0
    told: Told | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about: the event as it is now, since when, and what holds it back as a whole."""

    facts: EventFacts
    since: datetime
    held_back: str = ""
    about_connector: int | None = None  # the event is that this one fails


def explain(question: Question, asked: Iterable[Asked], told: Sequence[Told], origin: str) -> list[Answer]:
    """An answer for each subscription, those that matter first: who was told, who wanted it, near misses.

    `told` are the deliveries, oldest first; `origin` is what stands before the subscription's number there.
    """
    by_origin: dict[str, Told] = {}
    for one in told:
        by_origin.setdefault(one.origin, one)
    through = {one.connector_id for one in told}
    answers = []
    first: set[int] = set()  # connectors of which a subscription in force has wanted it
    for each in sorted(asked, key=lambda each: each.subscription_id):
        delivery = by_origin.pop(f"{origin}{each.subscription_id}", None)
        answer = _answer(question, each, delivery, each.connector_id in first, through)
        answers.append(answer)
        if _wants(question, each):
            first.add(each.connector_id)
    answers += [_of_deleted(one) for one in by_origin.values()]
    return sorted(answers, key=_order)


def misses(rule: Rule, facts: EventFacts) -> int:
    """How many of a rule's clauses do not hold: 1 is the nearest miss."""
    alone = (
        Rule(**{"subscription_id": 0, "connector_id": 0, field.name: getattr(rule, field.name)})
        for field in fields(rule)
        if field.name not in _NOT_CLAUSES
    )
    return sum(not judge(clause, facts).wanted for clause in alone)


def _wants(question: Question, each: Asked) -> bool:
    """Whether it is in force and wants the event, so that it is told before a later one of its connector."""
    in_force = each.enabled and each.connector_enabled and each.rule is not None
    return in_force and each.rule is not None and judge(each.rule, question.facts).wanted


def _answer(
    question: Question, each: Asked, delivery: Told | None, came_second: bool, through: set[int | None]
) -> Answer:
    outcome, reason, missed = Outcome.NOT_TOLD, "", 0
    if each.rule is None:
        reason = f"The subscription cannot be read: {each.unreadable}"
    else:
        verdict = judge(each.rule, question.facts)
        if not verdict.wanted:
            outcome, reason = Outcome.NOT_WANTED, _sentence(verdict.reason)
            missed = misses(each.rule, question.facts) if delivery is None else 0
        else:
            reason = _in_the_way(question, each, came_second, through)
            if question.held_back and not reason:
                outcome, reason = Outcome.HELD, question.held_back
    if delivery is not None:
        now = reason if outcome is Outcome.NOT_WANTED else ""
        outcome = Outcome.TOLD
        reason = f"It wanted this then; as it is now, it would not. {now}" if now else "Every clause holds."
    elif outcome is Outcome.NOT_TOLD and not reason:
        reason = _in_time(question, each)
    return Answer(
        subscription_id=each.subscription_id,
        connector_id=each.connector_id,
        connector=each.connector,
        outcome=outcome,
        reason=reason,
        misses=missed,
        told=delivery,
    )


def _in_the_way(question: Question, each: Asked, came_second: bool, through: set[int | None]) -> str:
    """What keeps a subscription that wants the event from being told; "" if nothing of its own does."""
    if not each.connector_enabled:
        return "Every clause holds, but the connector is disabled."
    if not each.enabled:
        return "Every clause holds, but the subscription is disabled."
    if each.connector_id == question.about_connector:
        return "Every clause holds, but a connector is not told of its own failing."
    if came_second or (each.connector_id in through and not question.held_back):
        return "Every clause holds, but another subscription of this connector came first."
    return ""


def _in_time(question: Question, each: Asked) -> str:
    if each.changed_at > question.since:
        return "Every clause holds, but it was made or changed after the event had opened."
    return (
        "Every clause holds now, but no delivery is on record: when the event opened, it was less severe,"
        " or the connector was not enabled yet."
    )


def _of_deleted(one: Told) -> Answer:
    return Answer(
        subscription_id=None,
        connector_id=one.connector_id,
        connector=one.connector,
        outcome=Outcome.TOLD,
        reason="The subscription that wanted it has been deleted since.",
        told=one,
    )


def _order(answer: Answer) -> tuple[int, int, str, int]:
    rank = list(Outcome).index(answer.outcome)
    return rank, answer.misses, answer.connector, answer.subscription_id or 0


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
