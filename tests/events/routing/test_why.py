"""Why somebody was told, or was not."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from connectors.models import Delivery
from events.models import Event, Subscription
from events.record import Batch, write
from events.routing.inquiry import why
from events.routing.why import Answer, Outcome
from tests.making import make_connector, make_event, make_silence, make_subscription


def opened(**more: Any) -> Event:
    event = make_event(**more)
    write(Batch(new=[event]))
    event.refresh_from_db()
    return event


def answers(event: Event) -> list[tuple[str, str, str]]:
    return [(each.connector, str(each.outcome), each.reason) for each in why(event).answers]


@pytest.mark.django_db
def test_how_near_a_miss_was_is_how_many_clauses_do_not_hold() -> None:
    make_subscription(
        make_connector(),
        "hpa_maxed",
        min_severity="critical",
        namespaces=["shop"],
        clusters=["west"],
        conditions={"count": 5},
    )
    event = opened(severity="high", namespace="shop", cluster_name="east")
    assert [answer.misses for answer in why(event).answers] == [4]


@pytest.mark.django_db
def test_who_was_told_comes_first_then_who_wanted_it_then_the_nearest_misses() -> None:
    far = make_subscription(make_connector("a far"), "hpa_maxed", namespaces=["other"])
    make_subscription(make_connector("b near"), "pod_crash", namespaces=["other"])
    off = make_connector("c off")
    off.enabled = False
    off.save()
    make_subscription(off)
    told = make_subscription(make_connector("d told"))
    event = opened()
    delivery = Delivery.objects.get()

    explained = why(event)

    assert [(each.connector, each.outcome) for each in explained.answers] == [
        ("d told", Outcome.TOLD),
        ("c off", Outcome.NOT_TOLD),
        ("b near", Outcome.NOT_WANTED),
        ("a far", Outcome.NOT_WANTED),
    ]
    first, *_, last = explained.answers
    assert (first.subscription_id, first.told and first.told.delivery_id) == (told.pk, delivery.pk)
    assert (last.subscription_id, last.misses) == (far.pk, 2)
    assert last.reason == "Event type pod_crash_loop is not among those subscribed to."


@pytest.mark.django_db
def test_each_thing_in_the_way_is_named() -> None:
    off = make_connector("off")
    off.enabled = False
    off.save()
    make_subscription(off)
    make_subscription(make_connector("unused"), enabled=False)
    twice = make_connector("twice")
    make_subscription(twice, "pod_crash")
    make_subscription(twice)
    make_subscription(make_connector("unreadable"), "no_such_type")
    event = opened()
    make_subscription(make_connector("too late"))

    assert answers(event) == [
        ("twice", "told", "Every clause holds."),
        ("off", "not told", "Every clause holds, but the connector is disabled."),
        (
            "too late",
            "not told",
            "Every clause holds, but it was made or changed after the event had opened.",
        ),
        ("twice", "not told", "Every clause holds, but another subscription of this connector came first."),
        (
            "unreadable",
            "not told",
            "The subscription cannot be read: " + answers(event)[4][2].partition(": ")[2],
        ),
        ("unused", "not told", "Every clause holds, but the subscription is disabled."),
    ]


@pytest.mark.django_db
def test_a_connector_is_not_told_of_its_own_failing() -> None:
    broken, other = make_connector("broken"), make_connector("other")
    make_subscription(broken)
    make_subscription(other)
    event = opened(event_type="connector_failing", details={"connector_id": broken.pk})
    assert answers(event) == [
        ("other", "told", "Every clause holds."),
        ("broken", "not told", "Every clause holds, but a connector is not told of its own failing."),
    ]


@pytest.mark.django_db
def test_what_holds_the_event_back_as_a_whole_is_named() -> None:
    make_subscription(make_connector())
    node = opened(event_type="node_unhealthy", fingerprint="node", title="Node node-1 is not ready")
    inhibited = opened(fingerprint="inhibited", inhibited_by=node)
    silence = make_silence(reason="The database is upgraded")
    silenced = opened(fingerprint="silenced")
    muted = opened(fingerprint="muted", event_type="hpa_maxed", muted="It was so before.")

    assert answers(inhibited) == [("hook", "held back", "Explained by “Node node-1 is not ready”.")]
    assert answers(silenced) == [("hook", "held back", "Silenced: The database is upgraded")]
    assert [hold.silence_id for hold in why(silenced).holds] == [silence.pk]
    assert [hold.event_id for hold in why(inhibited).holds] == [node.pk]
    assert [hold.kind for hold in why(muted).holds] == ["muted", "silenced"]


@pytest.mark.django_db
def test_what_was_told_then_and_would_not_be_now_says_both() -> None:
    subscription = make_subscription(make_connector())
    event = opened()
    subscription.event_types = ["hpa_maxed"]
    subscription.save()
    assert answers(event) == [
        (
            "hook",
            "told",
            "It wanted this then; as it is now, it would not."
            " Event type pod_crash_loop is not among those subscribed to.",
        )
    ]
    subscription.delete()
    assert answers(event) == [("hook", "told", "The subscription that wanted it has been deleted since.")]


@pytest.mark.django_db
def test_of_thousands_those_that_matter_are_shown_and_the_others_counted(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    connector = make_connector()
    Subscription.objects.bulk_create(
        Subscription(connector=connector, event_types=["hpa_maxed"], updated_at=timezone.now())
        for _ in range(3000)
    )
    make_subscription(make_connector("wants it"))
    event = opened()
    with django_assert_num_queries(2):
        explained = why(event, shown=10)
    first: Answer = explained.answers[0]
    assert (first.connector, len(explained.answers)) == ("wants it", 10)
    assert explained.more == {Outcome.NOT_WANTED: 2991}
