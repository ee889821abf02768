"""How everything is, in one look: what needs attention, what is open, what came through, and who does it.

Everything is read from counts (`connectors.tally`) and from what is open or configured, not from the record:
it costs the same however long that is. The number of queries does not depend on the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.db.models import Case, Count, Exists, OuterRef, Q, When
from django.utils import timezone

from connectors import tally
from connectors.health import IN_STATE, Health, State, health
from connectors.message import Severity
from connectors.models import Connector, Delivery, DeliveryStatus
from connectors.vitals import Vitals, vitals, vitals_of
from events.models import Cluster, Event, EventStatus, Subscription
from events.record import EVENTS
from events.silences import in_force
from events.standing import Standing, amiss, standing

SHOWN = 50
"""How many connectors and clusters are looked at: those in trouble first, as far as the database can tell."""
NEWEST = 8
MOST_DEAD = 1_000
"""Dead letters are counted up to this."""
CROWDED = 100
"""Clusters that have open events are told one by one up to this."""


class Period(StrEnum):
    """What is looked back on."""

    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return timedelta(hours=24) if self is Period.DAY else timedelta(days=7)

    @property
    def step(self) -> timedelta:
        """The time that is counted together."""
        return timedelta(hours=1) if self is Period.DAY else timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Slice:
    """What was counted from `began` until `ended`, by word."""

    began: datetime
    ended: datetime
    amounts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """What was counted in a period: in all, by word, and in slices of time, the earliest first."""

    total: int
    amounts: dict[str, int]
    slices: list[Slice]


@dataclass(frozen=True, slots=True)
class OpenIn:
    """What is open in a cluster, by severity; its `pk` is None where it is none that is watched."""

    pk: int | None
    name: str
    severities: dict[str, int]

    @property
    def total(self) -> int:
        """Of whatever severity."""
        return sum(self.severities.values())


@dataclass(frozen=True, slots=True)
class OpenEvents:
    """What is open now: by severity, in each cluster (the worst first), and the newest."""

    total: int
    severities: dict[str, int]
    clusters: list[OpenIn]
    newest: list[Event]


@dataclass(frozen=True, slots=True)
class ConnectorLine:
    """A connector, how it is, and how it fares."""

    connector: Connector
    health: Health
    vitals: Vitals
    subscribed: bool

    @property
    def in_trouble(self) -> bool:
        """Whether somebody should look at it."""
        bad = (State.UNREADABLE, State.PAUSED, State.FAILING)
        return self.connector.enabled and self.health.state in bad


@dataclass(frozen=True, slots=True)
class ClusterLine:
    """A cluster, and how its watch stands."""

    cluster: Cluster
    standing: Standing


@dataclass(frozen=True, slots=True)
class Overview:
    """A section is None for whoever may not see it."""

    period: Period
    at: datetime
    open: OpenEvents | None = None
    events: Flow | None = None
    deliveries: Flow | None = None
    sending: Vitals | None = None
    dead_letters: int | None = None
    silences: int | None = None
    connectors: list[ConnectorLine] | None = None
    clusters: list[ClusterLine] | None = None


Person = AbstractBaseUser | AnonymousUser


def overview(person: Person, period: Period = Period.DAY) -> Overview:
    """What this person may see of it, as of now."""
    now = timezone.now()

    def may(right: str) -> bool:
        return isinstance(person, PermissionsMixin | AnonymousUser) and person.has_perm(right)

    sees_events, sees_deliveries = may("events.view_event"), may("connectors.view_delivery")
    flows = _flows([EVENTS] * sees_events + [tally.DELIVERIES] * sees_deliveries, period, now)
    return Overview(
        period=period,
        at=now,
        open=_open() if sees_events else None,
        events=flows.get(EVENTS),
        deliveries=flows.get(tally.DELIVERIES),
        sending=vitals(tally.of_last_day_together()) if sees_deliveries else None,
        dead_letters=_dead_letters(now) if sees_deliveries else None,
        silences=in_force(now).count() if may("events.view_silence") else None,
        connectors=_connectors() if may("connectors.view_connector") else None,
        clusters=_clusters(now) if may("events.view_cluster") else None,
    )


def _flows(names: Sequence[str], period: Period, now: datetime) -> dict[str, Flow]:
    if not names:
        return {}
    first = _floor(now, period.step) + period.step - period.length
    counted = tally.by_hour(names, first)
    # What an event's labels say last is how severe it is, and a delivery's, how it ended.
    return {name: _flow(counted.get(name, ()), first, period) for name in names}


def _flow(counted: Iterable[tally.Hour], first: datetime, period: Period) -> Flow:
    slices = [
        Slice(first + number * period.step, first + (number + 1) * period.step, defaultdict(int))
        for number in range(period.length // period.step)
    ]
    amounts: dict[str, int] = defaultdict(int)
    for hour in counted:
        number = (hour.began - first) // period.step
        if 0 <= number < len(slices):
            slices[number].amounts[hour.labels[-1]] += hour.amount
            amounts[hour.labels[-1]] += hour.amount
    return Flow(sum(amounts.values()), amounts, slices)


def _floor(moment: datetime, step: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def _open() -> OpenEvents:
    firing = Event.objects.filter(status=EventStatus.FIRING)
    severities: dict[str, int] = defaultdict(int)
    clusters: dict[tuple[int | None, str], dict[str, int]] = defaultdict(dict)
    grouped = firing.order_by().values_list("cluster_id", "cluster_name", "severity")
    for cluster_id, name, severity, number in grouped.annotate(Count("pk")):
        severities[severity] += number
        clusters[cluster_id, name][severity] = number
    worst_first = sorted(clusters.items(), key=lambda item: _weight(item[1]), reverse=True)
    return OpenEvents(
        total=sum(severities.values()),
        severities={severity.value: severities.get(severity, 0) for severity in Severity},
        clusters=[OpenIn(*key, found) for key, found in worst_first[:CROWDED]],
        newest=list(firing.defer("details", "routing", "recommendations").order_by("-first_seen")[:NEWEST]),
    )


def _weight(severities: dict[str, int]) -> tuple[int, ...]:
    return tuple(severities.get(severity, 0) for severity in Severity)


def _dead_letters(now: datetime) -> int:
    since = now - timedelta(hours=24)
    dead = Delivery.objects.filter(status=DeliveryStatus.FAILED, created_at__gte=since)
    return dead[:MOST_DEAD].count()


_TROUBLE = (IN_STATE[State.PAUSED], IN_STATE[State.FAILING])


def _first(these: Q) -> Case:
    """Orders these before all others."""
    return Case(When(these, then=0), default=1)


def _connectors() -> list[ConnectorLine]:
    subscribed = Subscription.objects.filter(connector=OuterRef("pk"), enabled=True)
    rows = Connector.objects.annotate(subscribed=Exists(subscribed))
    connectors = list(rows.order_by("-enabled", *map(_first, _TROUBLE), "name")[:SHOWN])
    fares = vitals_of(connectors)
    lines = [
        ConnectorLine(connector, health(connector), fares[connector.pk], connector.subscribed)
        for connector in connectors
    ]
    return sorted(lines, key=lambda line: (not line.in_trouble, not line.connector.enabled))


def _clusters(now: datetime) -> list[ClusterLine]:
    rows = Cluster.objects.defer("kubeconfig", "health").order_by("-enabled", _first(amiss(now)), "name")
    lines = [ClusterLine(cluster, standing(cluster, now)) for cluster in rows[:SHOWN]]
    return sorted(
        lines, key=lambda line: (not line.standing.amiss, not line.cluster.enabled, line.cluster.name)
    )
