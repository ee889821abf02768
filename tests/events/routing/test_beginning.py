"""What a connector is told when the hours of its subscription begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from connectors.message import Severity
from connectors.models import Delivery
from events.models import Event, Subscription
from events.record import Batch, Change, write
from events.routing import beginning, rules
from events.routing.beginning import begin_hours
from tests.making import make_connector, make_event, make_subscription

pytestmark = pytest.mark.django_db

OFFICE = {"timezone": "UTC", "days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00"}
EVENING = datetime(2025, 1, 15, 18, 0, tzinfo=UTC)  # a Wednesday
NIGHT = datetime(2025, 1, 15, 23, 0, tzinfo=UTC)
MORNING = datetime(2025, 1, 16, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def rules_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the clock stands still, no change of a subscription can be told by when it was saved."""
    monkeypatch.setattr(rules, "SECONDS", 0.0)


def subscribed(name: str = "office", *types: str, **more: Any) -> Subscription:
    """A subscription that has told all there was up to Wednesday evening."""
    with time_machine.travel(EVENING, tick=False):
        return make_subscription(make_connector(name), *types, **{"schedule": OFFICE, **more})


def happens(at: datetime = NIGHT, **more: Any) -> Event:
    """An event that is written at that time."""
    with time_machine.travel(at, tick=False):
        event = make_event(**more)
        write(Batch(new=[event]))
    return event


def resolves(event: Event, at: datetime) -> None:
    """The event ends."""
    with time_machine.travel(at, tick=False):
        write(Batch(resolved=[(event.pk, at)]))


def told() -> list[tuple[str, str]]:
    """(title, status) of every message, oldest first."""
    return list(Delivery.objects.order_by("id").values_list("message__title", "message__status"))


def begun(**ago: float) -> int:
    """What is told when the task runs so long after the beginning."""
    return begin_hours(MORNING + timedelta(**ago))


def test_outside_its_hours_a_connector_is_not_told_and_another_is() -> None:
    subscribed()
    make_subscription(make_connector("always"))
    happens(title="Crash")
    assert list(Delivery.objects.values_list("connector_name", flat=True)) == ["always"]


def test_what_is_still_open_when_they_begin_is_told_then_and_once() -> None:
    subscribed()
    happens(title="Crash")
    assert begin_hours(MORNING - timedelta(seconds=1)) == 0
    assert [begun(seconds=second) for second in (0, 15, 30, 45, 60, 75, 90)] == [1, 0, 0, 0, 0, 0, 0]
    assert told() == [("Crash", "firing")]


def test_it_is_told_as_soon_as_beat_is_back() -> None:
    subscription = subscribed()
    happens(title="Crash")
    assert begun(hours=9) == 1
    subscription.refresh_from_db()
    assert subscription.begun_at == MORNING + timedelta(hours=9)
    assert begin_hours(EVENING + timedelta(days=1)) == 0  # they are over again


def test_what_merely_occurred_or_is_over_by_then_is_not_told() -> None:
    subscribed()
    happens(title="Restart", event_type="pod_restarted", status="occurred", fingerprint="restart")
    resolves(happens(title="Crash"), NIGHT)
    assert begun() == 0
    assert told() == []


def test_what_is_inhibited_or_muted_is_not_told() -> None:
    subscribed("office", "pod_crash")
    node = happens(title="Node", event_type="node_unhealthy", fingerprint="node")
    happens(title="Crash", fingerprint="a", inhibited_by=node)
    happens(title="Old news", fingerprint="b", muted="It was so before.")
    assert begun() == 0


def test_what_the_other_clauses_refuse_is_not_told() -> None:
    subscribed(namespaces=["payments"])
    happens(title="Crash")
    assert begun() == 0


def test_what_was_told_in_the_hours_before_is_not_told_again() -> None:
    subscribed()
    happens(EVENING - timedelta(hours=1), title="Crash")
    assert begun() == 0
    assert told() == [("Crash", "firing")]


def test_what_became_worse_meanwhile_is_told_again() -> None:
    subscribed()
    event = happens(EVENING - timedelta(hours=1), title="Crash", severity="high")
    with time_machine.travel(NIGHT, tick=False):
        change = Change(event.pk, NIGHT, "Worse", "", Severity.CRITICAL, {}, [], 1)
        write(Batch(changed=[change]))
    assert told() == [("Crash", "firing")]
    assert [begun(), begun(seconds=15)] == [1, 0]
    assert told() == [("Crash", "firing"), ("Worse", "firing")]


def test_the_end_of_what_was_told_is_told_at_any_hour() -> None:
    subscribed()
    event = happens(EVENING - timedelta(hours=1), title="Crash")
    Delivery.objects.update(status="delivered", attempt_count=1)
    resolves(event, NIGHT)
    assert told() == [("Crash", "firing"), ("Crash", "resolved")]


def test_what_was_committed_just_after_they_began_is_told_too() -> None:
    subscribed()
    assert begun(seconds=1) == 0
    happens(MORNING - timedelta(seconds=1), title="Crash")
    assert begun(seconds=16) == 1


def test_the_first_hours_of_a_subscription_owe_nothing_while_they_last() -> None:
    happens(title="Crash")
    with time_machine.travel(MORNING + timedelta(hours=1), tick=False):
        make_subscription(make_connector(), schedule=OFFICE)
    assert begun(hours=1, seconds=15) == 0


@pytest.mark.parametrize("off", ["subscription", "connector"])
def test_what_is_switched_off_as_they_begin_is_not_told_then_nor_when_it_is_switched_on(off: str) -> None:
    subscription = subscribed()
    happens(title="Crash")
    row: Any = subscription if off == "subscription" else subscription.connector
    row.enabled = False
    row.save()
    assert [begun(), begun(seconds=60)] == [0, 0]
    row.enabled = True
    row.save()
    assert begun(seconds=75) == 0


def test_who_gives_up_its_hours_is_told_what_they_held_back() -> None:
    subscription = subscribed()
    happens(title="Crash")
    subscription.refresh_from_db()
    subscription.schedule = {}
    subscription.save()
    assert [begin_hours(NIGHT + timedelta(hours=1)), begin_hours(NIGHT + timedelta(hours=2))] == [1, 0]
    subscription.refresh_from_db()
    assert subscription.begun_at is None


def test_what_one_look_cannot_tell_is_told_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "MOST", 2)
    monkeypatch.setattr(beginning, "CHUNK", 2)
    subscribed()
    for number in range(5):
        happens(title=f"Crash {number}", fingerprint=f"key-{number}")
    assert [begun(seconds=15 * look) for look in range(6)] == [2, 2, 1, 0, 0, 0]


def test_a_connector_is_not_told_that_it_fails_itself() -> None:
    subscription = subscribed()
    details = {"connector_id": subscription.connector_id}
    happens(title="It fails", event_type="connector_failing", details=details)
    assert begun() == 0


def test_hours_that_cannot_be_read_stop_no_others(caplog: pytest.LogCaptureFixture) -> None:
    broken, _ = subscribed("broken"), subscribed("fine")
    Subscription.objects.filter(pk=broken.pk).update(schedule={"timezone": "Nowhere"})
    happens(title="Crash")
    assert begun() == 1
    assert list(Delivery.objects.values_list("connector_name", flat=True)) == ["fine"]
    assert f"subscription {broken.pk} is not in force: There is no time zone 'Nowhere'." in caplog.text
