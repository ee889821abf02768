"""The hours in which a subscription's connector is told. Pure: time comes in.

Hours are said in the wall-clock time of a place, and may run over midnight. On the night on which that clock
is set, they are rather too long than too short: an hour that comes twice is inside both times, and hours that
begin or end in the one that is left out last as long as either of the two times there says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from connectors.message import JSONDict

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEYS = ("timezone", "days", "from", "to")
EXAMPLE = '{"timezone": "Europe/Berlin", "days": ["mon", "fri"], "from": "08:00", "to": "18:00"}'

_MIDNIGHT = "24:00"
_AROUND = 9  # days: the longest that hours can last without a break is six


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment, which is inside, to one that is not. Both are in UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Hours:
    """Delivery hours: on these days of the week (0 is Monday) they begin at `start`, in minutes of the day.

    They end at `end` minutes of the same day, or of the next one where that is no later than `start`.
    """

    zone: str
    days: frozenset[int]
    start: int
    end: int

    def __str__(self) -> str:
        """In words: Mon-Fri 08:00-18:00 Europe/Berlin."""
        clock = "" if (self.start, self.end) == (0, 24 * 60) else f" {_clock(self.start)}-{_clock(self.end)}"
        return f"{_days_in_words(self.days)}{clock} {self.zone}"

    def include(self, at: datetime) -> bool:
        """Whether this moment is inside them."""
        return self.span_at(at) is not None

    def span_at(self, at: datetime) -> Span | None:
        """The hours that this moment is inside of, from where they began; None outside."""
        spans, begins = _around(self, at.astimezone(UTC).date())
        index = bisect_right(begins, at) - 1
        return spans[index] if index >= 0 and at < spans[index].ends else None

    def next_beginning(self, after: datetime) -> datetime:
        """When they next begin, later than this."""
        spans, begins = _around(self, after.astimezone(UTC).date())
        return spans[bisect_right(begins, after)].begins

    def moment(self, at: datetime) -> str:
        """A moment in the words of their place: Mon 08:00 Europe/Berlin."""
        return f"{at.astimezone(ZoneInfo(self.zone)):%a %H:%M} {self.zone}"


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """The names of all time zones. They are files, so they are looked for once."""
    return frozenset(available_timezones())


def read(value: object) -> Hours | None:
    """The hours that are said; None for always. Raises ValueError with what is wrong, in words."""
    if value in (None, {}):
        return None
    wrong = problems(value)
    if wrong:
        raise ValueError(" ".join(wrong.values()))
    return _hours(value)


def problems(value: object) -> dict[str, str]:
    """What is wrong with a schedule, by key, in words; empty when it is fine."""
    if not isinstance(value, dict):
        return {"": f"A schedule is an object such as {EXAMPLE}, or {{}} for always."}
    if not value:
        return {}
    found = {
        str(key): f"There is no {key!r} in a schedule. There are: {', '.join(KEYS)}."
        for key in value
        if key not in KEYS
    }
    for key, problem in (
        ("timezone", _zone_problem(value.get("timezone"))),
        ("days", _days_problem(value.get("days", list(DAYS)))),
        ("from", _time_problem(value.get("from"), "from")),
        ("to", _time_problem(value.get("to"), "to")),
    ):
        if problem:
            found[key] = problem
    if not found and _minutes(value["from"]) == _minutes(value["to"]):
        found["to"] = "Hours that end when they begin are none. The whole day is from 00:00 to 24:00."
    return found


def normal(value: JSONDict) -> JSONDict:
    """A schedule without problems as it is stored: the days in order, and `{}` for hours that never end."""
    if not value:
        return {}
    hours = _hours(value)
    if len(hours.days) == len(DAYS) and (hours.start, hours.end) == (0, 24 * 60):
        return {}
    return {
        "timezone": hours.zone,
        "days": [DAYS[day] for day in sorted(hours.days)],
        "from": _clock(hours.start),
        "to": _clock(hours.end),
    }


def in_words(value: object) -> str:
    """A schedule for people; what cannot be read is said to be so."""
    try:
        hours = read(value)
    except ValueError:
        return "at hours that cannot be read"
    return str(hours) if hours else "at any hour"


def _hours(value: Any) -> Hours:
    days = frozenset(DAYS.index(day.strip().lower()[:3]) for day in value.get("days", DAYS))
    # Midnight at the end of a day is said as 00:00, too.
    return Hours(value["timezone"], days, _minutes(value["from"]), _minutes(value["to"]) or 24 * 60)


def _zone_problem(value: object) -> str:
    if not isinstance(value, str) or not value:
        return "A schedule needs a time zone, such as Europe/Berlin or UTC."
    if value in time_zones():
        return ""
    close = get_close_matches(value, time_zones(), n=1)
    meant = f" Did you mean {close[0]}?" if close else " It is a name such as Europe/Berlin or UTC."
    return f"There is no time zone {value!r}.{meant}"


def _days_problem(value: object) -> str:
    if not isinstance(value, list) or not value:
        return f"These are days of the week, one or more of {', '.join(DAYS)}."
    wrong = [day for day in value if not isinstance(day, str) or day.strip().lower() not in _DAY_NAMES]
    return f"There is no day {wrong[0]!r}. There are: {', '.join(DAYS)}." if wrong else ""


_DAY_NAMES = {*DAYS, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}


def _time_problem(value: object, key: str) -> str:
    try:
        minutes = _minutes(value)
    except ValueError:
        return f"{value!r} is no time of day such as 08:00." if value else "A time of day such as 08:00."
    return "Hours that begin at 24:00 begin at 00:00." if key == "from" and minutes == 24 * 60 else ""


def _minutes(value: object) -> int:
    """The minute of the day. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(value)
    hour, colon, minute = value.strip().partition(":")
    if not (colon and len(minute) == 2 and 1 <= len(hour) <= 2 and (hour + minute).isascii()):
        raise ValueError(value)
    if not (hour + minute).isdigit():
        raise ValueError(value)
    if value.strip() == _MIDNIGHT:
        return 24 * 60
    parsed = time(int(hour), int(minute))
    return parsed.hour * 60 + parsed.minute


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days_in_words(days: Iterable[int]) -> str:
    """Runs of days: Mon-Fri; Mon, Wed-Fri; every day."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    if runs == [list(range(len(DAYS)))]:
        return "every day"
    names = [day.capitalize() for day in DAYS]
    return ", ".join(
        f"{names[run[0]]}-{names[run[-1]]}" if len(run) > 2 else ", ".join(names[day] for day in run)
        for run in runs
    )


@lru_cache(maxsize=2048)
def _around(hours: Hours, day: date) -> tuple[tuple[Span, ...], list[datetime]]:
    """The hours around that day of UTC, those that touch as one, and their beginnings."""
    spans: list[Span] = []
    for span in sorted(_spans(hours, day), key=lambda span: span.begins):
        if spans and span.begins <= spans[-1].ends:
            spans[-1] = Span(spans[-1].begins, max(spans[-1].ends, span.ends))
        else:
            spans.append(span)
    return tuple(spans), [span.begins for span in spans]


def _spans(hours: Hours, day: date) -> Iterator[Span]:
    zone = ZoneInfo(hours.zone)
    end_of_day = hours.end if hours.end > hours.start else hours.end + 24 * 60
    for offset in range(-_AROUND, _AROUND + 1):
        local = datetime.combine(day, time()) + timedelta(days=offset)
        if local.weekday() in hours.days:
            yield Span(
                min(_moments(local + timedelta(minutes=hours.start), zone)),
                max(_moments(local + timedelta(minutes=end_of_day), zone)),
            )


def _moments(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a clock there shows this: once, or on the night it is set, by the time before and after that."""
    before, after = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return before, after
