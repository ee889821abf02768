"""A delivery through a real HTTP receiver, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from connectors.configuration.setup import split
from connectors.engine import send
from connectors.engine.send import deliver, send_now
from connectors.models import Attempt, Connector, Delivery, Lease
from connectors.outbox import Order, enqueue, resume
from connectors.redelivery import redeliver
from tests.making import make_connector, make_message, make_resolve, statuses
from tests.receiver import OK, Answer, Received, Receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_HTTP = True
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


def hook(receiver: Receiver, name: str = "hook") -> Connector:
    return make_connector(name, url=f"{receiver.url}/in")


def queue(connector: Connector, *names: str) -> None:
    enqueue([Order(connector, make_message(id=n, key=n), "test") for n in names])


def retry_now() -> None:
    Delivery.objects.filter(status="retrying").update(next_attempt_at=timezone.now())


def test_a_delivery_arrives_and_its_attempt_is_on_record(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, "a")

    deliver(connector.pk)

    [request] = receiver.requests
    delivery = Delivery.objects.get()
    assert request.json() == make_message(id="a", key="a").payload()
    assert (delivery.status, delivery.attempt_count, delivery.reason) == ("delivered", 1, "")
    assert Lease.objects.count() == 0
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.http_status) == (1, "delivered", 200)
    assert attempt.finished_at is not None
    connector.refresh_from_db()
    assert connector.last_success_at == attempt.finished_at


def test_a_success_just_after_another_is_not_written_with_the_connector(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, "a")
    deliver(connector.pk)
    first = Connector.objects.get().last_success_at
    queue(connector, "b")

    deliver(connector.pk)

    assert statuses(connector) == ["delivered"] * 2
    assert Connector.objects.get().last_success_at == first


def test_a_success_just_after_a_failure_is_written_with_the_connector(
    receiver: Receiver, settings: Settings
) -> None:
    settings.RETRY_SCHEDULE = [100]
    receiver.script([(200, {}, b""), (503, {}, b"down"), (200, {}, b"")])
    connector = hook(receiver)
    for name in "abc":
        queue(connector, name)
        deliver(connector.pk)

    connector.refresh_from_db()
    assert connector.last_success_at == Attempt.objects.get(delivery__message_id="c").finished_at
    assert connector.last_failure_at == Attempt.objects.get(delivery__message_id="b").finished_at


def test_a_failure_leaves_the_reference_of_what_arrived_before(
    receiver: Receiver, settings: Settings
) -> None:
    settings.RETRY_SCHEDULE = []
    receiver.script([(200, {}, b""), (503, {}, b"down")])
    connector = hook(receiver)
    queue(connector, "a")
    deliver(connector.pk)
    Delivery.objects.update(remote={"number": 7}, remote_url="https://example.com/7", status="failed")
    redeliver(Delivery.objects.all())

    deliver(connector.pk)

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason) == ("failed", "server_error")
    assert (delivery.remote, delivery.remote_url) == ({"number": 7}, "https://example.com/7")


def test_all_that_is_due_is_sent(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, *(str(n) for n in range(40)))

    assert deliver(connector.pk, seconds=30) is False

    assert sorted(int(request.json()["id"]) for request in receiver.requests) == list(range(40))
    assert statuses(connector) == ["delivered"] * 40


def test_a_server_error_is_tried_again_on_schedule(receiver: Receiver, settings: Settings) -> None:
    settings.RETRY_SCHEDULE = [100]
    receiver.script([(503, {}, b"down")])
    connector = hook(receiver)
    queue(connector, "a")

    deliver(connector.pk)

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason) == ("retrying", "server_error")
    wait = (delivery.next_attempt_at - timezone.now()).total_seconds()
    assert 75 < wait <= 120
    connector.refresh_from_db()
    assert connector.last_failure == "HTTP 503: down"

    retry_now()
    deliver(connector.pk)

    assert statuses(connector) == ["delivered"]
    assert list(Attempt.objects.order_by("number").values_list("number", "outcome", "http_status")) == [
        (1, "failed", 503),
        (2, "delivered", 200),
    ]


def test_the_id_of_a_delivery_stays_the_same_over_retries(receiver: Receiver) -> None:
    receiver.script([(500, {}, b"")])
    connector = hook(receiver)
    queue(connector, "a")

    deliver(connector.pk)
    retry_now()
    deliver(connector.pk)

    first, second = (request.headers["webhook-id"] for request in receiver.requests)
    assert first == second == str(Delivery.objects.get().pk)


def test_after_the_last_try_a_delivery_has_failed(receiver: Receiver, settings: Settings) -> None:
    settings.RETRY_SCHEDULE = [5]
    receiver.script(lambda request: (500, {}, b"no"))
    connector = hook(receiver)
    queue(connector, "a")

    deliver(connector.pk)
    retry_now()
    deliver(connector.pk)

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason, delivery.note) == ("failed", "server_error", "HTTP 500: no")
    assert delivery.settled_at is not None
    assert len(receiver.requests) == 2


def test_a_message_that_is_refused_is_final_and_the_connector_stays_on(receiver: Receiver) -> None:
    receiver.script([(422, {}, b"no such field")])
    connector = hook(receiver)
    queue(connector, "a", "b")

    deliver(connector.pk)

    assert sorted(statuses(connector)) == ["delivered", "failed"]
    connector.refresh_from_db()
    assert connector.paused_at is None


def test_a_receiver_that_is_gone_pauses_the_connector_and_nothing_is_lost(receiver: Receiver) -> None:
    receiver.script([(410, {}, b"closed")])
    connector = hook(receiver)
    queue(connector, "a")

    deliver(connector.pk)
    queue(connector, "b")
    deliver(connector.pk)

    connector.refresh_from_db()
    assert connector.paused_at is not None
    assert "410" in connector.paused_reason
    assert statuses(connector) == ["retrying", "pending"]
    assert len(receiver.requests) == 1

    resume(connector)
    deliver(connector.pk)

    assert statuses(connector) == ["delivered", "delivered"]


def test_an_answer_to_what_somebody_has_mended_meanwhile_pauses_nothing(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, "a")

    def gone_and_mended(request: Received) -> Answer:
        if request.path == "/new":
            return OK
        mended = Connector.objects.get()
        _, mended.secrets = split("webhook", {"url": f"{receiver.url}/new"})
        mended.save()
        connection.close()
        return 410, {}, b"gone"

    receiver.script(gone_and_mended)

    deliver(connector.pk)

    assert [request.path for request in receiver.requests] == ["/in", "/new"]
    assert (statuses(connector), Connector.objects.get().paused_at) == (["delivered"], None)


def test_retry_after_is_honoured(receiver: Receiver) -> None:
    receiver.script([(429, {"Retry-After": "600"}, b"")])
    connector = hook(receiver)
    queue(connector, "a")

    deliver(connector.pk)

    delivery = Delivery.objects.get()
    assert delivery.reason == "rate_limited"
    assert delivery.next_attempt_at > timezone.now() + timedelta(seconds=590)


def test_a_connector_whose_secrets_cannot_be_read_sends_nothing(
    receiver: Receiver, settings: Settings
) -> None:
    connector = hook(receiver)
    queue(connector, "a")
    settings.FIELD_ENCRYPTION_KEY = ["c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="]

    deliver(connector.pk)

    assert receiver.requests == []
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason) == ("retrying", "misconfigured")
    assert "FIELD_ENCRYPTION_KEY" in delivery.note


def test_a_disabled_connector_sends_nothing(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, "a")
    Connector.objects.update(enabled=False)

    deliver(connector.pk)

    assert receiver.requests == []
    assert statuses(connector) == ["pending"]


def test_a_connector_that_is_disabled_in_the_middle_of_the_work_sends_no_more(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_FRESH", 0.0)
    connector = hook(receiver)
    queue(connector, "a")

    def disabled(request: Received) -> Answer:
        queue(connector, "b")
        Connector.objects.update(enabled=False)
        connection.close()
        return OK

    receiver.script(disabled)

    assert deliver(connector.pk, seconds=30) is False

    assert statuses(connector) == ["delivered", "pending"]


def test_help_is_called_where_one_batch_does_not_take_all(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "BATCH", 2)
    connector = hook(receiver)
    called: list[str] = []

    queue(connector, "a")
    deliver(connector.pk, more=lambda: called.append("for one"))
    queue(connector, "b", "c")
    deliver(connector.pk, more=lambda: called.append("for two"))

    assert called == ["for two"]


def test_a_connector_of_a_type_that_is_there_no_more_is_paused(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, "a")
    Connector.objects.update(provider="carrier_pigeon")

    deliver(connector.pk)

    connector.refresh_from_db()
    assert connector.paused_at is not None
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason) == ("retrying", "misconfigured")
    assert connector.paused_reason == delivery.note


def bot(receiver: Receiver, name: str) -> Connector:
    """A connector that finds its messages again; its first one has the time stamp 1.0."""

    def answer(request: Received) -> Answer:
        posted = [each for each in receiver.requests if each.path.endswith("chat.postMessage")]
        return 200, {}, {"ok": True, "channel": "C1", "ts": f"{len(posted)}.0"}

    receiver.script(answer)
    token = {"bot_token": "xoxb-123-abc", "channel": "#alerts", "api_url": f"{receiver.url}/api"}
    connector = make_connector(name, "slack", **token)
    Connector.objects.filter(pk=connector.pk).update(rate_per_second=1000)
    return connector


def updated(receiver: Receiver) -> list[str]:
    """The time stamps of the messages that were rewritten."""
    return [request.json()["ts"] for request in receiver.requests if request.path.endswith("chat.update")]


def test_what_comes_again_is_followed_up_by_its_own_reference(receiver: Receiver) -> None:
    connector = bot(receiver, "bot")
    first, second = make_message(id="first"), make_message(id="second")
    for message in (first, make_resolve(first), second):
        enqueue([Order(connector, message, "test")])
        deliver(connector.pk)
    last = Delivery.objects.get(message_id="second").remote["ts"]

    enqueue([Order(connector, make_resolve(second), "test")])
    deliver(connector.pk)

    assert updated(receiver) == ["1.0", last]
    assert last != "1.0"


def test_each_connector_has_a_reference_of_its_own(receivers: Callable[..., Receiver]) -> None:
    one, other = receivers(), receivers()
    connectors = [bot(one, "one"), bot(other, "other")]
    enqueue([Order(connectors[1], make_message(id="before", key="before"), "test")])
    deliver(connectors[1].pk)
    for message in (make_message(), make_resolve(make_message())):
        for connector in connectors:
            enqueue([Order(connector, message, "test")])
            deliver(connector.pk)

    assert (updated(one), updated(other)) == (["1.0"], ["2.0"])


def test_a_resolve_follows_its_trigger(receiver: Receiver) -> None:
    connector = hook(receiver)
    enqueue([Order(connector, make_message(), "test")])
    deliver(connector.pk)
    enqueue([Order(connector, make_resolve(make_message()), "test")])

    deliver(connector.pk)

    assert [request.json()["status"] for request in receiver.requests] == ["firing", "resolved"]


def test_one_that_arrives_again_and_leaves_no_reference_has_none(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, "a")
    deliver(connector.pk)
    Delivery.objects.update(remote={"ts": "1"}, remote_url="https://example.com/1", note="As a reply.")

    redeliver(Delivery.objects.all())
    deliver(connector.pk)

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempt_count, len(receiver.requests)) == ("delivered", 2, 2)
    assert (delivery.remote, delivery.remote_url, delivery.note) == ({}, "", "")


def test_a_delivery_can_be_sent_at_once_whatever_its_next_try(receiver: Receiver) -> None:
    connector = hook(receiver)
    queue(connector, "a")
    Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))

    delivery = send_now(Delivery.objects.get())

    assert delivery.status == "delivered"
    assert len(receiver.requests) == 1


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(
    receiver: Receiver, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    connector = hook(receiver)
    queue(connector, *(str(n) for n in range(16)))

    with django_assert_max_num_queries(40):
        deliver(connector.pk)

    assert statuses(connector) == ["delivered"] * 16
