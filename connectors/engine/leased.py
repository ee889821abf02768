"""A delivery on its way, as the engine handles it: leased to us, with the attempt that is made at it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db.models import TextField
from django.db.models.functions import Cast

from connectors.message import FOLLOW_UPS, JSONDict, Message

COLUMNS = (
    Cast("id", TextField()),
    "connector_id",
    "provider",
    "origin",
    "message_id",
    "key",
    "status",
    "reason",
    "attempt_count",
    Cast("message", TextField()),
)
"""What a Leased holds of its row, in this order."""

_DASHED = 36

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Leased:
    """What the engine needs of a delivery's row, and how the attempt ended.

    Not a model's instance, which costs several times as much to make, and one is made for everything that is
    sent; its id is just the text that all are told. What is None of `remote`, `remote_url` and
    `next_attempt_at` stays as it is in the row.
    """

    id: str
    connector_id: int | None
    provider: str
    origin: str
    message_id: str
    key: str
    status: str
    reason: str
    """Why the last attempt failed, and then this one."""
    attempt_count: int
    message: str
    """The message, as JSON text."""

    started_at: datetime = NEVER
    finished_at: datetime | None = None
    outcome: str = ""
    error: str = ""
    http_status: int | None = None
    exchanges: list[JSONDict] = field(default_factory=list)

    note: str = ""
    remote: Mapping[str, Any] | None = None
    remote_url: str | None = None
    next_attempt_at: datetime | None = None
    settled_at: datetime | None = None

    _said: Message | None = None

    @classmethod
    def of(cls, values: Sequence[Any]) -> Leased:
        """Of a row's columns as the database gives them: SQLite has ids without their dashes."""
        pk = values[0]
        return cls(*values) if len(pk) == _DASHED else cls(str(uuid.UUID(pk)), *values[1:])

    def said(self) -> Message:
        """The frozen message. Raises msgspec.ValidationError if what is on record is none."""
        if self._said is None:
            self._said = Message.from_text(self.message)
        return self._said

    @property
    def is_follow_up(self) -> bool:
        """Whether it says what became of something told before; False, too, if it cannot be read."""
        try:
            return self.said().status in FOLLOW_UPS
        except msgspec.ValidationError:
            return False

    @property
    def is_test(self) -> bool:
        """Whether it only tries the connector out; False, too, if it cannot be read."""
        try:
            return self.said().test
        except msgspec.ValidationError:
            return False
