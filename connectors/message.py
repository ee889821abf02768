"""The frozen thing a provider is asked to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

JSONDict = dict[str, Any]


class Severity(StrEnum):
    """How bad it is, worst first: critical > high > medium > low > info."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """4 for critical down to 0 for info, to compare by."""
        return _RANKS[self]

    def reaches(self, minimum: Severity) -> bool:
        """Whether this is at least as bad as `minimum`."""
        return self.rank >= minimum.rank


_RANKS = {severity: rank for rank, severity in enumerate(reversed(Severity))}


class Status(StrEnum):
    """Where the thing reported stands."""

    FIRING = "firing"  # it is so now, and will be resolved some day
    ACKNOWLEDGED = "acknowledged"  # someone is on it
    RESOLVED = "resolved"  # it was so, and is over
    OCCURRED = "occurred"  # it happened; there is nothing to resolve


FOLLOW_UPS = (Status.ACKNOWLEDGED, Status.RESOLVED)
"""What makes sense only to those who were told before."""


class Recommendation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person could do, with a command to paste where there is one."""

    action: str
    command: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said, as it was when it happened; stored with the delivery and never changed.

    `id` names the occurrence (it is the event's id) and is the same in its trigger, updates and resolve.
    `key` names the problem: when it comes back after it was resolved, `id` is new and `key` is not.
    `routing` holds what the workload itself asks for (`slack-channel`, `github-repo`, `email-to`), which
    a connector may heed. `count` is how many objects or occurrences the event stands for.
    """

    id: str
    key: str
    event_type: str
    title: str
    severity: Severity
    timestamp: datetime
    status: Status = Status.FIRING
    cluster: str = ""
    namespace: str = ""
    resource: str = ""
    description: str = ""
    details: JSONDict = {}
    recommendations: tuple[Recommendation, ...] = ()
    count: int = 1
    url: str = ""
    routing: dict[str, str] = {}
    test: bool = False

    def payload(self) -> JSONDict:
        """The connector payload format of the documentation, plus `id`, `status` and `key`."""
        return {
            "id": self.id,
            "key": self.key,
            "status": self.status,
            "event_type": self.event_type,
            "severity": self.severity,
            "timestamp": iso(self.timestamp),
            "cluster": self.cluster,
            "namespace": self.namespace,
            "resource": self.resource,
            "title": self.title,
            "description": self.description,
            "details": self.details,
            "recommendations": list(msgspec.to_builtins(self.recommendations)),
        }

    def to_json(self) -> JSONDict:
        """All of it, for the delivery's row."""
        built: JSONDict = msgspec.to_builtins(self)
        return built

    def encoded(self) -> msgspec.Raw:
        """The same as JSON text."""
        try:
            return msgspec.Raw(_encoder.encode(self))
        except UnicodeEncodeError:
            # Half a surrogate pair. Escaped it is JSON; whether it can be stored is for the database to say.
            return msgspec.Raw(json.dumps(self.to_json()).encode())

    @classmethod
    def from_json(cls, data: JSONDict) -> Message:
        """Back from `to_json`. Raises msgspec.ValidationError if it is not one."""
        return msgspec.convert(data, cls)

    @classmethod
    def from_text(cls, text: str) -> Message:
        """The same for what is still JSON text."""
        try:
            return _decoder.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # half a surrogate pair, which SQLite keeps
            return cls.from_json(json.loads(text))


_decoder = msgspec.json.Decoder(Message)


_encoder = msgspec.json.Encoder()


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with a `Z`, to the second: 2025-01-15T10:30:00Z."""
    text: str = msgspec.to_builtins(moment.astimezone(UTC))
    return text[:19] + "Z"
