"""`make bench-delivery`: how fast deliveries go, at what cost, and compared with what. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import peers, stack
from bench.receiver import Receiver

if TYPE_CHECKING:
    from events.models import Event

AT_ONCE = 200
"""Events written in one transaction in a burst."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    burst: int
    loop: int
    rate_seconds: float
    rates: tuple[int, ...]
    subscriptions: tuple[int, ...]
    history: int


FULL = Size(5, 10_000, 2_000, 10.0, (50, 200, 500), (10, 1_000, 10_000), 1_000_000)
QUICK = Size(3, 4_000, 1_000, 4.0, (50, 200, 500), (10, 1_000, 10_000), 100_000)


@dataclass(slots=True)
class Figures:
    """What came out: rates a second, by what was measured, one for each round."""

    ours: list[float] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)
    alertmanager: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    rules: dict[str, list[float]] = field(default_factory=dict)
    latency: dict[int, tuple[float, float]] = field(default_factory=dict)


def main() -> None:
    """Measures, says so as it goes, and prints one JSON object in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in a few minutes")
    size = QUICK if parser.parse_args().quick else FULL
    with stack.running() as processes, Receiver() as receiver:
        print(json.dumps(measure(size, processes, receiver)))  # noqa: T201 - the result


def measure(size: Size, processes: stack.Stack, receiver: Receiver) -> dict[str, Any]:
    """All of it, in the order of the README."""
    ours = Ours(receiver)
    figures = Figures()
    _burst(size, processes, ours, receiver, figures)
    for rate in size.rates:
        ours.forget()
        figures.latency[rate] = ours.latency(rate, size.rate_seconds)
        _say("{}/s: p50 {:.1f} ms, p99 {:.1f} ms from commit to receipt", rate, *figures.latency[rate])
    by_subscriptions = _with_subscriptions(size, ours, figures)
    by_history = _with_history(size, ours, receiver)
    rate, loop = median(figures.ours), median(figures.loop)
    return {
        "deliveries_per_s": round(rate),
        "ratio_requests_loop": round(rate / loop, 2),
        "ratio_alertmanager": (
            round(rate / median(figures.alertmanager), 2) if figures.alertmanager else None
        ),
        "cpu_ms_per_1000": {name: round(median(each), 1) for name, each in figures.cpu.items()},
        "p50_ms": {str(rate): round(p50, 1) for rate, (p50, _) in figures.latency.items()},
        "p99_ms": {str(rate): round(p99, 1) for rate, (_, p99) in figures.latency.items()},
        "growth_subscriptions": round(by_subscriptions, 2),
        "growth_history": round(by_history, 2),
        "rules_ms": {name: round(median(each), 1) for name, each in figures.rules.items()},
    }


def _burst(size: Size, processes: stack.Stack, ours: Ours, receiver: Receiver, figures: Figures) -> None:
    """The three contestants in turn, over and over."""
    binary = peers.alertmanager_binary()
    with contextlib.ExitStack() as cleanup:
        rival = cleanup.enter_context(peers.Alertmanager(binary, receiver)) if binary else None
        if rival is None:
            _say("Alertmanager is not installed: nothing to compare with")
        else:
            rival.burst(size.loop)
        ours.burst(size.loop)  # connections are opened, caches filled
        for _ in range(size.rounds):
            figures.loop.append(peers.requests_loop(receiver, ours.bodies(size.loop)))
            if rival is not None:
                figures.alertmanager.append(rival.burst(size.burst))
            ours.forget()
            before = processes.cpu()
            figures.ours.append(ours.burst(size.burst))
            for name, seconds in processes.cpu().items():
                spent = (seconds - before[name]) * 1e6 / size.burst
                figures.cpu.setdefault(name, []).append(spent)
            _say(
                "requests loop {:.0f}/s, Alertmanager {}, KubeGraf {:.0f}/s; CPU ms per 1000: {}",
                figures.loop[-1],
                f"{figures.alertmanager[-1]:.0f}/s" if figures.alertmanager else "-",
                figures.ours[-1],
                ", ".join(f"{name} {each[-1]:.0f}" for name, each in figures.cpu.items()),
            )


def _with_subscriptions(size: Size, ours: Ours, figures: Figures) -> float:
    """How many times as long it takes with the most subscriptions as with the fewest."""
    rates: dict[int, list[float]] = {count: [] for count in size.subscriptions}
    for _ in range(size.rounds):
        for count, found in rates.items():
            ours.subscribe(count)
            took = ours.read_rules()
            if count == max(rates):
                for name, ms in took.items():
                    figures.rules.setdefault(name, []).append(ms)
            ours.forget()
            ours.burst(AT_ONCE)  # what is made anew because of the change is made before the clock runs
            found.append(ours.burst(size.burst // 2))
    for count, found in rates.items():
        _say("{} subscriptions: {:.0f}/s", count, median(found))
    for name, each in figures.rules.items():
        _say("{} subscriptions read in {:.1f} ms: {}", max(rates), median(each), name)
    ours.subscribe(min(rates))
    return median(rates[min(rates)]) / median(rates[max(rates)])


def _with_history(size: Size, ours: Ours, receiver: Receiver) -> float:
    """How many times as long it takes with old deliveries as without, each beside the loop's speed then."""

    def against_loop() -> float:
        return median(
            ours.burst(size.burst // 2) / peers.requests_loop(receiver, ours.bodies(size.loop))
            for _ in range(size.rounds)
        )

    ours.forget()
    without = against_loop()
    ours.grow_old(size.history)
    with_history = against_loop()
    _say("{} old deliveries: {:.2f} of the speed without", size.history, with_history / without)
    return without / with_history


class Ours:
    """KubeGraf as it is: events are written as the watcher writes them, and two workers deliver."""

    def __init__(self, receiver: Receiver) -> None:
        from connectors.configuration.setup import split
        from connectors.models import Connector
        from events.models import Subscription

        self._receiver = receiver
        self._number = 0
        options, secrets = split("webhook", {"url": receiver.url})
        self._connector = Connector.objects.create(
            name="receiver", provider="webhook", enabled=True, options=options, secrets=secrets
        )
        Subscription.objects.create(connector=self._connector, event_types=["pod_crash_loop"])
        self.subscribe(10)
        gc.freeze()  # as `watch_cluster` does

    def burst(self, count: int) -> float:
        """Writes so many events as fast as it can and waits for all deliveries; how many a second."""
        before, started = self._receiver.count, time.monotonic()
        for first in range(0, count, AT_ONCE):
            self._write(min(AT_ONCE, count - first))
        rate = count / (self._receiver.wait_for(before + count, timeout=300) - started)
        self._wait_for_records()
        return rate

    def latency(self, rate: int, seconds: float) -> tuple[float, float]:
        """At so many events a second: p50 and p99, in ms, from commit to receipt."""
        committed: dict[str, float] = {}
        self._receiver.times()
        before, started, pause = self._receiver.count, time.monotonic(), threading.Event()
        total = int(rate * seconds)
        while len(committed) < total:
            # What has come up while the last transaction was written goes into the next one.
            due = min(int((time.monotonic() - started) * rate) + 1, total) - len(committed)
            if due > 0:
                ids = self._write(due)
                committed |= dict.fromkeys(ids, time.monotonic())
            pause.wait(max(0.0, started + len(committed) / rate - time.monotonic()))
        self._receiver.wait_for(before + total, timeout=60)
        received = self._receiver.times()
        took = sorted((received[pk] - at) * 1000 for pk, at in committed.items())
        self._wait_for_records()
        return took[len(took) // 2], took[int(len(took) * 0.99)]

    def bodies(self, count: int) -> list[bytes]:
        """What is posted for such events."""
        from events.render import message_for

        return [json.dumps(message_for(event).payload()).encode() for event in self._events(count)]

    def subscribe(self, count: int) -> None:
        """Leaves so many subscriptions: the one that wants these events, and others with other wishes."""
        from events.models import Subscription

        first = Subscription.objects.order_by("pk").values_list("pk", flat=True)[0]
        Subscription.objects.exclude(pk=first).delete()
        Subscription.objects.bulk_create(
            Subscription(
                connector=self._connector,
                event_types=["pod_crash_loop"] if number % 2 else ["node_unhealthy", "pod_restarted"],
                namespaces=[f"team-{number}"],
            )
            for number in range(count - 1)
        )

    def read_rules(self) -> dict[str, float]:
        """How many ms it takes to have the rules ready: all are new, one has changed, and none has."""
        from events.models import Subscription
        from events.routing import rules

        def took() -> float:
            started = time.perf_counter()
            rules.current()
            return (time.perf_counter() - started) * 1000

        found = {"all_new": took()}
        changed = Subscription.objects.order_by("-pk")[0]
        changed.clusters = ["another"]
        changed.save()
        return found | {"one_changed": took(), "kept": took()}

    def forget(self) -> None:
        """Empties the record."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE connectors_attempt, connectors_delivery, events_event CASCADE")

    def grow_old(self, count: int) -> None:
        """Adds so many deliveries that were settled long ago, as copies of one that there is."""
        from django.db import connection

        from connectors.models import Delivery

        names = [field.column for field in Delivery._meta.concrete_fields]
        other = {
            "id": "gen_random_uuid()",
            "message_id": "gen_random_uuid()::text",
            "key": "md5(n::text)",
            "created_at": "now() - n * interval '1 second'",
            "settled_at": "now() - n * interval '1 second'",
        }
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(other.get(name, f'"{name}"') for name in names)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO connectors_delivery ({columns}) SELECT {values} FROM"  # noqa: S608 - our own columns
                " (SELECT * FROM connectors_delivery WHERE status = 'delivered' LIMIT 1) one,"
                " generate_series(1, %s) n",
                [count],
            )
            cursor.execute("VACUUM ANALYZE connectors_delivery")

    def _write(self, count: int) -> list[str]:
        from events.record import Batch, write

        events = list(self._events(count))
        write(Batch(new=events))
        return [str(event.pk) for event in events]

    def _events(self, count: int) -> Iterator[Event]:
        from django.utils import timezone

        from connectors import bulk
        from events.external import SOURCE
        from events.fingerprints import fingerprint
        from events.models import Event

        for _ in range(count):
            self._number += 1
            name, now = f"Pod/my-app-{self._number}", timezone.now()
            yield bulk.instance(
                Event,
                fingerprint=fingerprint("production", "pod_crash_loop", name, "app"),
                event_type="pod_crash_loop",
                severity="critical",
                source=SOURCE,  # what a watch finds belongs to a cluster
                cluster_name="production",
                namespace="default",
                resource=name,
                subject="Deployment/my-app",
                key="app",
                title=f"Pod my-app-{self._number} in crash loop",
                description="Pod has restarted 5 times in the last 10 minutes",
                details={"pod_name": f"my-app-{self._number}", "restart_count": 5},
                recommendations=[
                    {"action": "Check pod logs", "command": f"kubectl logs my-app-{self._number} -n default"}
                ],
                occurred_at=now,
                first_seen=now,
                last_seen=now,
            )

    def _wait_for_records(self) -> None:
        """Until every attempt is on record. Raises AssertionError if one of them is not as it should be."""
        from connectors.models import UNSETTLED, Attempt, Delivery

        pause, until = threading.Event(), time.monotonic() + 60
        while Delivery.objects.filter(status__in=UNSETTLED).exists():
            if time.monotonic() > until:
                raise TimeoutError("the workers did not record everything within a minute")
            pause.wait(0.01)
        odd = Attempt.objects.exclude(outcome="delivered").values_list("outcome", "error").first()
        if odd:
            raise AssertionError(f"an attempt did not arrive: {odd}")


def _say(text: str, *values: object) -> None:
    sys.stderr.write(text.format(*values) + "\n")


if __name__ == "__main__":
    main()
