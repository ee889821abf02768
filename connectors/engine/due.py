"""What may be sent now."""

from __future__ import annotations

from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.lookups import IsNull

from connectors.engine import leases
from connectors.models import UNSETTLED, Delivery, DeliveryStatus

SETTLED = tuple(status for status in DeliveryStatus if status not in UNSETTLED)
WAITING = (DeliveryStatus.PENDING, DeliveryStatus.RETRYING)


def due(now: datetime, connector_id: int | None = None) -> QuerySet[Delivery]:
    """What may be sent now: it is time, nobody holds a lease, nothing earlier of its key is unsettled."""
    earlier = Delivery.objects.filter(
        connector_id=OuterRef("connector_id"),
        key=OuterRef("key"),
        id__lt=OuterRef("id"),
        # Put like this because of PostgreSQL: its index of what is unsettled knows of no keys.
    ).exclude(status__in=SETTLED)
    found = Delivery.objects.filter(
        # Not NOT EXISTS: that PostgreSQL makes a join with all that is unsettled, for every claim anew. This
        # it asks of one candidate after the other, and stops when there are enough.
        IsNull(Subquery(earlier.order_by().values("pk")[:1]), True),
        status__in=WAITING,
        next_attempt_at__lte=now,
    ).filter(status__in=UNSETTLED)  # says to which index this belongs
    if connector_id is not None:
        found = found.filter(connector_id=connector_id)
    return found.exclude(pk__in=leases.taken(connector_id))
