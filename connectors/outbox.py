"""The transactional outbox: what is to be delivered is written in the transaction of what it reports."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import transaction
from django.utils import timezone

from connectors import bulk, history, ids, tally, tasks
from connectors.engine import breaker, leases, limits
from connectors.message import Message, Status
from connectors.models import UNSETTLED, Connector, Delivery, DeliveryStatus

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """Say this through that connector. `origin` names what asked for it, such as `subscription:12`."""

    connector: Connector
    message: Message
    origin: str


def enqueue(orders: Sequence[Order]) -> list[uuid.UUID]:
    """Writes the orders as deliveries in the caller's transaction; once it commits, the workers are woken.

    Returns the ids of the deliveries, in the order of the orders. If the wake-up is lost, the sweeper finds
    the rows. A resolve whose trigger has not been tried once is not delivered, and neither is the trigger,
    unless the connector wants what is already over, too.
    """
    if not orders:
        return []
    encoded: dict[int, msgspec.Raw] = {}  # one message often goes through several connectors
    pks = ids.several(len(orders))
    now = timezone.now()
    # Without a savepoint: where it fails, what it reports is not to be written either.
    with transaction.atomic(savepoint=False):
        over = _cancel_out(orders, now)
        rows = []
        for position, (pk, order) in enumerate(zip(pks, orders, strict=True)):
            message, connector = order.message, order.connector
            said = encoded.get(id(message))
            if said is None:
                said = encoded[id(message)] = message.encoded()
            fate = _CANCELLED if position in over else _PENDING
            rows.append(
                (
                    pk,
                    connector.pk,
                    connector.name,
                    connector.provider,
                    order.origin,
                    said,
                    message.id,
                    message.key,
                    message.severity.rank,
                    *fate,
                    now if position in over else None,
                    now,
                    now,
                )
            )
        bulk.insert_values(Delivery, _COLUMNS, rows)
    connector_ids = [order.connector.pk for order in orders]
    transaction.on_commit(lambda: tasks.wake(connector_ids))
    return pks


_COLUMNS = (
    "id", "connector_id", "connector_name", "provider", "origin", "message", "message_id", "key", "priority",
    "status", "note", "settled_at", "next_attempt_at", "created_at",
)  # fmt: skip
_OVER = "It was over before it could be sent."
_PENDING = (DeliveryStatus.PENDING.value, "")
_CANCELLED = (DeliveryStatus.CANCELLED.value, _OVER)


def delivery_for(order: Order) -> Delivery:
    """The row for an order, not saved."""
    message = order.message
    return Delivery(
        connector=order.connector,
        connector_name=order.connector.name,
        provider=order.connector.provider,
        origin=order.origin,
        message=message.to_json(),
        message_id=message.id,
        key=message.key,
        priority=message.severity.rank,
    )


def _cancel_out(orders: Sequence[Order], now: datetime) -> set[int]:
    """Cancels each resolve among new deliveries together with its trigger, where that was never tried.

    Returns the positions of the orders that are cancelled.
    """
    resolves = {
        (order.connector.pk, order.message.id): position
        for position, order in enumerate(orders)
        if order.message.status is Status.RESOLVED and not order.connector.deliver_brief
    }
    if not resolves:
        return set()
    earlier = list(
        Delivery.objects.select_for_update()
        .filter(message_id__in={message_id for _, message_id in resolves}, status__in=UNSETTLED)
        .order_by("pk")
        .only("connector_id", "message_id", "status", "attempt_count")
    )
    being_sent = leases.holders(delivery.pk for delivery in earlier)
    untried: dict[tuple[int | None, str], list[Delivery]] = {}
    tried: set[tuple[int | None, str]] = set()
    for delivery in earlier:
        pair = (delivery.connector_id, delivery.message_id)
        if delivery.attempt_count or delivery.status != DeliveryStatus.PENDING or delivery.pk in being_sent:
            tried.add(pair)
        else:
            untried.setdefault(pair, []).append(delivery)
    told = set(
        Delivery.objects.filter(
            message_id__in={message_id for _, message_id in resolves}, status=DeliveryStatus.DELIVERED
        ).values_list("connector_id", "message_id")
    )
    cancelled: list[str] = []
    over: set[int] = set()
    for pair, position in resolves.items():
        if pair in untried and pair not in tried and pair not in told:
            Delivery.objects.filter(pk__in=[delivery.pk for delivery in untried[pair]]).update(
                status=DeliveryStatus.CANCELLED, note=_OVER, settled_at=now
            )
            over.add(position)
            cancelled += [orders[position].connector.provider] * (len(untried[pair]) + 1)
    tally.add_cancelled(cancelled)
    return over


def resume(connector: Connector) -> None:
    """Takes a connector out of its pause, and closes its circuit; what waits goes out at once."""
    changes = {"paused_at": None, "paused_reason": "", "held_until": None, **limits.columns(breaker.CLOSED)}
    Connector.objects.filter(pk=connector.pk).update(**changes)
    for name, value in changes.items():
        setattr(connector, name, value)
    words = "connector %s: resumed by %s"
    logger.info(words, connector.name, history.asking(), extra={"connector": connector.name})
    transaction.on_commit(lambda: tasks.wake({connector.pk}))
