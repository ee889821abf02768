"""A burst of work wakes its connector now and once more, not a thousand times."""

from __future__ import annotations

from connectors.engine.wakeups import WakeUps
from tests.waiting import until

LONG = 30.0
SHORT = 0.02


def test_the_first_request_is_passed_on_at_once() -> None:
    sent: list[int] = []
    WakeUps(sent.append, LONG).ask(7)

    assert sent == [7]


def test_a_burst_is_passed_on_as_one() -> None:
    sent: list[int] = []
    wake_ups = WakeUps(sent.append, LONG)

    for _ in range(1000):
        wake_ups.ask(7)

    assert sent == [7]


def test_what_was_asked_for_meanwhile_is_passed_on_when_the_time_is_over() -> None:
    sent: list[int] = []
    wake_ups = WakeUps(sent.append, SHORT)

    wake_ups.ask(7)
    wake_ups.ask(7)

    until(lambda: sent == [7, 7])


def test_one_connector_does_not_hold_up_another() -> None:
    sent: list[int] = []
    wake_ups = WakeUps(sent.append, LONG)

    wake_ups.ask(7)
    wake_ups.ask(8)

    assert sent == [7, 8]


def test_after_a_while_a_request_is_passed_on_at_once_again() -> None:
    sent: list[int] = []
    wake_ups = WakeUps(sent.append, 0.0, each=0.0)

    wake_ups.ask(7)
    wake_ups.ask(7)

    assert sent == [7, 7]


def test_while_there_is_much_to_send_it_is_not_woken_again() -> None:
    sent: list[int] = []
    wake_ups = WakeUps(sent.append, 0.0, each=LONG)

    wake_ups.ask(7, messages=3)
    wake_ups.ask(7)

    assert sent == [7]


def test_however_much_there_is_it_is_woken_again_soon() -> None:
    sent: list[int] = []
    wake_ups = WakeUps(sent.append, 0.0, each=LONG)

    wake_ups.ask(7, messages=1_000_000)
    wake_ups.ask(7)

    until(lambda: sent == [7, 7], timeout=5)
