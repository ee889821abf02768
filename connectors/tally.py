"""Counts that outlive what was counted: attempts, deliveries, and whatever else has a name and labels.

Nothing is counted by looking through the record, which is long and is pruned. Whoever writes something that
counts adds its tally in the same transaction, so that count and record cannot differ, and none of the counts
ever falls. Kept are the totals, by labels, and by the hour the last day of each connector and the last eight
days of what is counted for no connector alone.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from connectors import bulk
from connectors.errors import Reason
from connectors.models import DeliveryStatus, Outcome, Tally

ATTEMPTS = "attempts"
"""Attempts that have ended. Labels: provider, outcome, reason."""
DELIVERIES = "deliveries"
"""Deliveries that have settled, again for each redelivery. Labels: provider, status."""

STEPS: tuple[float, ...] = (
    0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3,
    0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 60.0,
)  # fmt: skip
"""Seconds. What took up to STEPS[n], but longer than the step before, has step n; the last one is open."""

DAY = timedelta(hours=24)
KEPT = timedelta(days=8)
"""How long the hours are kept of what is counted for no connector alone: a week, and the day it began on."""
# Rows merged in one transaction, which takes a fraction of a second.
MERGED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Count:
    """So many, with these labels. `step` and `seconds` are set where it matters how long they took."""

    labels: tuple[str, ...]
    step: int | None
    amount: int
    seconds: float


class Told(Protocol):
    """What is counted of a delivery."""

    @property
    def provider(self) -> str: ...
    @property
    def connector_id(self) -> int | None: ...
    @property
    def status(self) -> str: ...
    @property
    def settled_at(self) -> datetime | None: ...


class Ended(Protocol):
    """What is counted of an attempt that has ended."""

    @property
    def started_at(self) -> datetime: ...
    @property
    def finished_at(self) -> datetime | None: ...
    @property
    def outcome(self) -> str: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Hour:
    """So many with these labels in the hour that began then."""

    began: datetime
    labels: tuple[str, ...]
    amount: int


@dataclass(slots=True)
class _Sum:
    amount: int = 0
    seconds: float = 0.0


def add(name: str, labels: Iterable[tuple[str, ...]]) -> None:
    """Counts one for each of these labels, in the caller's transaction."""
    _insert({_Key(name, _text(each)): _Sum(amount) for each, amount in Counter(labels).items()})


def add_attempts(attempts: Iterable[tuple[Told, Ended]]) -> None:
    """Counts ended attempts, and those of their deliveries that have settled, in the caller's transaction."""
    # Summed up under plain tuples first: this is done for every attempt, what follows once for those alike.
    took: dict[tuple[str, str, str, int, int | None], list[float]] = defaultdict(list)
    settled: dict[tuple[str, str], int] = defaultdict(int)
    for delivery, attempt in attempts:
        ended = attempt.finished_at or attempt.started_at
        seconds = max(0.0, (ended - attempt.started_at).total_seconds())
        step = bisect_left(STEPS, seconds)
        took[delivery.provider, attempt.outcome, attempt.reason, step, delivery.connector_id].append(seconds)
        if delivery.settled_at is not None:
            settled[delivery.provider, delivery.status] += 1
    sums: dict[_Key, _Sum] = {}
    for (*labels, step, connector_id), all_seconds in took.items():
        key = _Key(ATTEMPTS, _text(tuple(labels)), step, connector_id)
        sums[key] = _Sum(len(all_seconds), sum(all_seconds))
    for status, amount in settled.items():
        sums[_Key(DELIVERIES, _text(status))] = _Sum(amount)
    _insert(sums)


def add_lost(deliveries: Iterable[Told]) -> None:
    """Counts, for each of these, an attempt whose sender died, in the caller's transaction."""
    sums: dict[_Key, _Sum] = defaultdict(_Sum)
    for delivery in deliveries:
        labels = _text((delivery.provider, Outcome.UNKNOWN, Reason.UNKNOWN))
        sums[_Key(ATTEMPTS, labels, connector_id=delivery.connector_id)].amount += 1
    _insert(sums)


def add_cancelled(providers: Iterable[str]) -> None:
    """Counts a cancelled delivery for each of these providers, in the caller's transaction."""
    add(DELIVERIES, ((provider, DeliveryStatus.CANCELLED) for provider in providers))


def totals() -> dict[str, list[Count]]:
    """Every count since the beginning, by name."""
    found: dict[str, list[Count]] = defaultdict(list)
    rows = Tally.objects.filter(Q(fresh=True) | Q(hour=None)).order_by()
    grouped = rows.values_list("name", "labels", "step").annotate(Sum("amount"), Sum("seconds"))
    for name, labels, step, amount, seconds in grouped:
        found[name].append(Count(tuple(json.loads(labels)), step, amount, seconds))
    return found


def of_last_day(connector_ids: Iterable[int]) -> dict[int, list[Count]]:
    """Each connector's attempts since the hour that began a day ago."""
    found: dict[int, list[Count]] = defaultdict(list)
    since = _hour(timezone.now() - DAY)
    rows = Tally.objects.filter(connector_id__in=list(connector_ids), hour__gte=since, name=ATTEMPTS)
    grouped = rows.order_by().values_list("connector_id", "labels", "step")
    for connector_id, labels, step, amount, seconds in grouped.annotate(Sum("amount"), Sum("seconds")):
        if connector_id is not None:
            found[connector_id].append(Count(tuple(json.loads(labels)), step, amount, seconds))
    return found


