"""A receiver that fails again and again is left alone for a while, and nothing is lost by it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from connectors.engine import leases, limits
from connectors.engine.breaker import CLOSED, LONGEST, OPENS_AFTER, SHORTEST, Breaker, Sign, sign
from connectors.engine.send import deliver
from connectors.errors import Reason, SendError
from connectors.health import State, health
from connectors.models import Attempt, BreakerState, Connector, Delivery
from connectors.outbox import Order, enqueue, resume
from connectors.trial import try_out
from tests.calling import Caller
from tests.making import make_connector, make_message, statuses
from tests.receiver import OK, Answer, Received, Receiver

NOW = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
DOWN: Answer = (503, {}, b"down")

# --- The circuit ----------------------------------------------------------------------------------------


def opened() -> Breaker:
    return CLOSED.after([Sign.DOWN] * OPENS_AFTER, NOW)


def test_it_opens_after_five_failures_in_a_row() -> None:
    assert CLOSED.after([Sign.DOWN] * 4, NOW).state == BreakerState.CLOSED
    assert opened() == Breaker(BreakerState.OPEN, failures=5, trips=1, until=NOW + SHORTEST)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    signs = [Sign.DOWN] * 4 + [Sign.UP] + [Sign.DOWN] * 4
    assert CLOSED.after(signs, NOW).state == BreakerState.CLOSED


def test_what_says_nothing_of_the_receiver_neither_counts_nor_ends_the_count() -> None:
    signs = [Sign.DOWN] * 4 + [Sign.NONE] * 9 + [Sign.DOWN]
    assert CLOSED.after(signs, NOW).state == BreakerState.OPEN


def test_while_it_is_open_it_is_shut_until_its_time() -> None:
    assert opened().shut(NOW)
    assert not opened().shut(NOW + SHORTEST)
    assert not CLOSED.shut(NOW)


def test_what_was_on_its_way_when_it_opened_does_not_lengthen_the_wait() -> None:
    after = opened().after([Sign.DOWN] * 30, NOW + timedelta(seconds=9))
    assert (after.trips, after.until) == (1, NOW + SHORTEST)


def test_each_failed_probe_doubles_the_wait_up_to_ten_minutes() -> None:
    waits, circuit = [], opened()
    for _ in range(7):
        circuit = circuit.probing(NOW + timedelta(seconds=60)).after([Sign.DOWN], NOW)
        assert circuit.until is not None
        waits.append(circuit.until - NOW)
    assert [wait.total_seconds() for wait in waits] == [60, 120, 240, 480, 600, 600, 600]
    assert waits[-1] == LONGEST


def test_what_is_down_for_months_is_tried_every_ten_minutes_still() -> None:
    circuit = Breaker(BreakerState.HALF_OPEN, trips=100_000, until=NOW)

    assert circuit.after([Sign.DOWN], NOW).until == NOW + LONGEST


def test_a_probe_that_gets_through_closes_it_and_all_is_forgotten() -> None:
    assert opened().probing(NOW).after([Sign.UP], NOW) == CLOSED


def test_a_probe_that_says_nothing_leaves_it_open() -> None:
    assert opened().probing(NOW).after([Sign.NONE], NOW).state == BreakerState.OPEN


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, Sign.UP),
        (SendError(Reason.TIMEOUT, "", retry=True), Sign.DOWN),
        (SendError(Reason.NETWORK, "", retry=True), Sign.DOWN),
        (SendError(Reason.TLS, "", retry=True), Sign.DOWN),
        (SendError(Reason.SERVER_ERROR, "", retry=True), Sign.DOWN),
        (SendError(Reason.TLS, "The server offers no TLS", disable=True), Sign.UP),
        (SendError(Reason.RATE_LIMITED, "", retry=True), Sign.UP),
        (SendError(Reason.INVALID_MESSAGE, ""), Sign.UP),
        (SendError(Reason.AUTH, "", disable=True), Sign.UP),
        (SendError(Reason.GONE, "", disable=True), Sign.UP),
        (SendError(Reason.REDIRECT, ""), Sign.UP),
        (SendError(Reason.INTERNAL, "", retry=True), Sign.NONE),
        (SendError(Reason.BLOCKED, ""), Sign.NONE),
        (SendError(Reason.MISCONFIGURED, "", disable=True), Sign.NONE),
        (SendError(Reason.BAD_ANSWER, "", retry=True), Sign.NONE),
        (SendError(Reason.UNKNOWN, "", retry=True), Sign.NONE),
    ],
)
def test_what_a_result_says_of_the_receiver(error: SendError | None, expected: Sign) -> None:
    assert sign(error) is expected


# --- Connectors -----------------------------------------------------------------------------------------


def queue(connector: Connector, *names: str) -> None:
    enqueue([Order(connector, make_message(id=n, key=n), "test") for n in names])


def hook(receiver: Receiver) -> Connector:
    return make_connector(url=f"{receiver.url}/in")


def broken(receiver: Receiver) -> Connector:
    """A connector whose circuit has just opened: five deliveries wait for their second try."""
    receiver.script(lambda request: DOWN)
    connector = hook(receiver)
    queue(connector, *"abcde")
    deliver(connector.pk)
    connector.refresh_from_db()
    assert connector.breaker == BreakerState.OPEN
    return connector


def circuit(connector: Connector) -> tuple[str, int]:
    connector.refresh_from_db()
    return connector.breaker, connector.failures_in_row


@pytest.mark.django_db(transaction=True)
def test_while_it_is_open_deliveries_wait_and_use_up_no_attempts(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = broken(receiver)
    queue(connector, "later")

    clock.shift(29)
    deliver(connector.pk)

    assert len(receiver.requests) == 5
    later = Delivery.objects.get(message_id="later")
    assert (later.status, later.attempt_count) == ("pending", 0)
    assert Attempt.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_too_many_requests_and_refusals_do_not_open_it(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    receiver.script([(429, {}, b"")] * 4 + [(422, {}, b"")] * 4)
    connector = hook(receiver)
    queue(connector, *"abcdefgh")

    deliver(connector.pk)

    assert circuit(connector) == ("closed", 0)


@pytest.mark.django_db(transaction=True)
def test_a_probe_that_gets_through_lets_all_go(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = broken(receiver)
    queue(connector, "x", "y", "z")
    receiver.script(lambda request: OK)

    clock.shift(40)
    deliver(connector.pk, seconds=30)

    assert circuit(connector) == ("closed", 0)
    assert set(statuses(connector)) == {"delivered"}
    assert len(receiver.requests) == 5 + 8


@pytest.mark.django_db(transaction=True)
def test_a_probe_that_fails_is_the_only_one_and_doubles_the_wait(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = broken(receiver)
    queue(connector, "x", "y")

    clock.shift(31)
    deliver(connector.pk)

    assert len(receiver.requests) == 6
    connector.refresh_from_db()
    assert connector.breaker == BreakerState.OPEN
    assert connector.breaker_until == timezone.now() + timedelta(seconds=60)


@pytest.mark.django_db(transaction=True)
def test_while_a_probe_is_on_its_way_nobody_else_sends(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = broken(receiver)
    arrived, go_on = threading.Event(), threading.Event()

    def slow(request: Received) -> Answer:
        arrived.set()
        go_on.wait(20)
        return OK

    receiver.script(slow)
    clock.shift(31)

    def probe() -> None:
        deliver(connector.pk)
        connection.close()

    sender = threading.Thread(target=probe)
    sender.start()
    assert arrived.wait(20)
    deliver(connector.pk)
    during = len(receiver.requests)
    go_on.set()
    sender.join(30)

    assert during == 6
    assert circuit(connector) == ("closed", 0)


@pytest.mark.django_db(transaction=True)
def test_when_the_sender_of_a_probe_dies_the_next_one_goes_once_its_lease_is_over(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = broken(receiver)
    until = timezone.now() + timedelta(seconds=60)
    Connector.objects.update(breaker=BreakerState.HALF_OPEN, breaker_until=until)
    receiver.script(lambda request: OK)

    clock.shift(59)
    deliver(connector.pk)
    assert len(receiver.requests) == 5

    clock.shift(2)
    deliver(connector.pk)
    assert set(statuses(connector)) == {"delivered"}


@pytest.mark.django_db(transaction=True)
def test_of_two_who_saw_it_open_at_the_same_time_one_sends_a_probe(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    one = broken(receiver)
    other = Connector.objects.get()
    clock.shift(31)

    claims = [limits.claim_within(connector).claimed for connector in (one, other)]

    assert [len(claimed.deliveries) for claimed in claims] == [1, 0]


@pytest.mark.django_db(transaction=True)
def test_no_probe_is_waited_for_longer_than_the_circuit_waits(
    receiver: Receiver, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LENGTH", timedelta(hours=1))
    connector = broken(receiver)
    clock.shift(31)

    assert limits.claim_within(connector).claimed.deliveries

    connector.refresh_from_db()
    assert connector.breaker == BreakerState.HALF_OPEN
    assert connector.breaker_until == timezone.now() + LONGEST


@pytest.mark.django_db(transaction=True)
def test_a_test_that_arrives_closes_it(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = broken(receiver)
    receiver.script(lambda request: OK)

    assert try_out(connector).delivery.status == "delivered"

    assert circuit(connector) == ("closed", 0)


@pytest.mark.django_db(transaction=True)
def test_tests_that_fail_do_not_open_it(receiver: Receiver, clock: time_machine.Traveller) -> None:
    receiver.script(lambda request: DOWN)
    connector = hook(receiver)

    for _ in range(6):
        try_out(connector)

    assert circuit(connector) == ("closed", 0)


@pytest.mark.django_db(transaction=True)
def test_resuming_closes_it(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = broken(receiver)

    resume(connector)

    assert connector.breaker == BreakerState.CLOSED
    assert circuit(connector) == ("closed", 0)


@pytest.mark.django_db(transaction=True)
def test_an_open_circuit_is_told_of_in_words(receiver: Receiver, clock: time_machine.Traveller) -> None:
    found = health(broken(receiver))

    assert found.state is State.FAILING
    assert found.words == (
        "Its receiver fails again and again, so nothing is sent until 15 Jan 2025, 10:30:30 UTC; then one"
        " message tries. The last attempt failed: HTTP 503: down"
    )


@pytest.mark.django_db(transaction=True)
def test_an_open_circuit_whose_time_is_over_is_not_said_to_hold_anything(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = broken(receiver)
    clock.shift(31)

    assert health(connector).words == (
        "Its receiver failed again and again. The next message that is due tries whether it is back. The last"
        " attempt failed: HTTP 503: down"
    )


@pytest.mark.django_db(transaction=True)
def test_one_connector_that_fails_holds_up_no_other(
    receivers: object, receiver: Receiver, clock: time_machine.Traveller
) -> None:
    broken(receiver)
    other = make_connector("other", url=f"{receivers().url}/in")  # type: ignore[operator]  # a fixture's maker
    queue(other, "a")

    deliver(other.pk)

    assert statuses(other) == ["delivered"]


@pytest.mark.django_db(transaction=True)
def test_the_api_shows_how_the_circuit_stands(receiver: Receiver, clock: time_machine.Traveller) -> None:
    answer = Caller(everything=True).get(f"connectors/{broken(receiver).pk}/")

    assert (answer["breaker"], answer["breaker_until"]) == ("open", "2025-01-15T10:30:30Z")
    assert "nothing is sent until" in answer["state_words"]
