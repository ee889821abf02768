"""Times for people: how far away, with the exact time at hand."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors import text
from connectors.message import iso

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_NEAR = 5
"""Seconds either way that are now."""
_FAR = 30 * _DAY
"""Seconds beyond which a date says more."""


def in_words(moment: datetime, now: datetime) -> str:
    """How far away it is: `in 4 min`, `3 h ago`, `now`; the date where that is more than a month."""
    seconds = (moment - now).total_seconds()
    away = abs(seconds)
    if away < _NEAR:
        return "now"
    if away >= _FAR:
        return f"{moment.day} {moment:%b %Y}"
    return f"in {span(away)}" if seconds > 0 else f"{span(away)} ago"


def span(seconds: float) -> str:
    """So long, in the largest unit of which there is a whole one: `40 s`, `4 min`, `3 h`, `2 d`."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def shown(moment: datetime, now: datetime | None = None) -> SafeString:
    """The same as HTML, with the exact time when it is pointed at."""
    return labelled(in_words(moment, now or timezone.now()), moment)


def labelled(words: str, moment: datetime) -> SafeString:
    """Words that stand for a moment, with the exact time when they are pointed at."""
    return format_html(
        '<time class="kg-time" datetime="{}" title="{}">{}</time>', iso(moment), text.moment(moment), words
    )