def hours_of(connector_id: int) -> dict[datetime, dict[str, int]]:
    """A connector's attempts in each hour since the one that began a day ago, by outcome.

    Every hour is there, oldest first; the last is the one that it is now.
    """
    since = _hour(timezone.now() - DAY)
    found: dict[datetime, dict[str, int]] = {since + timedelta(hours=number): {} for number in range(25)}
    rows = Tally.objects.filter(connector_id=connector_id, hour__gte=since, name=ATTEMPTS)
    for hour, labels, amount in rows.order_by().values_list("hour", "labels").annotate(Sum("amount")):
        outcome = json.loads(labels)[1]
        if hour in found:  # an hour that begins while this is read is left for the next time
            found[hour][outcome] = found[hour].get(outcome, 0) + amount
    return found


def of_last_day_together() -> list[Count]:
    """All connectors' attempts since the hour that began a day ago, those of deleted ones too."""
    since = _hour(timezone.now() - DAY)
    rows = Tally.objects.filter(connector_id__isnull=False, hour__gte=since, name=ATTEMPTS)
    grouped = rows.order_by().values_list("labels", "step").annotate(Sum("amount"), Sum("seconds"))
    return [Count(tuple(json.loads(labels)), *rest) for labels, *rest in grouped]


def by_hour(names: Iterable[str], since: datetime) -> dict[str, list[Hour]]:
    """What was counted for no connector alone, by name, in each hour since the one in which `since` lies.

    At most KEPT ago; an hour in which there was nothing is left out.
    """
    found: dict[str, list[Hour]] = defaultdict(list)
    rows = Tally.objects.filter(connector_id=None, hour__gte=_hour(since), name__in=list(names))
    grouped = rows.order_by().values_list("name", "hour", "labels").annotate(Sum("amount"))
    for name, hour, labels, amount in grouped:
        if hour is not None:
            found[name].append(Hour(hour, tuple(json.loads(labels)), amount))
    return found


def quantile(share: float, steps: Sequence[tuple[int, int]]) -> float | None:
    """Seconds within which that share of what was counted was done; None if nothing was counted.

    `steps` has pairs of step and amount. The answer is read off between the bounds of a step as if its
    attempts were spread evenly over it; neighbouring bounds are a factor of two apart at most.
    """
    total = sum(amount for _, amount in steps)
    wanted, below = share * total, 0
    for step, amount in sorted(steps):
        if below + amount >= wanted and amount:
            lower = STEPS[step - 1] if step else 0.0
            upper = STEPS[step] if step < len(STEPS) else lower
            return lower + (upper - lower) * (wanted - below) / amount
        below += amount
    return None


def merge() -> int:
    """Makes few rows of many, in transactions of bounded size; returns how many it took up.

    Several may do so at once: each leaves alone what another has locked, and any two rows of a count may be
    merged without changing its sum.
    """
    taken = 0
    while True:
        found = _merge_some()
        taken += found
        if found < MERGED_AT_ONCE:
            return taken


def forget_hours() -> int:
    """Deletes the hours that are kept no longer; returns how many rows."""
    now = timezone.now()
    of_a_connector = Q(connector_id__isnull=False, hour__lt=_hour(now - DAY))
    past = Tally.objects.filter(of_a_connector | Q(hour__lt=_hour(now - KEPT)), fresh=False)
    deleted, _ = past.delete()
    return deleted


# --- Rows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Key:
    """What the rows of one sum have in common."""

    name: str
    labels: str
    step: int | None = None
    connector_id: int | None = None
    hour: datetime | None = None


def _text(labels: tuple[str, ...]) -> str:
    # As plain words, not as members of the enumerations they come from.
    return json.dumps([str(label) for label in labels])


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _insert(sums: dict[_Key, _Sum]) -> None:
    if not sums:
        return
    hour = _hour(timezone.now())
    bulk.insert_values(
        Tally,
        ("name", "labels", "step", "amount", "seconds", "connector_id", "hour"),
        [
            (key.name, key.labels, key.step, value.amount, value.seconds, key.connector_id, hour)
            for key, value in sums.items()
        ],
    )


def _merge_some() -> int:
    with transaction.atomic():
        locked = Tally.objects.select_for_update(skip_locked=True)
        fresh = list(locked.filter(fresh=True).order_by("pk")[:MERGED_AT_ONCE])
        if not fresh:
            return 0
        of_connectors = Q(
            connector_id__in={row.connector_id for row in fresh if row.connector_id is not None}
        )
        same_hours = (of_connectors | Q(connector_id=None)) & Q(hour__in={row.hour for row in fresh})
        # Those of the same counts alone: of a thousand connectors an hour has ten thousand rows.
        counted = {key for row in fresh for key in _keys(row)}
        others = Tally.objects.filter(Q(hour=None) | same_hours, fresh=False)
        keys = others.values_list("name", "labels", "step", "connector_id", "hour", "pk")
        same = [
            pk for name, labels, step, of, hour, pk in keys if _Key(name, labels, step, of, hour) in counted
        ]
        merged = list(locked.filter(pk__in=same))
        sums: dict[_Key, _Sum] = defaultdict(_Sum)
        for row in (*fresh, *merged):
            for key in _keys(row):
                sums[key].amount += row.amount
                sums[key].seconds += row.seconds
        Tally.objects.filter(pk__in=[row.pk for row in (*fresh, *merged)]).delete()
        Tally.objects.bulk_create(
            Tally(
                name=key.name,
                labels=key.labels,
                step=key.step,
                amount=value.amount,
                seconds=value.seconds,
                connector_id=key.connector_id,
                hour=key.hour,
                fresh=False,
            )
            for key, value in sums.items()
        )
    return len(fresh)


def _keys(row: Tally) -> Iterator[_Key]:
    """The sums that a row is part of."""
    if row.fresh or row.hour is None:
        yield _Key(row.name, row.labels, row.step)
    if row.hour is not None:
        yield _Key(row.name, row.labels, row.step, row.connector_id, row.hour)
