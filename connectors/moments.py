"""Moments and spans as pages tell them: in words, and exact for whoever points at them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

_STEPS = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
    (timedelta(seconds=1), "second"),
)


def span(length: timedelta) -> str:
    """A length in the largest unit that it fills: `3 hours`; at least one second."""
    for step, name in _STEPS:
        number = length // step
        if number > 0:
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "1 second"


def relative(moment: datetime, now: datetime | None = None) -> str:
    """When it is, seen from now: `3 hours ago`, `in 5 minutes`, `just now`."""
    away = moment - (now or timezone.now())
    if abs(away) < timedelta(seconds=2):
        return "just now"
    return f"in {span(away)}" if away > timedelta(0) else f"{span(-away)} ago"


def ago(moment: datetime | None, now: datetime | None = None, *, never: str = "–") -> SafeString | str:
    """The same as markup, with the exact time to be pointed at and read by machines."""
    if moment is None:
        return never
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{moment:%Y-%m-%d %H:%M:%S} UTC",
        relative(moment, now),
    )


def seconds(length: float | None, *, none: str = "–") -> str:
    """Seconds as people say them: `340 ms`, `2.5 s`."""
    if length is None:
        return none
    return f"{length * 1000:.0f} ms" if length < 1 else f"{length:.1f} s"
