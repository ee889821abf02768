"""Trying a connector out: a question that sends nothing, then a real message, by the path of every other."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from connectors import history
from connectors.engine.send import send_now
from connectors.message import Message, Severity, Status
from connectors.models import Connector, Delivery, DeliveryStatus
from connectors.outbox import Order, delivery_for

logger = logging.getLogger(__name__)

# A trial is sent by whoever asked for it; a worker takes it only if that process dies before.
_LEFT_ALONE = timedelta(minutes=1)

RIGHTS = ("connectors.test_connector", "connectors.change_connector")
"""Either is enough to test a connector, and to resume it."""

ORIGIN = "test"
"""What asked for a test's deliveries."""
_KEY = "kubegraf-test-"  # before 32 hexadecimal digits


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: the test message's delivery and, where it opened something, the one that closed it."""

    delivery: Delivery
    closing: Delivery | None = None


def try_out(connector: Connector) -> Trial:
    """Sends a test message now and closes what it opened; both are deliveries on record like any other.

    Works for a connector that is disabled or paused, too. Nothing is tried a second time.
    """
    words = "connector %s: tested by %s"
    logger.info(words, connector.name, history.asking(), extra={"connector": connector.name})
    message = trial_message(connector)
    delivery = _send(connector, message)
    if delivery.status != DeliveryStatus.DELIVERED or not delivery.remote:
        return Trial(delivery)
    over = Message.from_json({**message.to_json(), "status": Status.RESOLVED.value})
    return Trial(delivery, _send(connector, over))


def last_trial(connector: Connector) -> Trial | None:
    """The last test on record, as `try_out` returned it; None if there was none, or it is pruned."""
    tests = Delivery.objects.filter(
        connector=connector, origin=ORIGIN, key__gte=_KEY, key__lt=_KEY + "g"
    ).order_by("-id")
    latest = list(tests[:2])
    if not latest:
        return None
    newest, *before = latest
    if newest.is_follow_up and before and before[0].key == newest.key:
        return Trial(before[0], newest)
    return Trial(newest)


def trial_message(connector: Connector) -> Message:
    """What a test says. It is an event of its own, so that it never touches a real one."""
    name = uuid.uuid4().hex
    return Message(
        id=f"test-{name}",
        key=f"{_KEY}{name}",
        event_type="test",
        title=f"Test of the connector “{connector.name}”",
        severity=Severity.INFO,
        timestamp=timezone.now(),
        description="If you can read this, KubeGraf's messages arrive here. There is nothing to do.",
        test=True,
    )


def _send(connector: Connector, message: Message) -> Delivery:
    delivery = delivery_for(Order(connector, message, ORIGIN))
    delivery.next_attempt_at = timezone.now() + _LEFT_ALONE
    delivery.save(force_insert=True)
    return send_now(delivery)
