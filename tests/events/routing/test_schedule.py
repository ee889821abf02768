"""Delivery hours: how they are said, and which moments are inside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.routing import schedule
from events.routing.schedule import DAYS, Hours

OFFICE = {
    "timezone": "Europe/Berlin",
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "from": "08:00",
    "to": "18:00",
}
NIGHT = {"timezone": "UTC", "days": ["fri"], "from": "22:00", "to": "06:00"}
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana"]


def hours(said: Any) -> Hours:
    """The hours that are said, of which there are some."""
    read = schedule.read(said)
    assert read is not None
    return read


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2025-01-15T06:59:59", False),  # Wednesday; Berlin is an hour ahead
        ("2025-01-15T07:00:00", True),
        ("2025-01-15T16:59:59", True),
        ("2025-01-15T17:00:00", False),
        ("2025-01-18T12:00:00", False),  # Saturday
        ("2025-07-16T06:00:00", True),  # in summer, two
    ],
)
def test_hours_are_those_of_the_clocks_of_their_place(moment: str, inside: bool) -> None:
    assert hours(OFFICE).include(at(moment)) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2025-01-17T21:59:59", False),
        ("2025-01-17T22:00:00", True),
        ("2025-01-18T05:59:59", True),  # Saturday, of Friday's hours
        ("2025-01-18T06:00:00", False),
        ("2025-01-17T05:00:00", False),  # they would be Thursday's
    ],
)
def test_hours_over_midnight_belong_to_the_day_they_begin_on(moment: str, inside: bool) -> None:
    assert hours(NIGHT).include(at(moment)) is inside


def test_hours_that_touch_have_no_beginning_between_them() -> None:
    said = hours({"timezone": "UTC", "days": ["mon", "tue"], "from": "00:00", "to": "24:00"})
    span = said.span_at(at("2025-01-14T12:00:00"))
    assert span == schedule.Span(at("2025-01-13T00:00:00"), at("2025-01-15T00:00:00"))
    assert said.next_beginning(at("2025-01-13T12:00:00")) == at("2025-01-20T00:00:00")


def test_the_next_beginning_is_told_in_words_of_the_place() -> None:
    said = hours(OFFICE)
    beginning = said.next_beginning(at("2025-01-17T20:00:00"))
    assert said.moment(beginning) == "Mon 08:00 Europe/Berlin"


def test_on_the_night_without_two_o_clock_hours_are_not_cut_short() -> None:
    said = hours({"timezone": "Europe/Berlin", "from": "02:30", "to": "03:15"})
    assert said.span_at(at("2025-03-30T01:05:00")) is not None  # 03:05, just after the clock was set
    assert said.span_at(at("2025-03-30T01:15:00")) is None


def test_on_the_night_with_two_o_clock_twice_hours_hold_both_times() -> None:
    said = hours({"timezone": "Europe/Berlin", "from": "02:15", "to": "02:45"})
    span = said.span_at(at("2025-10-26T00:30:00"))
    assert span == schedule.Span(at("2025-10-26T00:15:00"), at("2025-10-26T01:45:00"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (OFFICE, "Mon-Fri 08:00-18:00 Europe/Berlin"),
        (NIGHT, "Fri 22:00-06:00 UTC"),
        ({"timezone": "UTC", "from": "8:00", "to": "9:00"}, "every day 08:00-09:00 UTC"),
        ({"timezone": "UTC", "days": ["sat", "sun"], "from": "00:00", "to": "24:00"}, "Sat, Sun UTC"),
        ({**NIGHT, "days": ["mon", "wed", "thu", "fri"]}, "Mon, Wed-Fri 22:00-06:00 UTC"),
        ({}, "at any hour"),
        ({"timezone": "Nowhere"}, "at hours that cannot be read"),
    ],
)
def test_hours_are_said_in_words(said: Any, words: str) -> None:
    assert schedule.in_words(said) == words


THERE_ARE = "There are: mon, tue, wed, thu, fri, sat, sun."


@pytest.mark.parametrize(
    ("said", "key", "words"),
    [
        ("08:00", "", f"A schedule is an object such as {schedule.EXAMPLE}, or {{}} for always."),
        (OFFICE | {"at": 1}, "at", "There is no 'at' in a schedule. There are: timezone, days, from, to."),
        (OFFICE | {"timezone": "Europe/Berln"}, "timezone",
            "There is no time zone 'Europe/Berln'. Did you mean Europe/Berlin?"),
        (OFFICE | {"timezone": "../../etc"}, "timezone",
            "There is no time zone '../../etc'. It is a name such as Europe/Berlin or UTC."),
        ({"from": "08:00", "to": "18:00"}, "timezone",
            "A schedule needs a time zone, such as Europe/Berlin or UTC."),
        (OFFICE | {"days": []}, "days",
            "These are days of the week, one or more of mon, tue, wed, thu, fri, sat, sun."),
        (OFFICE | {"days": ["mo"]}, "days", f"There is no day 'mo'. {THERE_ARE}"),
        (OFFICE | {"days": [1]}, "days", f"There is no day 1. {THERE_ARE}"),
        (OFFICE | {"from": "25:00"}, "from", "'25:00' is no time of day such as 08:00."),
        (OFFICE | {"from": 8}, "from", "8 is no time of day such as 08:00."),
        (OFFICE | {"to": "٠٨:00"}, "to", "'٠٨:00' is no time of day such as 08:00."),
        ({"timezone": "UTC", "from": "08:00"}, "to", "A time of day such as 08:00."),
        (OFFICE | {"from": "24:00"}, "from", "Hours that begin at 24:00 begin at 00:00."),
        (OFFICE | {"to": "08:00"}, "to",
            "Hours that end when they begin are none. The whole day is from 00:00 to 24:00."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(said: Any, key: str, words: str) -> None:
    assert schedule.problems(said) == {key: words}


def test_a_schedule_is_stored_in_one_form() -> None:
    said = {"timezone": "UTC", "days": ["Friday", "mon", "fri"], "from": "8:00", "to": "24:00"}
    assert schedule.problems(said) == {}
    assert schedule.normal(said) == {
        "timezone": "UTC",
        "days": ["mon", "fri"],
        "from": "08:00",
        "to": "24:00",
    }


def test_hours_that_never_end_are_always() -> None:
    assert schedule.normal({"timezone": "UTC", "from": "00:00", "to": "24:00"}) == {}


# --- Whatever the hours -----------------------------------------------------------------------------------

CLOCKS = st.integers(0, 24 * 4 - 1).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
SCHEDULES = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(ZONES),
        "days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
        "from": CLOCKS,
        "to": CLOCKS | st.just("24:00"),
    }
).filter(lambda said: not schedule.problems(said))
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def shown_inside(said: dict[str, Any], moment: datetime) -> bool:
    """Whether a clock on the wall there shows a time inside the hours."""
    local = moment.astimezone(ZoneInfo(said["timezone"]))
    clock, start, end = f"{local:%H:%M}", said["from"], said["to"]
    today = DAYS[local.weekday()] in said["days"]
    if end > start:
        return today and start <= clock < end
    yesterday = DAYS[local.weekday() - 1] in said["days"]
    return (today and clock >= start) or (yesterday and clock < end)


def offsets(said: dict[str, Any], moment: datetime) -> set[timedelta | None]:
    """How far ahead of UTC its place is, on the days around that moment."""
    zone = ZoneInfo(said["timezone"])
    return {(moment + timedelta(hours=off)).astimezone(zone).utcoffset() for off in (-30, -12, 0, 12, 30)}


@given(SCHEDULES, MOMENTS)
@settings(max_examples=300, deadline=None)
def test_whatever_the_clock_shows_to_be_inside_is_inside(said: dict[str, Any], moment: datetime) -> None:
    inside = hours(said).include(moment)
    assert inside or not shown_inside(said, moment)
    if len(offsets(said, moment)) == 1:  # no clock is set around then
        assert inside == shown_inside(said, moment)


@given(SCHEDULES, MOMENTS)
@settings(max_examples=300, deadline=None)
def test_a_beginning_is_the_first_moment_inside_after_one_outside(
    said: dict[str, Any], moment: datetime
) -> None:
    read = hours(said)
    span = read.span_at(moment)
    beginning = read.next_beginning(moment)
    assert beginning > moment
    found = read.span_at(beginning)
    assert found is not None
    assert found.begins == beginning
    assert not read.include(beginning - timedelta(microseconds=1))
    if span is not None:
        assert span.begins <= moment < span.ends < beginning
        assert not read.include(span.ends)


@given(SCHEDULES)
@settings(max_examples=100, deadline=None)
def test_what_is_stored_means_what_was_said(said: dict[str, Any]) -> None:
    stored = schedule.normal(said)
    assert schedule.normal(stored) == stored
    assert schedule.read(stored) == (hours(said) if stored else None)
