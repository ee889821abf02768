"""Several Alertmanagers that send the same alerts at the same moment, each in its own order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.message import Status
from connectors.models import Delivery
from events.external import Taken, report_all
from events.models import Event
from events.report import ExternalReport
from tests.making import make_cluster, make_connector, make_subscription
from tests.races.at_once import Meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def alert(number: int, status: Status) -> ExternalReport:
    return ExternalReport(
        source="alertmanager",
        event_type="prometheus_alert",
        title=f"Broken ({number})",
        cluster="production",
        key=f"{number}",
        status=status,
        timestamp=datetime(2026, 11, 23, 3, 7, 59, tzinfo=UTC),
    )


def at_once(status: Status) -> list[Taken]:
    """What came of 50 alerts that four report at once, two of them from the last to the first."""
    orders = [range(50), range(49, -1, -1)] * 2
    reporting = [
        Meanwhile(lambda order=order: report_all([alert(number, status) for number in order]))  # type: ignore[misc]
        for order in orders
    ]
    return [each.result() for each in reporting]


def test_alerts_that_several_report_at_once_open_and_are_told_once_and_end_once() -> None:
    make_cluster()
    make_subscription(make_connector())

    fired = at_once(Status.FIRING)
    assert sorted((taken.opened, taken.updated) for taken in fired) == [(0, 50)] * 3 + [(50, 0)]
    assert (Event.objects.count(), Delivery.objects.count()) == (50, 50)

    at_once(Status.RESOLVED)
    assert Event.objects.filter(status="resolved").count() == 50
    assert Delivery.objects.count() == 100
