"""`/metrics` for Prometheus: deliveries, attempts, queues, breakers, clusters and events.

All is asked of the database, where every process writes, so that one answer stands for all of them, whichever
web process gives it. Counters come from `connectors.tally`: reading them costs the same however long the
record is, and pruning does not lower them. Gauges look at what is unsettled or open, never at the past.

A middleware, and before those that look at host and scheme: Prometheus asks by a pod's address and over plain
http, as probes do. A browser that is signed in comes through to `view`.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import product

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from connectors import registry, tally
from connectors.models import UNSETTLED, BreakerState, Connector, Delivery, DeliveryStatus
from events.models import Cluster, Event, EventStatus, WatchState
from events.record import EVENTS
from kubegraf.tokens import TokenAuthentication

PATH = "/metrics"

Answer = Callable[[HttpRequest], HttpResponse]


class MetricsMiddleware:
    """Answers GET and HEAD of the path where they bring an Authorization header."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The metrics or a refusal, or the answer of the rest of the site."""
        asked = request.path == PATH and request.method in ("GET", "HEAD")
        if not asked or "Authorization" not in request.headers:
            return self._get_response(request)
        return exposition(request) if _is_known(request) else _refusal()


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    """The metrics, for staff who are signed in. 401 for nobody, 403 for somebody else."""
    user: AbstractBaseUser | AnonymousUser = request.user
    if not user.is_authenticated:
        return _refusal()
    if not getattr(user, "is_staff", False):
        return HttpResponse("Metrics are for staff.\n", status=403, content_type="text/plain")
    return exposition(request)


def exposition(request: HttpRequest) -> HttpResponse:
    """All metrics in the format that is asked for: Prometheus' text, or OpenMetrics."""
    collected = CollectorRegistry(auto_describe=False)
    collected.register(Metrics())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    response = HttpResponse(encode(collected), content_type=content_type)
    response["Cache-Control"] = "no-store"
    return response


def _is_known(request: HttpRequest) -> bool:
    """Whether the request brings KUBEGRAF_METRICS_TOKEN, or a token of somebody with a role that reads."""
    scheme, _, sent = request.headers["Authorization"].partition(" ")
    if scheme.lower() == "bearer":
        token: str = settings.METRICS_TOKEN
        return bool(token) and hmac.compare_digest(sent.strip().encode(), token.encode())
    try:
        found = TokenAuthentication().authenticate(Request(request))
        return found is not None and found[0].is_staff
    except APIException:  # no token of ours, or one whose scope does not cover this
        return False


