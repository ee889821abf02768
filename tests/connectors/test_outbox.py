"""Deliveries are written with what they report, and in order."""

from __future__ import annotations

import json
import threading
from functools import partial

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from connectors import outbox, tasks
from connectors.engine.claim import claim
from connectors.handover import Handover
from connectors.message import Message
from connectors.models import Delivery
from connectors.outbox import Order, enqueue
from tests.making import make_connector, make_message, make_resolve, statuses, written
from tests.waiting import PATIENCE


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The connectors for which a task was sent."""
    sent: list[int] = []
    tasks.wake_ups.forget()
    monkeypatch.setattr(tasks.deliver, "delay", sent.append)
    return sent


@pytest.mark.django_db(transaction=True)
def test_a_delivery_is_rolled_back_with_what_it_reports(woken: list[int]) -> None:
    connector = make_connector()

    def fails() -> None:
        with transaction.atomic():
            enqueue([Order(connector, make_message(), "test")])
            raise RuntimeError("the event could not be written")

    with pytest.raises(RuntimeError):
        fails()

    assert Delivery.objects.count() == 0
    assert woken == []


@pytest.mark.django_db(transaction=True)
def test_the_workers_are_woken_after_the_commit_once_for_each_connector(woken: list[int]) -> None:
    connector = make_connector()

    with transaction.atomic():
        enqueue([Order(connector, make_message(id=str(n), key=str(n)), "test") for n in range(3)])
        assert woken == []

    assert woken == [connector.pk]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_costs_nothing_but_a_sweep(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(connector_id: int) -> None:
        raise OperationalError("connection refused")

    tasks.wake_ups.forget()
    monkeypatch.setattr(tasks, "handover", Handover())
    monkeypatch.setattr(tasks.deliver, "delay", refuse)
    connector = make_connector()

    enqueue([Order(connector, make_message(), "test")])

    assert statuses(connector) == ["pending"]
    assert "the broker is away" in caplog.text


def test_a_broker_that_is_away_is_asked_once_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    handover = Handover()

    def refuse(connector_id: int) -> None:
        asked.append(connector_id)
        raise OperationalError("connection refused")

    for connector_id in (1, 2, 3):
        handover.to_broker(connector_id, partial(refuse, connector_id))
    assert asked == [1]

    handover = Handover()
    monkeypatch.setattr(handover, "QUIET", 0.0)
    for connector_id in (4, 5):
        handover.to_broker(connector_id, partial(refuse, connector_id))
    assert asked == [1, 4, 5]


def test_where_one_waits_for_a_broker_that_does_not_answer_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handover, answers, waits = Handover(), threading.Event(), threading.Event()
    monkeypatch.setattr(handover, "SLOW", 0.0)
    asked: list[int] = []

    def wait() -> None:
        waits.set()
        answers.wait(PATIENCE)

    one = threading.Thread(target=handover.to_broker, args=(1, wait))
    one.start()
    waits.wait(PATIENCE)
    handover.to_broker(2, lambda: asked.append(2))
    answers.set()
    one.join(PATIENCE)
    handover.to_broker(3, lambda: asked.append(3))

    assert asked == [3]


@pytest.mark.django_db
def test_what_was_over_before_it_could_be_sent_is_dropped_on_record() -> None:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    enqueue([Order(connector, make_resolve(make_message()), "test")])

    assert statuses(connector) == ["cancelled", "cancelled"]
    assert set(Delivery.objects.values_list("note", flat=True)) == {"It was over before it could be sent."}
    assert not Delivery.objects.filter(settled_at=None).exists()


@pytest.mark.django_db
def test_what_was_over_before_it_could_be_sent_is_kept_for_who_wants_it() -> None:
    connector = make_connector()
    connector.deliver_brief = True
    connector.save()
    enqueue([Order(connector, make_message(), "test")])
    enqueue([Order(connector, make_resolve(make_message()), "test")])

    assert statuses(connector) == ["pending", "pending"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "attempts"),
    [
        ("retrying", 1),
        ("pending", 8),  # sent once more by hand
        ("sending", 0),  # in a digest
    ],
)
def test_a_resolve_of_what_was_tried_stays(status: str, attempts: int) -> None:
    connector = make_connector()
    [trigger] = enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.filter(pk=trigger).update(status=status, attempt_count=attempts)

    enqueue([Order(connector, make_resolve(make_message()), "test")])

    assert statuses(connector) == [status, "pending"]


@pytest.mark.django_db
def test_a_resolve_of_what_is_being_sent_for_the_first_time_stays() -> None:
    connector = make_connector()
    enqueue([Order(connector, make_message(), "test")])
    assert claim(connector.pk).deliveries

    enqueue([Order(connector, make_resolve(make_message()), "test")])

    assert statuses(connector) == ["pending", "pending"]


@pytest.mark.django_db
def test_a_resolve_of_what_was_told_stays_with_an_update_that_waits_before_it() -> None:
    connector = make_connector()
    [trigger] = enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.filter(pk=trigger).update(status="delivered", attempt_count=1)
    enqueue([Order(connector, make_message(title="worse"), "test")])

    enqueue([Order(connector, make_resolve(make_message()), "test")])

    assert statuses(connector) == ["delivered", "pending", "pending"]


@pytest.mark.django_db
def test_a_pair_is_dropped_for_each_connector_alone() -> None:
    sent, unsent = make_connector("sent"), make_connector("unsent")
    for connector in (sent, unsent):
        enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.filter(connector=sent).update(status="delivered", attempt_count=1)

    enqueue([Order(connector, make_resolve(make_message()), "test") for connector in (sent, unsent)])

    assert statuses(sent) == ["delivered", "pending"]
    assert statuses(unsent) == ["cancelled", "cancelled"]


@pytest.mark.django_db
def test_a_resumed_connector_is_woken(woken: list[int], django_capture_on_commit_callbacks: object) -> None:
    connector = make_connector()
    connector.paused_at, connector.paused_reason = connector.created_at, "HTTP 410"
    connector.save()

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        outbox.resume(connector)

    connector.refresh_from_db()
    assert (connector.paused_at, connector.paused_reason) == (None, "")
    assert woken == [connector.pk]


@pytest.mark.parametrize("title", ["Pod ☃ in crash loop", "half \ud83d"])
def test_a_message_encoded_at_once_is_the_message(title: str) -> None:
    message = make_message(title=title, details={"n": 5, "list": ["a"]}, recommendations=())

    assert Message.from_json(json.loads(bytes(message.encoded()))) == message


@pytest.mark.django_db
def test_one_message_through_several_connectors_is_the_same_in_each() -> None:
    message = make_message(details={"n": 5})
    orders = [Order(make_connector(name), message, f"for {name}") for name in ("a", "b")]

    first, second = written(enqueue(orders))

    assert (first.said(), first.connector_name, first.origin) == (message, "a", "for a")
    assert (second.said(), second.connector_name, second.origin) == (message, "b", "for b")
