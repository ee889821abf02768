"""How connectors and deliveries fare, in one word for lists and one sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.db.models import F, Q
from django.utils import timezone

from connectors import text
from connectors.fields import Unreadable
from connectors.models import BreakerState, Connector, Delivery, DeliveryStatus, Outcome


class State(StrEnum):
    """From worst to best."""

    UNREADABLE = "unreadable"
    PAUSED = "paused"
    FAILING = "failing"
    UNTRIED = "untried"
    WORKING = "working"


_FAILED_LAST = Q(last_failure_at__gt=F("last_success_at")) | Q(
    last_success_at=None, last_failure_at__isnull=False
)
_IN_TROUBLE = _FAILED_LAST | ~Q(breaker=BreakerState.CLOSED)

IN_STATE = {
    State.PAUSED: Q(paused_at__isnull=False),
    State.FAILING: Q(paused_at=None) & _IN_TROUBLE,
    State.UNTRIED: Q(paused_at=None, last_success_at=None) & ~_IN_TROUBLE,
    State.WORKING: Q(paused_at=None, last_success_at__isnull=False) & ~_IN_TROUBLE,
}
"""The connectors in each of the states that the database can tell."""


@dataclass(frozen=True, slots=True)
class Health:
    """A state, and what it means in words."""

    state: State
    words: str


def health(connector: Connector) -> Health:
    """How the connector fares by its last attempts. `enabled` is a wish, not a state."""
    if isinstance(connector.secrets, Unreadable):
        return Health(
            State.UNREADABLE,
            "Its secrets cannot be read with the present FIELD_ENCRYPTION_KEY:"
            " put the key back or enter them again.",
        )
    if connector.paused_at is not None:
        return Health(State.PAUSED, f"Paused: {connector.paused_reason or 'no reason is on record.'}")
    if connector.breaker != BreakerState.CLOSED:
        return Health(State.FAILING, breaker_words(connector))
    success, failure = connector.last_success_at, connector.last_failure_at
    if failure is not None and (success is None or failure > success):
        return Health(
            State.FAILING,
            _sentences(held_words(connector), f"The last attempt failed: {connector.last_failure}"),
        )
    if success is None:
        return Health(State.UNTRIED, "Nothing has been sent yet. Test it.")
    return Health(State.WORKING, "The last attempt arrived.")


def held_words(connector: Connector) -> str:
    """Until when nothing is sent because its service asked for that; nothing where it did not."""
    if connector.held_until is None or connector.held_until <= timezone.now():
        return ""
    return f"Nothing is sent until {text.moment(connector.held_until)}."


def breaker_words(connector: Connector) -> str:
    """How its circuit stands, for people; nothing where it lets everything through."""
    until = f" until {text.moment(connector.breaker_until)}" if connector.breaker_until else ""
    match BreakerState(connector.breaker):
        case BreakerState.CLOSED:
            return ""
        case BreakerState.OPEN if connector.breaker_until and connector.breaker_until <= timezone.now():
            words = (
                "Its receiver failed again and again. The next message that is due tries whether it is back."
            )
        case BreakerState.OPEN:
            words = f"Its receiver fails again and again, so nothing is sent{until}; then one message tries."
        case BreakerState.HALF_OPEN:
            words = "Its receiver failed again and again. One message is trying whether it is back."
    return _sentences(words, f"The last attempt failed: {connector.last_failure}")


def result_of_test(delivery: Delivery, closing: Delivery | None = None) -> Health:
    """What came of a test message that was just sent, and of closing what it opened."""
    last = delivery.attempts.last()
    if delivery.status == DeliveryStatus.FAILED:
        return Health(State.FAILING, _sentences("The test failed.", delivery.note))
    if delivery.status != DeliveryStatus.DELIVERED:
        return Health(State.UNTRIED, _sentences("The test message is still on its way.", delivery.note))
    if closing is not None and closing.status != DeliveryStatus.DELIVERED:
        words = "The test message arrived, but what it opened could not be closed: close it by hand."
        return Health(State.FAILING, _sentences(words, closing.note))
    if last is not None and last.outcome == Outcome.ACCEPTED:
        words = (
            "The service accepted the test message, but gives no proof that it was posted:"
            " look whether it is there."
        )
        return Health(State.WORKING, _sentences(words, delivery.note))
    words = "The test message arrived" + (" and was closed again." if closing else ".")
    return Health(State.WORKING, _sentences(words, delivery.note))


def _sentences(*texts: str) -> str:
    return " ".join(filter(None, texts))
