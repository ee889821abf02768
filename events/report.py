"""What another system reports of an event. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from connectors.message import JSONDict, Severity, Status

SOURCE = "api"
"""Of an event that somebody reported in our own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalReport:
    """What a caller reports. `event_type` is one of the catalog's; the rest may be left out but for `title`.

    With a `key`, a report of status firing opens the problem of that name (or updates it, if it is open), and
    one of status resolved ends it. Without a status it is firing where the catalog says that such an event
    resolves and a key is given, and otherwise something that merely occurred. `idempotency_key` names the
    report where there is no `key`, so that one that is sent again is no second event. `source` is who reports
    it: where that is another system, its key alone, with the cluster, names the problem.
    """

    event_type: str
    title: str
    severity: Severity | None = None
    timestamp: datetime | None = None
    cluster: str = ""
    namespace: str = ""
    resource: str = ""
    description: str = ""
    details: JSONDict = field(default_factory=dict)
    recommendations: list[dict[str, str]] = field(default_factory=list)
    status: Status | None = None
    key: str = ""
    idempotency_key: str = ""
    source: str = SOURCE