def _refusal() -> HttpResponse:
    words = (
        "Metrics need KUBEGRAF_METRICS_TOKEN (Authorization: Bearer …), an API token"
        " (Authorization: Token …), or a member of staff who is signed in.\n"
    )
    response = HttpResponse(words, status=401, content_type="text/plain; charset=utf-8")
    response["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return response


class Metrics(Collector):
    """Everything there is to measure, as of now. The number of queries does not depend on the rows."""

    def collect(self) -> Iterator[Metric]:
        """The metrics by family."""
        totals = tally.totals()
        yield from _deliveries(totals[tally.DELIVERIES])
        yield from _attempts(totals[tally.ATTEMPTS])
        yield from _connectors()
        yield from _clusters()
        yield from _events(totals[EVENTS])


def _deliveries(counts: Iterable[tally.Count]) -> Iterator[Metric]:
    labels = ("provider", "status")
    # There from the start: Prometheus sees no increase in what appears with the first one that failed.
    settled = (status for status in DeliveryStatus.values if status not in UNSETTLED)
    begun = product((slug for slug, _ in registry.choices()), settled)
    yield _counter("kubegraf_deliveries", "Deliveries that have settled.", labels, counts, begun)


def _attempts(counts: Iterable[tally.Count]) -> Iterator[Metric]:
    counts = list(counts)
    labels = ("provider", "outcome", "reason")
    yield _counter("kubegraf_attempts", "Attempts that have ended, by why they failed.", labels, counts)
    took = HistogramMetricFamily(
        "kubegraf_attempt_duration_seconds", "How long attempts took.", labels=["provider"]
    )
    by_provider: dict[str, list[tally.Count]] = defaultdict(list)
    for count in counts:
        if count.step is not None:
            by_provider[count.labels[0]].append(count)
    for provider, its in sorted(by_provider.items()):
        bounds = [*(repr(step) for step in tally.STEPS), "+Inf"]
        amounts = [0] * len(bounds)
        for count in its:
            amounts[count.step or 0] += count.amount
        buckets, reached = [], 0
        for bound, amount in zip(bounds, amounts, strict=True):
            reached += amount
            buckets.append((bound, float(reached)))
        took.add_metric([provider], buckets, sum(count.seconds for count in its))
    yield took


def _connectors() -> Iterator[Metric]:
    """What waits, and which connectors are in trouble. A name appears only while its connector is."""
    now = timezone.now()
    waiting = GaugeMetricFamily(
        "kubegraf_deliveries_waiting", "Deliveries that have not settled.", labels=["provider"]
    )
    oldest = GaugeMetricFamily(
        "kubegraf_deliveries_waiting_oldest_seconds",
        "Age of the oldest delivery that has not settled.",
        labels=["provider"],
    )
    connectors = GaugeMetricFamily("kubegraf_connectors", "Enabled connectors.", labels=["provider"])
    enabled = dict(
        Connector.objects.filter(enabled=True).order_by().values_list("provider").annotate(Count("pk"))
    )
    queues = Delivery.objects.filter(status__in=UNSETTLED).order_by().values_list("provider")
    unsettled = {
        provider: (number, since)
        for provider, number, since in queues.annotate(Count("pk"), Min("created_at"))
    }
    for provider in sorted({*enabled, *unsettled}):
        number, since = unsettled.get(provider, (0, now))
        waiting.add_metric([provider], number)
        oldest.add_metric([provider], max(0.0, (now - since).total_seconds()))
        connectors.add_metric([provider], enabled.get(provider, 0))
    yield from (waiting, oldest, connectors)

    paused = GaugeMetricFamily(
        "kubegraf_connector_paused", "1 for a connector that is paused.", labels=["connector", "provider"]
    )
    breaker = GaugeMetricFamily(
        "kubegraf_connector_breaker",
        "1 for the state of a connector's circuit breaker, where it is not closed.",
        labels=["connector", "provider", "state"],
    )
    troubled = Connector.objects.filter(~Q(breaker=BreakerState.CLOSED) | Q(paused_at__isnull=False))
    for name, provider, state, paused_at in troubled.values_list("name", "provider", "breaker", "paused_at"):
        if paused_at is not None:
            paused.add_metric([name, provider], 1)
        if state != BreakerState.CLOSED:
            breaker.add_metric([name, provider, state], 1)
    yield from (paused, breaker)


def _clusters() -> Iterator[Metric]:
    now = timezone.now()
    states = GaugeMetricFamily(
        "kubegraf_cluster_state",
        "1 for the state that the watch of a cluster is in, 0 for the others.",
        labels=["cluster", "state"],
    )
    heartbeat = GaugeMetricFamily(
        "kubegraf_cluster_heartbeat_age_seconds",
        "Since the watcher of a cluster last said how it goes.",
        labels=["cluster"],
    )
    for cluster in Cluster.objects.filter(enabled=True).only("name", "state", "heartbeat_at"):
        for state in WatchState.values:
            states.add_metric([cluster.name, state], float(cluster.state == state))
        if cluster.heartbeat_at is not None:
            heartbeat.add_metric([cluster.name], max(0.0, (now - cluster.heartbeat_at).total_seconds()))
    yield from (states, heartbeat)


def _events(counts: Iterable[tally.Count]) -> Iterator[Metric]:
    labels = ("event_type", "severity")
    yield _counter("kubegraf_events", "Events that have opened or occurred.", labels, counts)
    firing = GaugeMetricFamily("kubegraf_events_firing", "Events that are open.", labels=labels)
    held = GaugeMetricFamily(
        "kubegraf_events_held", "Events that are open and that a silence holds back.", labels=labels
    )
    rows = Event.objects.filter(status=EventStatus.FIRING).order_by().values_list(*labels)
    of_them = Count("pk", filter=Q(held=True))
    for event_type, severity, number, silenced in rows.annotate(number=Count("pk"), silenced=of_them):
        firing.add_metric([event_type, severity], number)
        held.add_metric([event_type, severity], silenced)
    yield from (firing, held)


def _counter(
    name: str,
    documentation: str,
    labels: tuple[str, ...],
    counts: Iterable[tally.Count],
    begun: Iterable[tuple[str, ...]] = (),
) -> CounterMetricFamily:
    sums: dict[tuple[str, ...], int] = defaultdict(int, dict.fromkeys(begun, 0))
    for count in counts:
        sums[count.labels] += count.amount
    family = CounterMetricFamily(name, documentation, labels=labels)
    for values, amount in sorted(sums.items()):
        family.add_metric(values, amount)
    return family
