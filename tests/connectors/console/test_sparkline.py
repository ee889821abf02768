"""The picture of a connector's last day, and its words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors import tally
from connectors.console.sparkline import Hour, hours_of, in_words, picture
from connectors.models import Outcome, Tally
from tests.connectors.test_tally import ended
from tests.making import make_connector

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_the_hours_of_a_connector_are_its_own_and_all_there() -> None:
    connector, other = make_connector("one"), make_connector("two")
    tally.add_attempts(
        [ended(connector, 1), ended(connector, 1, Outcome.ACCEPTED), ended(connector, 1, Outcome.FAILED)]
    )
    tally.add_attempts([ended(other, 1)])
    before = hours_of(connector)
    assert [(hour.arrived, hour.failed) for hour in before] == [(0, 0)] * 24 + [(2, 1)]
    tally.merge()
    assert hours_of(connector) == before
    Tally.objects.filter(hour__isnull=False).update(hour=before[-1].start - timedelta(hours=30))
    assert sum(hour.arrived for hour in hours_of(connector)) == 0


def test_the_words_tell_what_the_picture_shows() -> None:
    hours = [Hour(NOON, 1200, 1), Hour(NOON + timedelta(hours=1), 30, 4)]
    assert in_words(hours) == (
        "Attempts by the hour, last 24 hours: 1,230 arrived, 5 failed."
        " Most in the hour from 12:00 UTC: 1,201. Most failed in the hour from 13:00 UTC: 4."
    )
    assert f'aria-label="{in_words(hours)}"' in picture(hours)


def test_a_day_without_attempts_says_so() -> None:
    assert in_words([Hour(NOON, 0, 0)]) == "No attempts in the last 24 hours."


def test_one_failure_among_thousands_can_be_seen() -> None:
    html = picture([Hour(NOON, 100_000, 1)])
    assert 'class="kg-spark-bad" x="0" y="3" width="8" height="2"' in html
