"""Why somebody was told of an event, or was not: for each subscription the first clause that decided. Pure.

`inquiry` gathers what is judged here. A clause that is added to `match.judge` and to its Rule needs nothing
here: how near a miss was is found by judging each of the Rule's clauses by itself. Thousands of
subscriptions share most of their clauses, so each is judged once; put into words are only those shown.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import nsmallest
from typing import Any, NamedTuple

from events.routing.match import EventFacts, Rule, judge


class Outcome(StrEnum):
    """What a subscription made of an event, in the order in which people look for it."""

    TOLD = "told"  # a delivery is on record
    HELD = "held back"  # wanted, but the event as a whole is held back
    NOT_TOLD = "not told"  # wanted, but something else stood in the way
    NOT_WANTED = "not wanted"


_RANKS = {outcome: rank for rank, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause, by its name in a Rule, and whether it holds. Subscriptions that say the same share it."""

    name: str
    value: Any
    holds: bool


class Asked(NamedTuple):
    """A subscription that is asked, in force or not.

    `clauses` is None where it cannot be read; `changed_since` says whether it was made or changed after the
    event had opened.
    """

    subscription_id: int
    connector_id: int
    connector: str
    enabled: bool
    connector_enabled: bool
    changed_since: bool
    clauses: tuple[Clause, ...] | None
    unreadable: str = ""

    @property
    def misses(self) -> int:
        """How many of its clauses do not hold."""
        return 0 if self.clauses is None else [clause.holds for clause in self.clauses].count(False)


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
    """What is asked about: the event as it is now, and what holds it back as a whole."""

    facts: EventFacts
    held_back: str = ""
    about_connector: int | None = None  # the event is that this one fails


def explain(
    question: Question, asked: Iterable[Asked], told: Sequence[Told], origin: str, shown: int
) -> tuple[list[Answer], dict[Outcome, int]]:
    """At most that many answers, those that matter first, and how many there are besides, by outcome.

    Who was told matters most, then who wanted it, then near misses. `told` are the deliveries, oldest first;
    `origin` is what stands before the subscription's number there.
    """
    by_origin: dict[str, Told] = {}
    for one in told:
        by_origin.setdefault(one.origin, one)
    through = {one.connector_id for one in told}
    answers: list[tuple[Answer, Asked | None]] = []
    first: set[int] = set()  # connectors of which a subscription in force has wanted it
    for each in sorted(asked, key=lambda each: each.subscription_id):
        delivery = by_origin.pop(f"{origin}{each.subscription_id}", None)
        missed = each.misses
        answer = _answer(question, each, missed, delivery, each.connector_id in first, through)
        answers.append((answer, each))
        if not missed and each.enabled and each.connector_enabled and each.clauses is not None:
            first.add(each.connector_id)
    answers += [(_of_deleted(one), None) for one in by_origin.values()]
    nearest = nsmallest(shown, answers, key=_order)
    more = Counter(answer.outcome for answer, _ in answers)
    more.subtract(answer.outcome for answer, _ in nearest)
    return [_in_words(question, *pair) for pair in nearest], dict(+more)


def clause(name: str, value: Any, facts: EventFacts) -> Clause:
    """A Rule's clause of that name, judged by itself."""
    alone: dict[str, Any] = {"subscription_id": 0, "connector_id": 0, name: value}
    return Clause(name=name, value=value, holds=judge(Rule(**alone), facts).wanted)


def _answer(
    question: Question,
    each: Asked,
    missed: int,
    delivery: Told | None,
    came_second: bool,
    through: set[int | None],
) -> Answer:
    """The answer, but for the words of a clause that does not hold."""
    outcome, reason = Outcome.NOT_TOLD, ""
    if delivery is not None:
        outcome, reason = Outcome.TOLD, "Every clause holds."
    elif each.clauses is None:
        reason = f"The subscription cannot be read: {each.unreadable}"
    elif missed:
        outcome = Outcome.NOT_WANTED
    else:
        reason = _in_the_way(question, each, came_second, through)
        if not reason and question.held_back:
            outcome, reason = Outcome.HELD, question.held_back
        reason = reason or _in_time(each)
    return Answer(
        subscription_id=each.subscription_id,
        connector_id=each.connector_id,
        connector=each.connector,
        outcome=outcome,
        reason=reason,
        misses=missed if delivery is None else 0,
        told=delivery,
    )


def _in_words(question: Question, answer: Answer, each: Asked | None) -> Answer:
    """The answer with the first clause that decided it."""
    if each is None or each.clauses is None or not each.misses:
        return answer
    clauses: dict[str, Any] = {clause.name: clause.value for clause in each.clauses}
    rule = Rule(subscription_id=each.subscription_id, connector_id=each.connector_id, **clauses)
    words = _sentence(judge(rule, question.facts).reason)
    if answer.told is not None:
        words = f"It wanted this then; as it is now, it would not. {words}"
    return replace(answer, reason=words)


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


def _in_time(each: Asked) -> str:
    if each.changed_since:
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


def _order(judged: tuple[Answer, Asked | None]) -> tuple[int, int, str, int]:
    answer, _ = judged
    return _RANKS[answer.outcome], answer.misses, answer.connector, answer.subscription_id or 0


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
