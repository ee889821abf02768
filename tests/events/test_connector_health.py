"""A connector that fails is an event, told of by the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import time_machine
from pytest_django import Settings

from connectors.engine.send import deliver
from connectors.models import BreakerState, Connector, Delivery
from connectors.outbox import Order, enqueue, resume
from events.connector_health import report
from events.models import Event
from tests.making import make_connector, make_message, make_subscription
from tests.receiver import OK, Receiver
from tests.running import Processes
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_HTTP = True
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


def pause(connector: Connector, reason: str = "The token was revoked.") -> None:
    Connector.objects.filter(pk=connector.pk).update(paused_at=connector.created_at, paused_reason=reason)


def trip(connector: Connector, state: BreakerState = BreakerState.OPEN) -> None:
    Connector.objects.filter(pk=connector.pk).update(breaker=state)


def told() -> list[tuple[str, str, str]]:
    """(connector, title, status of the message) of every delivery, oldest first."""
    rows = Delivery.objects.order_by("id").values_list("connector_name", "message__title", "message__status")
    return [(name, title, status) for name, title, status in rows]


@pytest.fixture
def slack() -> Connector:
    connector = make_connector("slack", "slack", webhook_url="https://hooks.slack.com/services/T0/B0/abc123")
    make_subscription(connector)
    return connector


@pytest.fixture
def hook(receiver: Receiver) -> Connector:
    connector = make_connector("hook", url=f"{receiver.url}/in")
    make_subscription(connector)
    return connector


def test_a_paused_connector_is_an_event_with_its_reason(slack: Connector) -> None:
    pause(slack)

    report()

    event = Event.objects.get()
    assert (event.event_type, event.status, event.severity) == ("connector_failing", "firing", "high")
    assert event.title == "The connector “slack” is paused"
    assert event.description == "The token was revoked."
    assert (event.resource, event.source) == ("Connector/slack", "connectors")


@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_a_connector_whose_circuit_is_not_closed_is_an_event(slack: Connector, state: BreakerState) -> None:
    trip(slack, state)

    report()

    assert Event.objects.get().title == "The connector “slack” does not deliver"


def test_it_is_one_event_however_often_it_is_looked_at(slack: Connector) -> None:
    trip(slack)
    report()
    trip(slack, BreakerState.HALF_OPEN)
    report()
    pause(slack)
    report()

    event = Event.objects.get()
    assert (event.status, event.title) == ("firing", "The connector “slack” is paused")


def test_other_connectors_are_told_and_never_the_one_that_fails(slack: Connector, hook: Connector) -> None:
    pause(slack)

    report()
    assert told() == [("hook", "The connector “slack” is paused", "firing")]

    deliver(hook.pk)
    resume(slack)
    report()
    assert told()[1:] == [("hook", "The connector “slack” is paused", "resolved")]


@pytest.mark.parametrize("change", [{"paused_at": None}, {"enabled": False}])
def test_it_is_resolved_when_the_connector_delivers_or_is_not_meant_to(
    slack: Connector, change: dict[str, object]
) -> None:
    pause(slack)
    report()
    Connector.objects.update(**change)

    report()

    event = Event.objects.get()
    assert event.status == "resolved"
    assert event.resolved_at is not None


def test_it_is_resolved_when_the_connector_is_deleted(slack: Connector) -> None:
    pause(slack)
    report()
    slack.delete()

    report()

    assert Event.objects.get().status == "resolved"


def test_when_it_fails_again_that_is_another_event(slack: Connector) -> None:
    for _ in range(2):
        pause(slack)
        report()
        resume(slack)
        report()

    assert list(Event.objects.values_list("status", flat=True)) == ["resolved", "resolved"]


def test_connectors_that_are_well_are_no_event(slack: Connector, hook: Connector) -> None:
    report()

    assert not Event.objects.exists()


def test_connectors_that_tell_of_each_other_and_all_fail_make_no_loop(
    receivers: Callable[..., Receiver],
) -> None:
    connectors = [
        make_connector(name, url=f"{receivers(lambda request: (503, {}, b'down')).url}/in") for name in "ab"
    ]

    with time_machine.travel("2025-01-15T10:30:00Z", tick=False) as clock:
        for connector in connectors:
            make_subscription(connector)
            messages = [make_message(id=f"{connector}{n}", key=f"{connector}{n}") for n in range(5)]
            enqueue([Order(connector, message, "test") for message in messages])
        for _ in range(12):
            for connector in connectors:
                deliver(connector.pk)
            report()
            clock.shift(700)

    assert Event.objects.filter(status="firing").count() == Event.objects.count() == 2
    about_each_other = [row for row in told() if row[1].startswith("The connector")]
    assert sorted(about_each_other) == [
        ("a", "The connector “b” does not deliver", "firing"),
        ("b", "The connector “a” does not deliver", "firing"),
    ]


@pytest.mark.any_database
def test_by_itself_a_failing_connector_is_told_of_through_another_and_so_is_its_recovery(
    receivers: Callable[..., Receiver], processes: Processes
) -> None:
    broken, well = receivers(lambda request: (410, {}, b"closed")), receivers()
    failing = make_connector("failing", url=f"{broken.url}/in")
    other = make_connector("other", url=f"{well.url}/in")
    make_subscription(other, "connector_failing")
    processes.worker()
    processes.beat()

    enqueue([Order(failing, make_message(), "test")])

    [first] = well.wait_for(1, 40)
    assert first.json()["event_type"] == "connector_failing"
    assert first.json()["details"]["connector"] == "failing"

    broken.script(lambda request: OK)
    failing.refresh_from_db()
    resume(failing)

    second = well.wait_for(2, 40)[1].json()
    assert (second["status"], second["id"]) == ("resolved", first.json()["id"])
    until(lambda: Delivery.objects.filter(connector=failing, status="delivered").count() == 1)
