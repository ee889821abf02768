"""Who is told what: from events to rows of the outbox."""

from __future__ import annotations

import pytest

from connectors.models import Delivery
from events.models import Event
from events.routing.route import Turn, route
from tests.making import make_connector, make_event, make_subscription, written

pytestmark = pytest.mark.django_db


def saved(**more: object) -> Event:
    event = make_event(**more)
    event.save()
    return event


def told() -> list[tuple[str, str]]:
    """(connector, status of the message) of every delivery, oldest first."""
    rows = Delivery.objects.order_by("id").values_list("connector_name", "message__status")
    return [(name, status) for name, status in rows]


def test_a_new_event_goes_to_whoever_subscribes_to_it() -> None:
    make_subscription(make_connector("crashes"), "pod_crash")
    make_subscription(make_connector("nodes"), "node_down")

    route([(saved(), Turn.OPENED)])

    assert told() == [("crashes", "firing")]


def test_two_subscriptions_of_one_connector_make_one_delivery() -> None:
    connector = make_connector()
    first = make_subscription(connector, "pod_crash")
    make_subscription(connector, "all")

    [delivery] = written(route([(saved(), Turn.OPENED)]))

    assert delivery.origin == f"subscription:{first.pk}"


def test_a_disabled_connector_is_not_told() -> None:
    connector = make_connector()
    make_subscription(connector)
    connector.enabled = False
    connector.save()

    assert route([(saved(), Turn.OPENED)]) == []


def test_a_disabled_subscription_is_not_told() -> None:
    make_subscription(make_connector(), enabled=False)

    assert route([(saved(), Turn.OPENED)]) == []


def test_the_resolution_goes_to_those_who_were_told_whatever_they_subscribe_to_now() -> None:
    connector = make_connector("told")
    subscription = make_subscription(connector, "pod_crash")
    make_subscription(make_connector("never told"), "node_down")
    event = saved()
    [trigger] = route([(event, Turn.OPENED)])
    Delivery.objects.filter(pk=trigger).update(status="delivered", attempt_count=1)
    subscription.event_types = ["http_500"]
    subscription.save()

    route([(event, Turn.RESOLVED)])

    assert told() == [("told", "firing"), ("told", "resolved")]


def test_who_does_not_want_resolutions_gets_none() -> None:
    make_subscription(make_connector(), send_resolved=False)
    event = saved()
    route([(event, Turn.OPENED)])

    assert route([(event, Turn.RESOLVED)]) == []


def test_an_event_that_became_worse_goes_to_those_who_now_want_it_and_those_who_know() -> None:
    make_subscription(make_connector("chat"))
    make_subscription(make_connector("pager"), min_severity="critical")
    event = saved(severity="high")
    route([(event, Turn.OPENED)])
    event.severity = "critical"

    route([(event, Turn.WORSENED)])

    assert told() == [("chat", "firing"), ("chat", "firing"), ("pager", "firing")]


def test_nobody_is_told_of_an_inhibited_event() -> None:
    make_subscription(make_connector())
    node = saved(fingerprint="node", event_type="node_unhealthy")

    assert route([(saved(inhibited_by=node), Turn.OPENED)]) == []


def test_an_unreadable_subscription_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    make_subscription(make_connector("broken"), "no_such_type")
    make_subscription(make_connector("fine"))

    route([(saved(), Turn.OPENED)])

    assert told() == [("fine", "firing")]
    assert "There is no event type 'no_such_type'" in caplog.text


def test_the_message_carries_the_documented_payload_and_a_link() -> None:
    make_subscription(make_connector())
    event = saved(
        details={"restart_count": 5},
        recommendations=[{"action": "Check pod logs", "command": "kubectl logs"}],
    )

    [delivery] = written(route([(event, Turn.OPENED)]))

    message = delivery.said()
    assert message.payload() == {
        "id": str(event.pk),
        "key": "key-1",
        "status": "firing",
        "event_type": "pod_crash_loop",
        "severity": "critical",
        "timestamp": "2025-01-15T10:30:00Z",
        "cluster": "production",
        "namespace": "default",
        "resource": "Pod/my-app-123",
        "title": "Pod my-app-123 in crash loop",
        "description": "",
        "details": {"restart_count": 5},
        "recommendations": [{"action": "Check pod logs", "command": "kubectl logs"}],
    }
    assert message.url == f"http://kubegraf.example.com/admin/events/event/{event.pk}/change/"
