"""Silences: what they hold back, and what becomes of that when they are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from connectors.message import Severity
from connectors.models import Delivery
from events import silences
from events.handling import acknowledge
from events.models import Event, Silence
from events.record import Batch, Change, write
from tests.making import make_connector, make_event, make_silence, make_subscription

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def somebody_listens() -> None:
    make_subscription(make_connector())


def opened(**more: Any) -> Event:
    """An event that has just opened."""
    event = make_event(**more)
    write(Batch(new=[event]))
    event.refresh_from_db()
    return event


def worse(event: Event) -> Change:
    """That it has become critical."""
    return Change(event.pk, timezone.now(), event.title, "", Severity.CRITICAL, {}, [], 1)


def resolved(event: Event) -> None:
    write(Batch(resolved=[(event.pk, timezone.now())]))


def over(silence: Silence) -> None:
    """Its time has passed."""
    Silence.objects.filter(pk=silence.pk).update(
        starts_at=timezone.now() - timedelta(hours=2), ends_at=timezone.now() - timedelta(seconds=1)
    )


def told() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("message__status", flat=True))


def test_what_opens_while_a_silence_is_in_force_is_on_record_with_it_and_not_told() -> None:
    silence = make_silence(namespaces=["default"])
    event = opened()
    assert (event.silence, event.held, told()) == (silence, True, [])


def test_of_several_silences_an_event_names_the_one_that_ends_last() -> None:
    now = timezone.now()
    _, last, _ = [
        make_silence(namespaces=["default"], ends_at=now + timedelta(hours=hours)) for hours in (1, 3, 2)
    ]

    assert opened().silence == last


@pytest.mark.parametrize(
    ("matchers", "covered"),
    [
        ({"event_types": ["pod_crash_loop"]}, True),
        ({"event_types": ["pod_crash"]}, True),
        ({"event_types": ["hpa_maxed"]}, False),
        ({"clusters": ["prod*"]}, True),
        ({"clusters": ["staging"]}, False),
        ({"namespaces": ["kube-*", "default"]}, True),
        ({"namespaces": ["kube-*"]}, False),
        ({"resources": ["Pod/my-app-*"]}, True),
        ({"resources": ["Deployment/my-app"]}, True),
        ({"resources": ["Deployment/other"]}, False),
        ({"namespaces": ["default"], "clusters": ["staging"]}, False),
        ({}, True),
    ],
)
def test_every_matcher_of_a_silence_must_hold(matchers: dict[str, list[str]], covered: bool) -> None:
    make_silence(**matchers)
    assert opened().held is covered


@pytest.mark.parametrize(
    "times",
    [
        {"starts_at": datetime(2999, 1, 1, tzinfo=UTC), "ends_at": datetime(2999, 1, 2, tzinfo=UTC)},
        {"starts_at": datetime(2020, 1, 1, tzinfo=UTC), "ends_at": datetime(2020, 1, 2, tzinfo=UTC)},
        {"ended_at": datetime(2020, 1, 2, tzinfo=UTC)},
    ],
)
def test_a_silence_that_is_coming_or_over_holds_nothing(times: dict[str, datetime]) -> None:
    make_silence(**times)
    assert not opened().held
    assert told() == ["firing"]


def test_an_unreadable_silence_silences_nothing(caplog: pytest.LogCaptureFixture) -> None:
    make_silence(event_types=["no_such_type"])
    assert not opened().held
    assert "There is no event type 'no_such_type'" in caplog.text


def test_what_becomes_worse_meanwhile_is_not_told_and_its_end_is() -> None:
    event = opened(severity="high")
    Delivery.objects.update(status="delivered", attempt_count=1)
    silence = make_silence()

    write(Batch(changed=[worse(event)]))
    event.refresh_from_db()
    assert (event.silence, event.held, told()) == (silence, True, ["firing"])

    resolved(event)
    assert told() == ["firing", "resolved"]


def test_when_a_silence_is_over_what_is_still_so_is_told_once() -> None:
    silence = make_silence()
    event = opened()
    assert silences.release() == 0

    over(silence)
    assert silences.release() == 1
    assert silences.release() == 0

    event.refresh_from_db()
    assert (event.silence, event.held, told()) == (silence, False, ["firing"])


def test_when_a_silence_is_ended_early_what_it_held_is_told() -> None:
    silence = make_silence()
    opened()

    assert silences.end(silence, "alice")
    assert not silences.end(silence, "bob")

    assert (silence.ended_by, silence.ended_at is not None) == ("alice", True)
    assert (silences.release(), told()) == (1, ["firing"])


def test_what_a_silence_held_that_is_no_more_is_told_whatever_another_holds() -> None:
    silence = make_silence(namespaces=["default"])
    event = opened()
    make_silence(namespaces=["elsewhere"])
    Silence.objects.filter(pk=silence.pk).delete()

    assert silences.release() == 1

    event.refresh_from_db()
    assert (event.held, event.silence, told()) == (False, None, ["firing"])


def test_a_silence_that_is_over_cannot_be_ended() -> None:
    silence = make_silence(namespaces=["default"])
    over(silence)

    assert not silences.end(silence, "alice")

    assert (silence.ended_at, silence.ended_by) == (None, "")


def test_what_occurred_or_was_resolved_meanwhile_is_never_told() -> None:
    silence = make_silence()
    opened(status="occurred", fingerprint="restart")
    resolved(opened())

    over(silence)

    assert (silences.release(), told()) == (0, [])
    assert silence.held.count() == 2


def test_another_silence_goes_on_holding() -> None:
    first = make_silence(namespaces=["default"])
    event = opened()
    second = make_silence(clusters=["production"])

    over(first)
    assert silences.release() == 0
    event.refresh_from_db()
    assert (event.silence, event.held) == (second, True)

    over(second)
    assert (silences.release(), told()) == (1, ["firing"])


def test_an_inhibitor_goes_on_holding_and_the_other_way_round() -> None:
    silence = make_silence(event_types=["pod_crash_loop"])
    node = opened(event_type="node_unhealthy", fingerprint="node")
    opened(inhibited_by=node)

    over(silence)
    silences.release()
    assert told() == ["firing"]  # the node

    again = make_silence(event_types=["pod_crash_loop"])
    resolved(node)
    assert Delivery.objects.filter(message__event_type="pod_crash_loop").count() == 0

    over(again)
    assert silences.release() == 1
    assert Delivery.objects.get(message__event_type="pod_crash_loop").said().status == "firing"


def test_a_muted_event_stays_muted() -> None:
    silence = make_silence()
    opened(muted="It was so before the cluster was registered.")
    over(silence)
    silences.release()
    assert told() == []


def test_what_was_acknowledged_meanwhile_is_told_with_that() -> None:
    silence = make_silence()
    acknowledge([opened().pk], "alice")
    assert told() == []
    over(silence)
    silences.release()
    assert told() == ["firing", "acknowledged"]


def test_what_a_silence_held_that_has_just_ended_is_told_when_it_becomes_worse() -> None:
    silence = make_silence()
    event = opened(severity="high")
    over(silence)

    write(Batch(changed=[worse(event)]))

    assert (told(), silences.release()) == (["firing"], 0)


def test_an_event_written_while_its_silence_ended_is_released_later() -> None:
    silence = make_silence()
    over(silence)
    silences.release()
    make_event(silence=silence, held=True).save()
    assert (silences.release(), told()) == (1, ["firing"])


def test_much_is_released_in_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silences, "BATCH", 2)
    silence = make_silence()
    for number in range(5):
        opened(fingerprint=f"key-{number}")
    over(silence)
    assert (silences.release(), told()) == (5, ["firing"] * 5)


def test_without_a_silence_a_write_costs_one_small_query_more(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        silences.hold([make_event(), make_event()])
    with django_assert_num_queries(0):
        silences.hold([])
    with django_assert_num_queries(0):
        silences.hold_on_record([])


def test_a_beat_with_nothing_held_asks_little(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(5):  # the transaction's two, what is in force twice, what is held
        silences.release()


def test_who_edits_a_silence_does_not_bring_back_one_that_was_ended_meanwhile() -> None:
    silence = make_silence()
    seen = Silence.objects.get()
    assert silences.end(silence, "alice")
    seen.reason = "It takes longer"
    seen.save()
    stored = Silence.objects.get()
    assert (stored.state, stored.ended_by, stored.reason) == ("over", "alice", "It takes longer")
