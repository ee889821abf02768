"""What a subscription would have sent over the last days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from connectors.models import Connector, Delivery
from connectors.outbox import Order, delivery_for
from events.models import Event, Subscription
from events.routing import backtest as module
from events.routing.backtest import Backtest, backtest
from tests.calling import Caller
from tests.making import make_connector, make_event, make_message, make_subscription

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 1, 17, 12, 0, tzinfo=UTC)  # a Friday
OFFICE = {"timezone": "UTC", "days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00"}


def recorded(ago: float, ended: float | None = None, **more: Any) -> Event:
    """An event on record that began, and ended, so many hours ago."""
    event = make_event(
        **{
            "fingerprint": f"key-{Event.objects.count()}",
            "first_seen": NOW - timedelta(hours=ago),
            "status": "firing" if ended is None else "resolved",
            "resolved_at": None if ended is None else NOW - timedelta(hours=ended),
            **more,
        }
    )
    event.save()
    return event


def of_draft(connector: Connector | None = None, days: int = 7, **draft: Any) -> Backtest:
    """The backtest of a draft."""
    return backtest(Subscription(connector=connector, **draft), days, NOW)


def test_openings_and_resolutions_are_counted() -> None:
    recorded(1)
    recorded(3, ended=2)
    recorded(5, status="occurred", event_type="pod_restarted", severity="medium")
    found = of_draft()
    assert str(found) == "Over the last 7 days this would have sent 4 messages (3 openings, 1 resolution)."
    assert found.replay.by_type == {"pod_crash_loop": 3, "pod_restarted": 1}
    assert found.replay.by_severity == {"critical": 3, "medium": 1}
    assert found.replay.by_day[date(2025, 1, 17)] == [3, 1]
    assert len(found.replay.by_day) == 8


def test_only_what_began_in_these_days_counts() -> None:
    recorded(25)
    recorded(23)
    assert of_draft(days=1).replay.openings == 1
    assert of_draft(days=2).replay.openings == 2


@pytest.mark.parametrize(
    ("draft", "found"),
    [
        ({"event_types": ["pod_crash"]}, 1),
        ({"event_types": ["hpa_maxed"]}, 0),
        ({"min_severity": "critical"}, 1),
        ({"namespaces": ["def*"]}, 1),
        ({"clusters": ["staging"]}, 0),
        ({"conditions": {"restart_count": 5}}, 1),
        ({"conditions": {"restart_count": 6}}, 0),
        ({"conditions": {"title": "Pod*"}}, 1),
    ],
)
def test_every_clause_counts(draft: dict[str, Any], found: int) -> None:
    recorded(1, details={"restart_count": 5})
    assert of_draft(**draft).replay.openings == found


def test_who_wants_no_resolutions_gets_none() -> None:
    recorded(3, ended=2)
    found = of_draft(send_resolved=False).replay
    assert (found.openings, found.resolutions) == (1, 0)


def test_what_is_inhibited_or_muted_is_left_out() -> None:
    node = recorded(2, event_type="node_unhealthy")
    recorded(1, inhibited_by=node)
    recorded(1, muted="It was so before.")
    assert of_draft().replay.openings == 1


def test_a_connector_would_not_have_told_that_it_fails_itself() -> None:
    connector = make_connector()
    recorded(1, event_type="connector_failing", details={"connector_id": connector.pk})
    assert of_draft(connector).replay.openings == 0
    assert of_draft(make_connector("other")).replay.openings == 1


def test_hours_count_at_the_time_of_the_event() -> None:
    inside = recorded(1)  # Friday 11:00
    held_back = recorded(6)  # 06:00, still open at 08:00
    recorded(6, ended=5)  # over by then
    recorded(6, status="occurred")
    found = of_draft(schedule=OFFICE)
    assert (found.replay.openings, found.replay.held_back, found.replay.withheld) == (2, 1, 2)
    assert [(told.event.pk, told.held_back) for told in found.newest] == [
        (inside.pk, False),
        (held_back.pk, True),
    ]
    assert found.newest[1].told_at == datetime(2025, 1, 17, 8, tzinfo=UTC)


def test_what_waits_for_the_hours_is_told_apart() -> None:
    recorded(1)
    found = of_draft(schedule={"timezone": "UTC", "days": ["sat"], "from": "08:00", "to": "18:00"})
    assert (found.replay.openings, found.replay.waiting) == (0, 1)


def test_the_newest_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOWN", 2)
    events = [recorded(hours) for hours in (3, 1, 2)]
    assert [told.event.pk for told in of_draft().newest] == [events[1].pk, events[2].pk]


def test_no_more_than_so_many_events_are_looked_at_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in (1, 2, 3):
        recorded(hours)
    monkeypatch.setattr(module, "MOST_EVENTS", 2)
    found = of_draft()
    assert (found.cut, found.replay.openings) == (True, 2)
    assert found.notes[0] == "There were more: only the newest 2 events that it could concern were looked at."


def test_what_was_really_sent_is_told_beside_it() -> None:
    connector = make_connector()
    for origin, status in (
        ("subscription:1", "delivered"),
        ("subscription:1", "failed"),
        ("test", "delivered"),
    ):
        delivery = delivery_for(Order(connector, make_message(), origin))
        delivery.status = status
        delivery.save(force_insert=True)
    Delivery.objects.update(created_at=NOW - timedelta(hours=1))
    really = of_draft(connector).really
    assert really is not None
    assert (really.messages, really.delivered, really.failed, really.at_least) == (2, 1, 1, False)
    assert of_draft().really is None


def test_another_subscription_of_the_connector_is_mentioned() -> None:
    subscription = make_subscription(make_connector())
    assert not any("other subscriptions" in note for note in backtest(subscription, now=NOW).notes)
    make_subscription(subscription.connector)
    assert any("other subscriptions" in note for note in backtest(subscription, now=NOW).notes)


def test_the_record_is_read_in_one_pass(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for hours in range(20):
        recorded(hours)
    connector = make_connector()
    with django_assert_num_queries(5):  # events, those about itself, the newest, what was sent, its siblings
        of_draft(connector, conditions={"title": "*"})


# --- Over HTTP --------------------------------------------------------------------------------------------


def test_a_subscription_is_tested_over_http() -> None:
    make_event().save()
    subscription = make_subscription(make_connector(), "pod_crash")
    found = Caller("view_subscription", "view_event").get(f"subscriptions/{subscription.pk}/backtest/?days=1")
    assert (found["words"], found["days"]) == (
        "Over the last day this would have sent 1 message (1 opening, 0 resolutions).",
        1,
    )
    assert found["subscription"] == "Pod crashes"
    assert found["newest"][0]["title"] == "Pod my-app-123 in crash loop"


def test_a_draft_is_tested_over_http_and_not_saved() -> None:
    make_event().save()
    caller = Caller("view_subscription", "view_event")
    answer = caller.call("POST", "subscriptions/backtest/", {"event_types": ["node_down"]})
    assert (answer.status_code, answer.json()["messages"], answer.json()["really"]) == (200, 0, None)
    assert Subscription.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "draft", "status"),
    [
        ("subscriptions/backtest/", {"event_types": ["pod_crush"]}, 400),
        ("subscriptions/backtest/", {"schedule": {"timezone": "Nowhere"}}, 400),
        ("subscriptions/backtest/?days=0", {}, 400),
        ("subscriptions/backtest/?days=31", {}, 400),
        ("subscriptions/backtest/?day=3", {}, 400),
    ],
)
def test_a_draft_that_cannot_be_is_refused(path: str, draft: dict[str, Any], status: int) -> None:
    assert Caller("view_subscription", "view_event").call("POST", path, draft).status_code == status


@pytest.mark.parametrize("right", ["view_subscription", "view_event"])
def test_a_backtest_takes_the_right_to_see_subscriptions_and_events(right: str) -> None:
    assert Caller(right).call("POST", "subscriptions/backtest/", {}).status_code == 403
