"""A connector's last day, hour by hour, as a picture the size of a line of text, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors import tally
from connectors.models import Connector
from connectors.vitals import ARRIVED

_WIDTH, _GAP, _HEIGHT = 8, 2, 40


@dataclass(frozen=True, slots=True)
class Hour:
    """How many attempts of one hour arrived, and how many did not."""

    start: datetime
    arrived: int
    failed: int


def hours_of(connector: Connector) -> list[Hour]:
    """The last day's hours, oldest first, in one query."""
    found = []
    for start, outcomes in tally.hours_of(connector.pk).items():
        arrived = sum(outcomes.get(outcome, 0) for outcome in ARRIVED)
        found.append(Hour(start, arrived, sum(outcomes.values()) - arrived))
    return found


def in_words(hours: list[Hour]) -> str:
    """What the picture says."""
    arrived, failed = sum(hour.arrived for hour in hours), sum(hour.failed for hour in hours)
    if not arrived + failed:
        return "No attempts in the last 24 hours."
    busiest = max(hours, key=lambda hour: hour.arrived + hour.failed)
    words = f"Attempts by the hour, last 24 hours: {arrived:,} arrived, {failed:,} failed."
    most = busiest.arrived + busiest.failed
    words += f" Most in the hour from {busiest.start:%H:%M} UTC: {most:,}."
    worst = max(hours, key=lambda hour: hour.failed)
    if worst.failed:
        words += f" Most failed in the hour from {worst.start:%H:%M} UTC: {worst.failed:,}."
    return words


def picture(hours: list[Hour]) -> SafeString:
    """A bar for each hour, what failed on top of what arrived; whoever cannot see it hears the words."""
    most = max((hour.arrived + hour.failed for hour in hours), default=0) or 1
    bars = []
    for number, hour in enumerate(hours):
        left = number * (_WIDTH + _GAP)
        arrived, failed = _height(hour.arrived, most), _height(hour.failed, most)
        bars.append(("kg-spark-none", left, _HEIGHT - 1, 1))
        bars.append(("kg-spark-good", left, _HEIGHT - arrived, arrived))
        bars.append(("kg-spark-bad", left, _HEIGHT - arrived - failed, failed))
    return format_html(
        '<svg class="kg-spark" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">'
        "{}</svg>",
        len(hours) * (_WIDTH + _GAP) - _GAP,
        _HEIGHT,
        in_words(hours),
        format_html_join(
            "",
            '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
            ((name, x, y, _WIDTH, height) for name, x, y, height in bars if height),
        ),
    )


def _height(amount: int, most: int) -> int:
    """Whole units; what there is at all can be seen, and both parts together fit."""
    if not amount:
        return 0
    return max(2, (_HEIGHT - 4) * amount // most)
