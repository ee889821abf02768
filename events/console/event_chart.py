"""The bars above the list of events: how many were first seen when, by severity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from connectors.console.record_filters import beginning, moment_of
from connectors.message import Severity

LATEST = 10_000
"""Events that are counted at most, the latest."""

PERIOD = timedelta(hours=24)
"""What is shown where no time was chosen."""

_LONGEST = timedelta(days=31)
_BARS = 36
_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440))


@dataclass(frozen=True, slots=True)
class Part:
    """The share of one severity in a bar; `height` in percent of the chart."""

    severity: str
    amount: int
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """What was first seen from `since` to `until`, the worst at the foot."""

    since: datetime
    until: datetime
    parts: list[Part]
    label: str
    url: str

    @property
    def total(self) -> int:
        """All of it."""
        return sum(part.amount for part in self.parts)


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars of a period, oldest first. `cut`: there were more events than are counted."""

    bars: list[Bar]
    highest: int
    total: int
    cut: bool
    since: datetime
    until: datetime
    legend: list[tuple[str, int]]


def chart(changelist: Any) -> Chart:
    """The bars of what a list of events shows."""
    since, until = _period(changelist.params)
    rows = list(
        changelist.queryset.order_by("-first_seen")
        .filter(first_seen__gte=since, first_seen__lt=until)
        .values_list("first_seen", "severity")[: LATEST + 1]
    )
    return draw(
        rows[:LATEST],
        since,
        until,
        cut=len(rows) > LATEST,
        url=lambda a, b: changelist.get_query_string({"since": a.isoformat(), "until": b.isoformat()}),
    )


def draw(
    rows: Iterable[tuple[datetime, str]], since: datetime, until: datetime, *, cut: bool, url: Any
) -> Chart:
    """The bars of these events, each by when it was seen and how bad it is. Pure."""
    step = next((step for step in _STEPS if (until - since) / step <= _BARS), _STEPS[-1])
    first = int(since.timestamp() // step.total_seconds())
    last = int((until.timestamp() - 1e-6) // step.total_seconds())
    counts: Counter[tuple[int, str]] = Counter(
        (int(seen.timestamp() // step.total_seconds()), severity) for seen, severity in rows
    )
    sums = Counter[int]()
    of_severity = Counter[str]()
    for (number, severity), amount in counts.items():
        sums[number] += amount
        of_severity[severity] += amount
    highest = max(sums.values(), default=0)
    bars = []
    for number in range(first, last + 1):
        begins = datetime.fromtimestamp(number * step.total_seconds(), UTC)
        parts = [
            Part(severity.value, amount, round(100 * amount / highest, 2))
            for severity in Severity
            if (amount := counts[number, severity.value])
        ]
        words = ", ".join(f"{part.amount} {part.severity}" for part in parts) or "nothing"
        label = f"{_moment(begins, step)} to {_moment(begins + step, step)} UTC: {words}"
        bars.append(Bar(begins, begins + step, parts, label, url(begins, begins + step) if parts else ""))
    legend = [(severity.value, of_severity[severity]) for severity in Severity if of_severity[severity]]
    return Chart(bars, highest, sum(sums.values()), cut, since, until, legend)


def _period(params: Any) -> tuple[datetime, datetime]:
    """From when to when; at most 31 days. What is no time was refused by the filter before."""
    now = timezone.now()
    until = min(now, moment_of(params["until"])) if params.get("until") else now
    since = beginning(params["since"]) if params.get("since") else None
    if since is None or since >= until:
        since = until - PERIOD
    return max(since, until - _LONGEST), until


def _moment(moment: datetime, step: timedelta) -> str:
    day = f"{moment.day} {moment:%b}"
    return day if step >= timedelta(days=1) else f"{day}, {moment:%H:%M}"
