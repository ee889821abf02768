"""What the page of a delivery shows: how it stands, every attempt with what was said, and the message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from django.utils.safestring import SafeString

from connectors import moments, remedies, text
from connectors.console.pages import badge
from connectors.engine import leases
from connectors.engine.due import WAITING
from connectors.message import Message
from connectors.models import UNSETTLED, Attempt, Delivery, DeliveryStatus
from connectors.vitals import took

OTHERS = 20
"""Other deliveries of the same event that are listed at most."""


def title_of(delivery: Delivery) -> str:
    """What it is about, on one line."""
    return text.one_line(delivery.says("title")) or "(no title)"


def event_type_of(delivery: Delivery) -> str:
    """The type of what it reports."""
    return delivery.says("event_type")


def severity_of(delivery: Delivery) -> str:
    """How bad what it reports is."""
    return delivery.says("severity")


def asked_by(origin: str) -> str:
    """What asked for a delivery, in words: `subscription:12` is subscription no. 12."""
    kind, _, number = origin.partition(":")
    return f"{kind} no. {number}" if number else kind


@dataclass(frozen=True, slots=True)
class Half:
    """One side of an exchange: its first line, its headers, its body made readable."""

    line: str
    headers: Sequence[tuple[str, str]] = ()
    body: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what came of it, as they stand on record: without secrets, bodies cut short."""

    request: Half
    answer: Half
    took: str


@dataclass(frozen=True, slots=True)
class Step:
    """An attempt on the timeline."""

    attempt: Attempt
    outcome: SafeString
    started: SafeString
    took: str
    reason: str
    exchanges: Sequence[Exchange]


def timeline(delivery: Delivery, now: datetime, *, being_sent: bool) -> list[Step]:
    """Every attempt, the first one first, and the one that is under way."""
    steps = [
        Step(
            attempt,
            badge(attempt.outcome),
            moments.shown(attempt.started_at, now),
            _took(attempt.started_at, attempt.finished_at),
            remedies.label(attempt.reason),
            [_exchange(recorded) for recorded in attempt.exchanges if isinstance(recorded, dict)],
        )
        for attempt in delivery.attempts.order_by("number")
    ]
    lease = leases.holders([delivery.pk]).get(delivery.pk) if being_sent else None
    if lease is not None:
        attempt = Attempt(number=delivery.attempt_count + 1, started_at=lease.began_at)
        begun = moments.shown(lease.began_at, now)
        steps.append(Step(attempt, badge(DeliveryStatus.SENDING, "under way"), begun, "", "", []))
    return steps


@dataclass(frozen=True, slots=True)
class Card:
    """The message for people. Texts come from clusters: they are escaped where they are shown."""

    message: Message
    facts: Sequence[tuple[str, str]]
    details: Sequence[tuple[str, str]]
    link: str


def card(delivery: Delivery) -> Card | None:
    """What was to be said; None where what is on record is no message."""
    try:
        message = delivery.said()
    except msgspec.ValidationError:
        return None
    return Card(message, text.facts(message), text.details(message), text.link(message))


def others(delivery: Delivery) -> list[Delivery]:
    """The other deliveries of the same event, oldest first, one more than OTHERS where there are more."""
    same = Delivery.objects.filter(message_id=delivery.message_id).exclude(pk=delivery.pk)
    return list(same.order_by("pk")[: OTHERS + 1])


def may_be_sent_again(delivery: Delivery) -> bool:
    """Whether it is settled and still has a connector."""
    return delivery.connector_id is not None and delivery.status not in UNSETTLED


def may_be_cancelled(delivery: Delivery, *, being_sent: bool) -> bool:
    """Whether nobody is sending it, alone or in a digest, and it has not settled."""
    return delivery.status in WAITING and not being_sent


def remote_link(delivery: Delivery) -> str:
    """Where a person can look at what came of it, if that is an address of the web."""
    return delivery.remote_url if delivery.remote_url.startswith(("https://", "http://")) else ""


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)


def _took(started: datetime, finished: datetime | None) -> str:
    if finished is None:
        return ""
    return took(max(0.0, (finished - started).total_seconds()))


def _exchange(recorded: Mapping[str, Any]) -> Exchange:
    request = _dict(recorded.get("request"))
    line = f"{request.get('method', '')} {request.get('url', '')}".strip()
    milliseconds = recorded.get("duration_ms")
    return Exchange(
        Half(line, *_rest(request)),
        _answer(recorded),
        f"{milliseconds} ms" if isinstance(milliseconds, int) else "",
    )


def _answer(recorded: Mapping[str, Any]) -> Half:
    if "response" in recorded:
        response = _dict(recorded["response"])
        return Half(_status_line(response.get("status")), *_rest(response), bool(response.get("truncated")))
    error = _dict(recorded.get("error"))
    words = str(error.get("text", ""))
    return Half(remedies.label(str(error.get("reason", ""))) or "no answer", body=words)


def _status_line(status: object) -> str:
    try:
        return f"{status} {HTTPStatus(int(str(status))).phrase}"
    except ValueError:
        return str(status or "")


def _rest(half: Mapping[str, Any]) -> tuple[list[tuple[str, str]], str]:
    headers = [(str(name), str(value)) for name, value in _dict(half.get("headers")).items()]
    return headers, _readable(str(half.get("body", "")))


def _readable(body: str) -> str:
    """JSON laid out; anything else, such as JSON that was cut short, as it is."""
    if not body.lstrip().startswith(("{", "[")):
        return body
    try:
        return pretty(json.loads(body))
    except (ValueError, RecursionError):
        return body


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
