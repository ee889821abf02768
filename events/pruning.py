"""Deletes events that are over and have become old, a few at a time, and knows which are still open."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from connectors import ids
from connectors.models import UNSETTLED, Delivery
from connectors.pruning import BATCH
from events.models import Event, EventStatus


def keeping() -> timedelta:
    """How long the record is kept."""
    return timedelta(days=settings.KEEP_DAYS)


def still_open(message_ids: Collection[str]) -> set[str]:
    """Which of these ids are of events that are open. An id that is no event's, such as a test's, is not."""
    event_ids = {event_id for text in message_ids if (event_id := ids.parsed(text)) is not None}
    firing = Event.objects.filter(pk__in=event_ids, status=EventStatus.FIRING)
    return {str(event_id) for event_id in firing.values_list("pk", flat=True)}


def prune_events(before: datetime, occurred_before: datetime, *, dry_run: bool = False) -> Iterator[int]:
    """Deletes what was resolved before `before`, and what occurred before `occurred_before`.

    Yields, after each transaction, how many; whoever calls it may stop at any time. An event stays while a
    delivery of it has not settled, while it is why another one, still open, was not told, and while what
    somebody resolved by hand is still so: it would open again otherwise.
    """
    inhibits = Event.objects.filter(inhibited_by=OuterRef("pk"), status=EventStatus.FIRING)
    old = Event.objects.filter(
        Q(status=EventStatus.RESOLVED, first_seen__lt=before, resolved_at__lt=before)
        | Q(status=EventStatus.OCCURRED, first_seen__lt=occurred_before, occurred_at__lt=occurred_before),
        first_seen__lt=max(before, occurred_before),
    )
    old = (
        old.exclude(Exists(inhibits))
        .filter(lingers=False)
        .order_by("first_seen", "pk")
        .only("pk", "first_seen")
    )
    position: tuple[datetime, uuid.UUID] | None = None
    while True:
        rows = old
        if position is not None:
            moment, pk = position
            rows = old.filter(
                Q(first_seen__gt=moment) | Q(first_seen=moment, pk__gt=pk), first_seen__gte=moment
            )
        with transaction.atomic():
            found = list(
                (rows if dry_run else rows.select_for_update(skip_locked=True, of=("self",)))[:BATCH]
            )
            if not found:
                return
            unsettled = Delivery.objects.filter(
                message_id__in=[str(event.pk) for event in found], status__in=UNSETTLED
            )
            kept = set(unsettled.values_list("message_id", flat=True))
            over = [event.pk for event in found if str(event.pk) not in kept]
            if not dry_run:
                Event.objects.filter(pk__in=over).only("pk").delete()
        position = (found[-1].first_seen, found[-1].pk)
        yield len(over)
