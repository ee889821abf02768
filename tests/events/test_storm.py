"""Ten thousand pods of fifty Deployments fail at once."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import psutil
import pytest

from connectors.models import Delivery
from events.cluster.decoding import decode
from events.cluster.objects import Pod
from events.cluster.watch import Gone, Seen
from events.ingest import Ingest
from events.models import Access, Cluster, Event
from events.watcher import watch_once
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, pod
from tests.making import make_cluster, make_connector, make_subscription

WORKLOADS = [f"web-{number}" for number in range(50)]
PODS_OF_EACH = 200
BATCH = 500
BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    with FakeKubernetes(token="a-token") as fake:
        yield fake


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster()


@pytest.fixture(autouse=True)
def subscribers(db: None) -> None:
    for name in ("hook", "other hook"):
        make_subscription(make_connector(name), "pod_crash")


def failing(restarts: int = 5) -> Iterator[dict[str, Any]]:
    """The pods as the API server has them, the Deployments mixed."""
    for number in range(PODS_OF_EACH):
        for workload in WORKLOADS:
            obj = crash_looping(pod(f"{workload}-{number}", "shop", owner=workload), restarts=restarts)
            obj["metadata"]["uid"] = obj["metadata"]["name"]
            yield obj


def seen(obj: dict[str, Any]) -> Seen:
    return Seen(decode(msgspec.json.encode(obj), Pod), BEGAN)


def gone(obj: dict[str, Any]) -> Gone:
    return Gone(seen(obj).obj.ref, BEGAN)


def take_in(ingest: Ingest, observations: Iterator[Seen | Gone]) -> None:
    """As the watcher does: a batch, then the time."""
    batch: list[Seen | Gone] = []
    for observation in observations:
        batch.append(observation)
        if len(batch) == BATCH:
            ingest.apply(batch)
            batch = []
    ingest.apply(batch)
    ingest.tick(BEGAN)


def on_record() -> Counter[tuple[str, str, int]]:
    return Counter(Event.objects.values_list("event_type", "status", "count"))


def delivered() -> Counter[tuple[str, str]]:
    return Counter(Delivery.objects.values_list("connector__name", "message__status"))


def resident() -> float:
    """MiB of this process."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


def test_a_storm_is_one_event_for_each_deployment_told_once(cluster: Cluster) -> None:
    began = time.process_time()
    ingest = Ingest(cluster)

    take_in(ingest, map(seen, failing(restarts=5)))
    take_in(ingest, map(seen, failing(restarts=6)))

    assert on_record() == {("pod_crash_loop", "firing", PODS_OF_EACH): len(WORKLOADS)}
    assert delivered() == {("hook", "firing"): len(WORKLOADS), ("other hook", "firing"): len(WORKLOADS)}
    assert time.process_time() - began < 20


def test_the_end_of_a_storm_is_told_once_for_each_deployment(cluster: Cluster) -> None:
    ingest = Ingest(cluster)
    take_in(ingest, map(seen, failing()))

    take_in(ingest, map(gone, failing()))

    assert Counter(Event.objects.values_list("status", flat=True)) == {"resolved": len(WORKLOADS)}
    # What had not been sent yet need not be sent any more, and neither need its end.
    assert Delivery.objects.count() <= 4 * len(WORKLOADS)


def test_a_storm_takes_little_memory_and_gives_it_back(cluster: Cluster) -> None:
    ingest = Ingest(cluster)
    before = resident()

    take_in(ingest, map(seen, failing()))
    at_its_height = resident()
    take_in(ingest, map(gone, failing()))
    take_in(ingest, map(seen, failing()))

    assert at_its_height - before < 100
    assert resident() - at_its_height < 30


def test_a_storm_costs_the_api_server_little(cluster: Cluster, server: FakeKubernetes) -> None:
    Cluster.objects.update(access=Access.KUBECONFIG, kubeconfig=server.kubeconfig_text())
    for obj in failing():
        server.put(obj)
        server.log(obj["metadata"]["name"], "cannot reach db", "shop")

    watch_once(Cluster.objects.get())

    assert on_record() == {("pod_crash_loop", "firing", PODS_OF_EACH): len(WORKLOADS)}
    assert len(server.asked("get", "pods/log")) <= len(WORKLOADS)
    assert len(server.asked()) < 4 * len(WORKLOADS)
