"""The transactional outbox: what is to be delivered is written in the transaction of what it reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from connectors import bulk, tally, tasks
from connectors.engine import breaker, limits
from connectors.message import JSONDict, Message, Status
from connectors.models import UNSETTLED, Connector, Delivery, DeliveryStatus


@dataclass(frozen=True, slots=True)
class Order:
    """Say this through that connector. `origin` names what asked for it, such as `subscription:12`."""

    connector: Connector
    message: Message
    origin: str


def enqueue(orders: Sequence[Order]) -> list[Delivery]:
    """Writes the orders as deliveries in the caller's transaction; once it commits, the workers are woken.

    If that wake-up is lost, the sweeper finds the rows. A resolve whose trigger has not been tried once is
    not delivered, and neither is the trigger, unless the connector wants what is already over, too.
    """
    if not orders:
        return []
    messages: dict[int, JSONDict] = {}  # one message often goes through several connectors
    deliveries = [
        delivery_for(
            order,
            messages.get(id(order.message))
            or messages.setdefault(id(order.message), order.message.to_json()),
        )
        for order in orders
    ]
    with transaction.atomic():
        _cancel_out(deliveries, [order.connector.deliver_brief for order in orders])
        bulk.insert(deliveries)
    connector_ids = {order.connector.pk for order in orders}
    transaction.on_commit(lambda: tasks.wake(connector_ids))
    return deliveries


def delivery_for(order: Order, message_json: JSONDict | None = None) -> Delivery:
    """The row for an order, not saved. `message_json` is its message, where that was encoded already."""
    message = order.message
    return Delivery(
        connector=order.connector,
        connector_name=order.connector.name,
        provider=order.connector.provider,
        origin=order.origin,
        message=message.to_json() if message_json is None else message_json,
        message_id=message.id,
        key=message.key,
        priority=message.severity.rank,
    )


def _cancel_out(deliveries: Sequence[Delivery], keep: Sequence[bool]) -> None:
    """Cancels each resolve among new deliveries together with its trigger, where that was never tried."""
    resolves = {
        (delivery.connector_id, delivery.message_id): delivery
        for delivery, kept in zip(deliveries, keep, strict=True)
        if not kept and delivery.message["status"] == Status.RESOLVED
    }
    if not resolves:
        return
    earlier = (
        Delivery.objects.select_for_update()
        .filter(message_id__in={message_id for _, message_id in resolves}, status__in=UNSETTLED)
        .only("connector_id", "message_id", "status", "attempt_count")
    )
    untried: dict[tuple[int | None, str], list[Delivery]] = {}
    tried: set[tuple[int | None, str]] = set()
    for delivery in earlier:
        pair = (delivery.connector_id, delivery.message_id)
        if delivery.attempt_count or delivery.status != DeliveryStatus.PENDING:
            tried.add(pair)
        else:
            untried.setdefault(pair, []).append(delivery)
    told = set(
        Delivery.objects.filter(
            message_id__in={message_id for _, message_id in resolves}, status=DeliveryStatus.DELIVERED
        ).values_list("connector_id", "message_id")
    )
    note = "It was over before it could be sent."
    now = timezone.now()
    cancelled: list[str] = []
    for pair, resolve in resolves.items():
        if pair in untried and pair not in tried and pair not in told:
            Delivery.objects.filter(pk__in=[delivery.pk for delivery in untried[pair]]).update(
                status=DeliveryStatus.CANCELLED, note=note, settled_at=now
            )
            resolve.status, resolve.note, resolve.settled_at = DeliveryStatus.CANCELLED, note, now
            cancelled += [resolve.provider] * (len(untried[pair]) + 1)
    tally.add_cancelled(cancelled)


def redeliver(deliveries: Iterable[Delivery]) -> int:
    """Sends settled deliveries once more, under their own ids; returns how many.

    The attempts so far stay on record. What is still on its way is left alone.
    """
    ids = [delivery.pk for delivery in deliveries]
    with transaction.atomic():
        rows = list(
            Delivery.objects.select_for_update()
            .filter(pk__in=ids, connector__isnull=False)
            .exclude(status__in=UNSETTLED)
            .order_by("pk")
            .only("pk", "connector_id")
        )
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            status=DeliveryStatus.PENDING, next_attempt_at=timezone.now(), settled_at=None, reason="", note=""
        )
        connector_ids = {row.connector_id for row in rows if row.connector_id is not None}
        transaction.on_commit(lambda: tasks.wake(connector_ids))
    return len(rows)


def resume(connector: Connector) -> None:
    """Takes a connector out of its pause, and closes its circuit; what waits goes out at once."""
    changes = {"paused_at": None, "paused_reason": "", **limits.columns(breaker.CLOSED)}
    Connector.objects.filter(pk=connector.pk).update(**changes)
    for name, value in changes.items():
        setattr(connector, name, value)
    transaction.on_commit(lambda: tasks.wake({connector.pk}))
