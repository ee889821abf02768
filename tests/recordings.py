"""What real servers sent: the list from which a watch began, and its lines for 200 seconds; and webhooks.

`data/watch/scenario.txt` tells what was done to the cluster meanwhile, on the same clock.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

WATCH = Path(__file__).parent / "data" / "watch"
BEGAN = datetime(2026, 11, 23, 3, 3, 34, tzinfo=UTC)
"""The moment from which `Line.at` counts."""


class Line(NamedTuple):
    """A line of a watch: when it came (seconds since BEGAN), its type, its object, and all of it as sent."""

    at: float
    type: str
    object: bytes
    line: bytes


class _Recorded(msgspec.Struct):
    at: float
    line: msgspec.Raw


class _Watched(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]


def plurals() -> frozenset[str]:
    """The resources of which there is a recording."""
    return frozenset(path.name.removesuffix(".list.json.gz") for path in WATCH.glob("*.list.json.gz"))


@cache
def listed(plural: str) -> bytes:
    """The whole answer to the LIST of a resource (`pods`)."""
    return gzip.decompress((WATCH / f"{plural}.list.json.gz").read_bytes())


@cache
def items(plural: str) -> tuple[bytes, ...]:
    """The objects in that answer, each as it stands there."""
    return tuple(bytes(item) for item in msgspec.json.decode(listed(plural), type=_Page).items)


@cache
def recorded(plural: str) -> tuple[Line, ...]:
    """The lines of the WATCH that followed, bookmarks included."""
    text = gzip.decompress((WATCH / f"{plural}.watch.jsonl.gz").read_bytes())
    lines = []
    for row in text.splitlines():
        recording = msgspec.json.decode(row, type=_Recorded)
        watched = msgspec.json.decode(recording.line, type=_Watched)
        lines.append(Line(recording.at, watched.type, bytes(watched.object), bytes(recording.line)))
    return tuple(lines)


def scenario() -> str:
    """What was done to the cluster, and when."""
    return (WATCH / "scenario.txt").read_text()


def audit_webhook() -> list[bytes]:
    """Bodies that an API server sent to its audit webhook.

    A Deployment is made, a binding is made, and then a service account, somebody with a token that is not
    valid, and somebody without any are refused, six times each.
    """
    return gzip.decompress((WATCH.parent / "audit" / "webhook.jsonl.gz").read_bytes()).splitlines()


def alertmanager_webhook() -> list[Any]:
    """Notifications as Alertmanager 0.25 sent them: two alerts and a third fire, and are resolved."""
    lines = (WATCH.parent / "alertmanager" / "notifications.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]
