"""Ten thousand pods of fifty Deployments fail at once."""

from __future__ import annotations

import gc
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import psutil
import pytest

from connectors.models import Delivery
from events.cluster.decoding import decode
from events.cluster.objects import Pod
from events.cluster.watch import Gone, Seen
from events.ingest import Ingest
from events.models import Access, Cluster, Event
from events.watching.cluster_watcher import watch_once
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


@cache
def any_pod_of(workload: str, restarts: int) -> bytes:
    """A pod of the Deployment, numbered NUMBER."""
    obj = crash_looping(pod(f"{workload}-NUMBER", "shop", owner=workload), restarts=restarts)
    obj["metadata"]["uid"] = obj["metadata"]["name"]
    return msgspec.json.encode(obj)


def failing(restarts: int = 5, of_each: int = PODS_OF_EACH) -> Iterator[bytes]:
    """The pods as the API server sends them, the Deployments mixed."""
    for number in range(of_each):
        for workload in WORKLOADS:
            yield any_pod_of(workload, restarts).replace(b"NUMBER", str(number).encode())


def seen(raw: bytes) -> Seen:
    return Seen(decode(raw, Pod), BEGAN)


def gone(raw: bytes) -> Gone:
    return Gone(seen(raw).obj.ref, BEGAN)


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


def test_a_storm_is_one_event_for_each_deployment_told_once_and_so_is_its_end(cluster: Cluster) -> None:
    began = time.process_time()
    ingest = Ingest(cluster)

    take_in(ingest, map(seen, failing(restarts=5)))
    take_in(ingest, map(seen, failing(restarts=6)))

    assert on_record() == {("pod_crash_loop", "firing", PODS_OF_EACH): len(WORKLOADS)}
    assert delivered() == {("hook", "firing"): len(WORKLOADS), ("other hook", "firing"): len(WORKLOADS)}
    assert time.process_time() - began < 20

    take_in(ingest, map(gone, failing()))
    ingest.tick(datetime.now(UTC) + timedelta(minutes=11))

    assert Counter(Event.objects.values_list("status", flat=True)) == {"resolved": len(WORKLOADS)}
    # What had not been sent yet need not be sent any more, and neither need its end.
    assert Delivery.objects.count() <= 4 * len(WORKLOADS)


@pytest.mark.any_database
def test_a_storm_takes_little_memory_and_gives_it_back(cluster: Cluster) -> None:
    ingest = Ingest(cluster)
    before = resident()

    take_in(ingest, map(seen, failing()))
    at_its_height = resident()
    take_in(ingest, map(gone, failing()))
    take_in(ingest, map(seen, failing()))

    assert at_its_height - before < 100
    assert resident() - at_its_height < 30


@pytest.mark.any_database
def test_a_storm_costs_the_api_server_little(cluster: Cluster, server: FakeKubernetes) -> None:
    Cluster.objects.update(access=Access.KUBECONFIG, kubeconfig=server.kubeconfig_text())
    of_each = 40
    for raw in failing(of_each=of_each):
        obj = json.loads(raw)
        server.put(obj)
        server.log(obj["metadata"]["name"], "cannot reach db", "shop")

    watch_once(Cluster.objects.get())

    assert on_record() == {("pod_crash_loop", "firing", of_each): len(WORKLOADS)}
    assert len(server.asked("get", "pods/log")) <= len(WORKLOADS)
    assert len(server.asked()) < 4 * len(WORKLOADS)
