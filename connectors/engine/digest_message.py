"""What goes into a digest, and what it says. Pure."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from connectors import text
from connectors.message import Message, Severity, Status

K = TypeVar("K")

MOST = 100
"""How many messages one digest tells of."""

# A hundred lines of this length, in parts of this size, stay whole within the limits of every service that
# takes digests; Slack's are the narrowest (12,000 characters in all, 15 details).
_LINE = 80
_PART = 1_300


def parcels(waiting: Mapping[K, Message], *, more_than: int, alone: Collection[str] = ()) -> list[list[K]]:
    """What is to be sent together, by the names given.

    Critical messages and the others are looked at apart and never mixed: of either kind, there is a digest
    only where more than `more_than` of them wait. So a critical one goes by itself, unless there are so many
    that the last of them would come late. Tests and the messages whose ids are in `alone` always go by
    themselves. What workloads want sent to different places is not mixed either, and a message that is left
    over by itself stays one.
    """
    fit = {name: message for name, message in waiting.items() if not message.test and message.id not in alone}
    of_kind = Counter(message.severity is Severity.CRITICAL for message in fit.values())
    together: dict[tuple[bool, str], list[K]] = defaultdict(list)
    for name, message in fit.items():
        critical = message.severity is Severity.CRITICAL
        if of_kind[critical] > more_than:
            together[critical, json.dumps(message.routing, sort_keys=True)].append(name)
    cut = [names[start : start + MOST] for names in together.values() for start in range(0, len(names), MOST)]
    return [parcel for parcel in cut if len(parcel) > 1]


def digest(messages: Sequence[Message], *, name: str, at: datetime, url: str = "") -> Message:
    """One message that lists these, the worst first; `name` is unique to it, `url` leads to the whole record.

    `messages` have their routing in common.
    """
    ordered = sorted(messages, key=lambda message: -message.severity.rank)
    return Message(
        id=f"digest-{name}",
        key=f"digest-{name}",
        event_type="digest",
        title=f"{len(ordered)} events",
        severity=ordered[0].severity,
        timestamp=at,
        status=Status.OCCURRED,
        description=f"{_counts(ordered)}. So many were waiting that they come in one message.",
        details=dict(_parts(ordered)),
        count=len(ordered),
        url=url,
        routing=ordered[0].routing,
    )


def _counts(messages: Sequence[Message]) -> str:
    """`2 high, 35 medium`."""
    found = Counter(message.severity for message in messages)
    return ", ".join(f"{found[severity]} {severity.value}" for severity in Severity if found[severity])


def _parts(messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    """Each severity's lines, in parts that fit: "High", "Medium, 1 to 16", "Medium, 17 to 35"."""
    for severity in Severity:
        lines = [_line(message) for message in messages if message.severity is severity]
        parts = list(_cut(lines))
        first = 1
        for part in parts:
            last = first + len(part) - 1
            label = severity.value.capitalize()
            yield label if len(parts) == 1 else f"{label}, {first} to {last}", "\n".join(part)
            first = last + 1


def _cut(lines: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for line in lines:
        if part and sum(map(len, part)) + len(part) + len(line) > _PART:
            yield part
            part = []
        part.append(line)
    if part:
        yield part


def _line(message: Message) -> str:
    place = ", ".join(filter(None, (text.one_line(message.namespace), text.one_line(message.cluster))))
    headline = text.headline(message)
    return text.shorten(f"• {headline} ({place})" if place else f"• {headline}", _LINE)
