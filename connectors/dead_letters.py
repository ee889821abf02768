"""What has failed for good, summed up: through which connector, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min

from connectors import remedies
from connectors.models import Delivery, DeliveryStatus

COUNTED = 10_000
"""Of how many dead letters, the latest, the sums are made: tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class Group:
    """The dead letters of one connector that failed for one reason. Without id its connector is no more."""

    connector_id: int | None
    connector_name: str
    reason: str
    amount: int
    oldest: datetime
    latest: datetime

    @property
    def reason_label(self) -> str:
        """The reason, for people."""
        return remedies.label(self.reason) if self.reason else "no reason on record"

    @property
    def remedy(self) -> remedies.Remedy | None:
        """What that means, and what to do."""
        return remedies.remedy(self.reason)


@dataclass(frozen=True, slots=True)
class Summary:
    """The groups, the largest first; `more` where there are dead letters older than what was summed up."""

    groups: Sequence[Group]
    more: bool

    @property
    def amount(self) -> int:
        """How many were summed up."""
        return sum(group.amount for group in self.groups)


def summary() -> Summary:
    """The latest dead letters, by connector and reason."""
    failed = Delivery.objects.filter(status=DeliveryStatus.FAILED).order_by("-created_at")
    edge = failed.values_list("created_at", flat=True)[COUNTED : COUNTED + 1].first()
    if edge is not None:
        failed = failed.filter(created_at__gt=edge)
    rows = (
        failed.order_by()
        .values_list("connector_id", "connector_name", "reason")
        .annotate(amount=Count("pk"), oldest=Min("created_at"), latest=Max("created_at"))
    )
    groups = sorted((Group(*row) for row in rows), key=lambda group: (-group.amount, group.connector_name))
    return Summary(groups, edge is not None)
