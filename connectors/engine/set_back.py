"""A clock that was set back: what was to happen at a time that comes once more does not wait for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from connectors.engine import leases
from connectors.models import Connector, Delivery, DeliveryStatus, Lease

SKEW = timedelta(minutes=1)
"""By so much the clocks of two workers may differ. What was done later than this from now was done before."""


@transaction.atomic
def mend() -> None:
    """Has what was written by the former time be due now, and leases run no longer than ever.

    What has never been tried waits for nothing but that. Whether a next try or a lease is from a former time
    is told by the clock that all share: by one that is only slow here, no try of others may come early.
    """
    ours, shared = timezone.now(), leases.clock()
    for status, now in ((DeliveryStatus.PENDING, ours), (DeliveryStatus.RETRYING, shared)):
        written = Delivery.objects.filter(created_at__gt=now + SKEW, status=status, next_attempt_at__gt=now)
        written.update(next_attempt_at=now)
    Lease.objects.filter(until__gt=shared + leases.LENGTH + SKEW).update(until=shared + leases.LENGTH)


def concerns(connector: Connector, now: datetime) -> bool:
    """Whether the connector's bucket was last looked at by the former time."""
    return connector.tokens_at is not None and connector.tokens_at > now + SKEW
