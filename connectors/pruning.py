"""Deletes deliveries that have become old, with their attempts, a few at a time.

What is still needed stays, however old it is: what has not settled, and what was said of a thing that is
still open or about to be closed, for closing it takes the reference that its opening left.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from connectors.models import UNSETTLED, Delivery

BATCH = 500
"""Deliveries in one transaction, which takes a fraction of a second: others wait no longer for it."""

Position = tuple[datetime, uuid.UUID]
StillOpen = Callable[[Collection[str]], Collection[str]]


def prune_deliveries(
    before: datetime, still_open: StillOpen, *, dry_run: bool = False, batch: int = BATCH
) -> Iterator[int]:
    """Deletes what was written and settled before that moment; yields, after each transaction, how many.

    Whoever calls it may stop at any time. `still_open` answers which of these message ids are of things that
    are not over. With `dry_run` nothing is deleted, only counted.
    """
    position: Position | None = None
    while True:
        with transaction.atomic():
            rows = _next(before, position, batch, lock=not dry_run)
            if not rows:
                return
            needed = _needed({row.message_id for row in rows}, still_open)
            ids = [row.pk for row in rows if row.message_id not in needed]
            if not dry_run:
                Delivery.objects.filter(pk__in=ids).only("pk").delete()
        position = (rows[-1].created_at, rows[-1].pk)
        yield len(ids)


def _next(before: datetime, position: Position | None, batch: int, *, lock: bool) -> Sequence[Delivery]:
    """The oldest after `position`, locked so that nobody sends them again meanwhile."""
    rows: QuerySet[Delivery] = Delivery.objects.filter(created_at__lt=before, settled_at__lt=before)
    rows = rows.exclude(status__in=UNSETTLED).order_by("created_at", "pk")
    rows = rows.only("pk", "created_at", "message_id")
    if position is not None:
        moment, pk = position
        rows = rows.filter(Q(created_at__gt=moment) | Q(created_at=moment, pk__gt=pk), created_at__gte=moment)
    return list((rows.select_for_update(skip_locked=True) if lock else rows)[:batch])


def _needed(message_ids: Collection[str], still_open: StillOpen) -> set[str]:
    # In this order: a thing that is no longer open has the delivery that says so on record.
    needed = set(still_open(message_ids))
    unsettled = Delivery.objects.filter(message_id__in=message_ids, status__in=UNSETTLED)
    return needed | set(unsettled.values_list("message_id", flat=True))
