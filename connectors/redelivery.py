"""Sends once more what has settled: chosen deliveries, or all of a connector's that an outage has cost."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from connectors import history, tasks
from connectors.message import FOLLOW_UPS
from connectors.models import UNSETTLED, Connector, Delivery, DeliveryStatus

logger = logging.getLogger(__name__)

BATCH = 500

CHOICES = (DeliveryStatus.FAILED, DeliveryStatus.CANCELLED, DeliveryStatus.DELIVERED)
"""The statuses that can be sent again: the final ones."""


def redeliver(deliveries: Iterable[Delivery]) -> int:
    """Sends settled deliveries once more, under their own ids; returns how many.

    The attempts so far stay on record. What is still on its way is left alone.
    """
    pks = [delivery.pk for delivery in deliveries]
    with transaction.atomic():
        rows = list(
            Delivery.objects.select_for_update()
            .filter(pk__in=pks, connector__isnull=False)
            .exclude(status__in=UNSETTLED)
            .order_by("pk")
            .only("pk", "connector_id")
        )
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            status=DeliveryStatus.PENDING, next_attempt_at=timezone.now(), settled_at=None, reason="", note=""
        )
        connector_ids = [row.connector_id for row in rows if row.connector_id is not None]
        transaction.on_commit(lambda: tasks.wake(connector_ids))
    who = history.asking()
    for row in rows:
        logger.info("delivery %s: sent once more by %s", row.pk, who, extra={"delivery": row.pk})
    return len(rows)


def redeliver_since(
    connector: Connector, since: datetime, status: DeliveryStatus = DeliveryStatus.FAILED
) -> int:
    """Sends those of that status, written since then, once more under their own ids; returns how many.

    With a failed opening goes what was cancelled because the opening had never arrived, such as its resolve:
    else what is opened now would never be closed. Test messages are left out. Works in batches, each in a
    transaction of its own; what has been handed over stays so if a later one fails.
    """
    chosen = Delivery.objects.filter(
        connector=connector, status=status, created_at__gte=since, message__test=False
    ).order_by("pk")
    sent = 0
    last = None
    while True:
        following = chosen if last is None else chosen.filter(pk__gt=last)
        batch = list(following.only("pk", "message_id")[:BATCH])
        if not batch:
            return sent
        last = batch[-1].pk
        sent += redeliver([*batch, *_follow_ups_of(connector, batch)])


def _follow_ups_of(connector: Connector, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """What was cancelled that told what became of these."""
    follow_ups = Delivery.objects.filter(
        connector=connector,
        message_id__in={delivery.message_id for delivery in deliveries},
        status=DeliveryStatus.CANCELLED,
        message__status__in=[status.value for status in FOLLOW_UPS],
    ).exclude(pk__in=[delivery.pk for delivery in deliveries])
    return list(follow_ups.only("pk"))
