"""One measurement of bench/watch.py, in a process of its own: `python -m bench.watch_measure list URL`.

Prints one JSON object. `…-typed` is the same work done by the official client's typed models.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import django
import psutil

Figures = dict[str, float]

BATCH = 500
WARM_UP = 1.0
"""Seconds of changes that do not count: connections are made, code is run for the first time."""


def first_list(url: str, pods: int) -> Figures:
    """Lists all pods, and judges each with every detector; the memory that is held then."""
    from events.cluster.client import Session
    from events.cluster.objects import Pod
    from events.cluster.watch import Informer
    from events.ingest import Ingest

    cluster = _cluster(url)
    ingest, informer = Ingest(cluster), Informer(Session(cluster), Pod)
    with _Measured() as measured:
        observations = informer.list()
        while batch := list(islice(observations, BATCH)):
            ingest.apply(batch)
        ingest.tick(batch[-1].at if batch else _now())
    _require(informer.known, pods, "pods were listed")
    return measured.figures


def first_list_typed(url: str, pods: int) -> Figures:
    """Lists all pods page by page into typed models, and holds them, as an informer of them would."""
    api, held = _typed(url), {}
    with _Measured() as measured:
        token = ""
        while True:
            page = api.list_pod_for_all_namespaces(limit=BATCH, _continue=token)
            held.update((pod.metadata.uid, pod) for pod in page.items)
            token = page.metadata._continue
            if not token:
                break
    _require(len(held), pods, "pods were listed")
    return measured.figures


def changes(url: str, count: int) -> Figures:
    """Takes in so many changes of pods, as the watcher does: decoded, judged by every detector, written."""
    from events.cluster.client import Session
    from events.cluster.objects import Pod
    from events.cluster.watch import Connected, Informer, Seen
    from events.ingest import Ingest

    cluster = _cluster(url)
    ingest = Ingest(cluster)
    items = Informer(Session(cluster), Pod).follow()
    for item in items:
        if isinstance(item, Connected):
            break
    seen = (item for item in items if isinstance(item, Seen))
    next(seen)
    with _Measured() as measured:
        taken = 0
        while taken < count:
            batch = list(islice(seen, min(BATCH, count - taken)))
            ingest.apply(batch)
            ingest.tick(batch[-1].at)
            taken += len(batch)
    return measured.figures


def changes_typed(url: str, count: int) -> Figures:
    """Takes so many changes of pods from the official client's watch, which makes typed models of them."""
    from kubernetes import watch

    stream = watch.Watch().stream(_typed(url).list_pod_for_all_namespaces, resource_version="1")
    next(stream)
    with _Measured() as measured:
        taken = sum(1 for _ in islice(stream, count))
    _require(taken, count, "changes came")
    return measured.figures


def latency(url: str, count: int) -> Figures:
    """Milliseconds from the moment each change is sent to the commit of the event it makes."""
    from bench.watch_server import SENT
    from events.cluster.watch import Seen
    from events.ingest import Ingest
    from events.models import Event
    from events.watching import cluster_watcher

    took: list[tuple[float, float]] = []
    done = threading.Event()

    class Timed(Ingest):
        """Notes when what was sent has been committed."""

        def apply(self, observations: Sequence[Any]) -> None:
            super().apply(observations)
            now = time.time()
            for observation in observations:
                if isinstance(observation, Seen):
                    sent = (observation.obj.metadata.annotations or {}).get(SENT)
                    if sent:
                        took.append((float(sent), now))
            if len(took) >= count:
                done.set()

    cluster_watcher.Ingest = Timed  # type: ignore[misc]  # the one place where a commit can be seen from outside
    cluster = _cluster(url)
    watching = cluster_watcher.ClusterWatcher(cluster)
    gc.freeze()  # as `manage.py watch_cluster` does
    watching.start()
    done.wait(120)
    watching.stop()
    watching.join(10)
    _require(len(took), count, "changes were committed within two minutes")
    events = Event.objects.filter(cluster=cluster, event_type="pod_crash_loop").count()
    _require(events, count, "changes became events")
    warm = took[0][0] + WARM_UP
    waits = sorted((committed - sent) * 1000 for sent, committed in took if sent >= warm)
    return {
        "p50_ms": waits[len(waits) // 2],
        "p99_ms": waits[min(len(waits) - 1, round(len(waits) * 0.99))],
        "max_ms": waits[-1],
        "per_s": (len(took) - 1) / (took[-1][1] - took[0][0]),
    }


def _require(found: int, expected: int, what: str) -> None:
    if found != expected:
        raise SystemExit(f"{found} of {expected} {what}")


class _Measured:
    """Seconds, seconds of CPU and memory of what is done within it."""

    def __enter__(self) -> _Measured:
        gc.collect()
        self.figures: Figures = {}
        self._rss = psutil.Process().memory_info().rss
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        gc.collect()
        self.figures = {
            "seconds": wall,
            "cpu_seconds": cpu,
            "rss_mb": (psutil.Process().memory_info().rss - self._rss) / 1e6,
            "base_mb": self._rss / 1e6,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        }


def _cluster(url: str) -> Any:
    from events.models import Access, Cluster

    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": url}}],
        "users": [{"name": "bench", "user": {}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    }
    name = f"bench-{os.getpid()}"
    return Cluster.objects.create(name=name, access=Access.KUBECONFIG, kubeconfig=json.dumps(kubeconfig))


def _typed(url: str) -> Any:
    from kubernetes import client

    configuration = client.Configuration()
    configuration.host = url
    return client.CoreV1Api(client.ApiClient(configuration))


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


MEASUREMENTS = {
    "list": first_list,
    "list-typed": first_list_typed,
    "changes": changes,
    "changes-typed": changes_typed,
    "latency": latency,
}


def main(arguments: Iterator[str]) -> None:
    """NAME URL COUNT."""
    name, url, count = next(arguments), next(arguments), int(next(arguments))
    if not name.endswith("-typed"):
        django.setup()
    sys.stdout.write(json.dumps(MEASUREMENTS[name](url, count)) + "\n")


if __name__ == "__main__":
    main(iter(sys.argv[1:]))
