"""How connectors fare in numbers: what arrived in the last day, how long it took, and what waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from connectors import tally, text
from connectors.models import UNSETTLED, Connector, Delivery, Outcome

ARRIVED = (Outcome.DELIVERED, Outcome.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Vitals:
    """A connector's last day, counted by the hour, and its queue.

    `success_rate` is the share of attempts that arrived, `latency_p50` and `latency_p95` are seconds within
    which half of the attempts, and 95 of 100, had ended, well or not; all three are None where nothing was
    tried. `oldest_waiting_at` is when the oldest delivery that is not settled was written.
    """

    attempts: int = 0
    arrived: int = 0
    latency_p50: float | None = None
    latency_p95: float | None = None
    waiting: int = 0
    oldest_waiting_at: datetime | None = None

    @property
    def success_rate(self) -> float | None:
        """From 0 to 1."""
        return round(self.arrived / self.attempts, 4) if self.attempts else None

    @property
    def words(self) -> str:
        """The same for people."""
        sentences = ["Nothing was tried in the last 24 hours."]
        if self.attempts and self.latency_p50 is not None and self.latency_p95 is not None:
            sentences = [
                f"{self.arrived:,} of {self.attempts:,} attempts in the last 24 hours arrived;"
                f" half of them took up to {took(self.latency_p50)},"
                f" 95 of 100 up to {took(self.latency_p95)}."
            ]
        if self.waiting and self.oldest_waiting_at is not None:
            since = text.moment(self.oldest_waiting_at)
            sentences.append(f"{self.waiting:,} waiting, the oldest since {since}.")
        return " ".join(sentences)


def vitals_of(connectors: Iterable[Connector]) -> dict[int, Vitals]:
    """The numbers of each of them, in two queries that cost what waits and a day of hours, no more."""
    ids = [connector.pk for connector in connectors]
    counted = tally.of_last_day(ids)
    queues = (
        Delivery.objects.filter(connector_id__in=ids, status__in=UNSETTLED)
        .order_by()
        .values_list("connector_id")
        .annotate(Count("pk"), Min("created_at"))
    )
    waiting = {connector_id: (number, oldest) for connector_id, number, oldest in queues}
    return {pk: vitals(counted.get(pk, []), *waiting.get(pk, (0, None))) for pk in ids}


def vitals(counts: Iterable[tally.Count], waiting: int = 0, oldest: datetime | None = None) -> Vitals:
    """The numbers made of counted attempts, and of what waits."""
    attempts = arrived = 0
    steps: list[tuple[int, int]] = []
    for count in counts:
        attempts += count.amount
        arrived += count.amount if count.labels[1] in ARRIVED else 0
        if count.step is not None:  # of an attempt whose sender died nobody knows how long it took
            steps.append((count.step, count.amount))
    return Vitals(
        attempts=attempts,
        arrived=arrived,
        latency_p50=_rounded(tally.quantile(0.5, steps)),
        latency_p95=_rounded(tally.quantile(0.95, steps)),
        waiting=waiting,
        oldest_waiting_at=oldest,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def took(seconds: float) -> str:
    """How long something took, as people say it: `340 ms`, `2.5 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
