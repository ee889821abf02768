"""What is to become of a problem: it is opened, updated or resolved. Pure.

The words in which the tracker of a cluster tells whoever writes events.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from events.cluster.objects import Ref
from events.detection import Finding


@dataclass(frozen=True, slots=True)
class ProblemKey:
    """Which problem of a cluster: a type of event, whom it belongs to, and which trouble of theirs."""

    event_type: str
    namespace: str
    subject: str
    key: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """A finding, and the object it was found on."""

    ref: Ref
    finding: Finding


@dataclass(frozen=True, slots=True)
class Open:
    """A problem has come up and has held long enough. The event to be written gets this id.

    `count` is how many objects have it, `times` how often it has happened, if that is what it does, and
    `since` when it began.
    """

    problem: ProblemKey
    event_id: uuid.UUID
    sighting: Sighting
    count: int
    at: datetime
    since: datetime
    times: int = 1


@dataclass(frozen=True, slots=True)
class Update:
    """An open problem is not what it was: it concerns more or fewer objects, or says something else."""

    problem: ProblemKey
    event_id: uuid.UUID
    sighting: Sighting
    count: int
    at: datetime
    times: int = 1


@dataclass(frozen=True, slots=True)
class Resolve:
    """A problem has been over for long enough."""

    problem: ProblemKey
    event_id: uuid.UUID
    at: datetime


Decision: TypeAlias = Open | Update | Resolve
