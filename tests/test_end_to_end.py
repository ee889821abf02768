"""The main job, with every real part: an API server, the watcher, a broker, a worker, beat and receivers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.models import Attempt, Delivery
from events.models import Access, Cluster, Event
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, healed, pod, restarted
from tests.making import make_cluster, make_connector, make_subscription
from tests.receiver import Answer, Received, Receiver
from tests.running import Broker, Process, Processes
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

# Between a crash and the next the container runs for a moment; the tests do not wait ten minutes for that.
QUICK = json.dumps({"pod_crash_loop": {"clear_after": 1}})
WATCHING = {"KUBEGRAF_DETECTORS": QUICK}


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    with FakeKubernetes(token="not-a-secret") as server:
        yield server


@pytest.fixture
def cluster(api: FakeKubernetes, tmp_path: Path) -> Cluster:
    text = api.kubeconfig(tmp_path / "kubeconfig").read_text()
    return make_cluster(access=Access.KUBECONFIG, kubeconfig=text)


def watch(processes: Processes, api: FakeKubernetes) -> Process:
    """A watcher that has its watches open."""
    before = len(api.asked("watch", "pods"))
    watcher = processes.watcher(**WATCHING)
    until(lambda: len(api.asked("watch", "pods")) > before, 60, what="a watch of pods")
    return watcher


def github(request: Received) -> Answer:
    """As much of GitHub as an issue's life takes."""
    number = re.search(r"/issues/(\d+)", request.path)
    issue = {"number": 7, "html_url": "https://github.com/o/r/issues/7", "state": "open", "labels": []}
    if request.method == "POST" and number:
        return 201, {}, {"id": 1, "html_url": "https://github.com/o/r/issues/7#issuecomment-1"}
    if request.method == "POST":
        return 201, {}, issue
    if request.method == "GET" and (not number or "/comments" in request.path):
        return 200, {}, []
    return 200, {}, issue


def pagerduty(request: Received) -> Answer:
    body = request.json()
    return 202, {}, {"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}


@pytest.fixture
def four(receivers: Callable[..., Receiver]) -> dict[str, Receiver]:
    """A connector of each kind with its receiver, subscribed to crash loops."""
    made = {
        "slack": receivers(),
        "github": receivers(github),
        "pagerduty": receivers(pagerduty),
        "webhook": receivers(),
    }
    config: dict[str, dict[str, Any]] = {
        "slack": {"webhook_url": f"{made['slack'].url}/services/T0/B0/abc123"},
        "github": {
            "token": "ghp_0123456789abcdefghij0123456789abcd",
            "repo": "o/r",
            "base_url": f"{made['github'].url}/api/v3",
        },
        "pagerduty": {
            "integration_key": "0123456789abcdef0123456789abcdef",
            "events_url": made["pagerduty"].url,
        },
        "webhook": {"url": f"{made['webhook'].url}/kubegraf/events"},
    }
    for provider, settings in config.items():
        make_subscription(make_connector(provider, provider, **settings), "pod_crash")
    return made


def settled() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("status", flat=True))


def test_a_crash_loop_reaches_four_receivers_and_so_does_its_end(
    api: FakeKubernetes, cluster: Cluster, four: dict[str, Receiver], processes: Processes
) -> None:
    web = pod("web-1", "shop", owner="web")
    api.put(web)
    processes.worker()
    watch(processes, api)

    api.put(crash_looping(web))

    for receiver in four.values():
        receiver.wait_for(1)
    until(lambda: settled() == ["delivered"] * 4)
    slack = four["slack"].requests[0].json()
    assert "Pod web-1 in crash loop" in slack["text"]
    issue = next(request for request in four["github"].requests if request.method == "POST").json()
    assert "Pod web-1 in crash loop" in issue["title"]
    incident = four["pagerduty"].requests[0].json()
    assert (incident["event_action"], incident["payload"]["severity"]) == ("trigger", "critical")
    event = Event.objects.get(event_type="pod_crash_loop")
    payload = four["webhook"].requests[0].json()
    assert payload["event_type"] == "pod_crash_loop"
    assert payload["resource"] == "Pod/web-1"
    assert (payload["id"], payload["status"]) == (str(event.pk), "firing")

    api.put(healed(crash_looping(web)))

    until(lambda: settled() == ["delivered"] * 8)
    ends = [request.json() for request in four["pagerduty"].requests[1:]]
    assert [end["event_action"] for end in ends] == ["resolve"]
    assert ends[0]["dedup_key"] == incident["dedup_key"]
    assert [request.json()["status"] for request in four["webhook"].requests] == ["firing", "resolved"]
    assert {"state": "closed", "state_reason": "completed"} in [
        request.json() for request in four["github"].requests if request.method == "PATCH"
    ]
    event.refresh_from_db()
    assert event.status == "resolved"
    assert Attempt.objects.filter(outcome="delivered").count() == 8


def test_an_alert_is_out_within_a_second(
    api: FakeKubernetes, cluster: Cluster, receiver: Receiver, processes: Processes
) -> None:
    make_subscription(make_connector(url=f"{receiver.url}/in"), "pod_crash")
    processes.worker()
    watch(processes, api)
    api.put(crash_looping(pod("first", "shop")))
    receiver.wait_for(1)  # the first one pays for connections and caches

    waits = []
    for sent, name in enumerate(("a", "b", "c", "d", "e"), start=2):
        changed = time.monotonic()
        api.put(crash_looping(pod(name, "shop")))
        waits.append(receiver.wait_for(sent)[-1].at - changed)

    # Whatever else the machine does: one that waits for a round of anything never comes so soon.
    assert sorted(waits)[1] < 1, f"seconds from the change to the receiver: {waits}"


def test_a_watcher_that_was_killed_reports_nothing_twice_and_misses_nothing(
    api: FakeKubernetes, cluster: Cluster, receiver: Receiver, processes: Processes
) -> None:
    make_subscription(make_connector(url=f"{receiver.url}/in"))
    web, api_pod = pod("web-1", "shop", owner="web"), pod("api-1", "shop", owner="api")
    for obj in (web, api_pod):
        api.put(obj)
    processes.worker()
    first = watch(processes, api)
    api.put(crash_looping(web))
    receiver.wait_for(1)

    first.kill9()
    api.put(restarted(api_pod))  # while nobody watches
    watch(processes, api)

    receiver.wait_for(2)
    api.put(healed(crash_looping(web)))
    receiver.wait_for(3)
    until(lambda: set(settled()) == {"delivered"})
    told = [(request.json()["event_type"], request.json()["status"]) for request in receiver.requests]
    assert told == [
        ("pod_crash_loop", "firing"),
        ("pod_restarted", "occurred"),
        ("pod_crash_loop", "resolved"),
    ]


def test_a_lost_broker_costs_nothing_but_a_sweep(
    api: FakeKubernetes, cluster: Cluster, receiver: Receiver, processes: Processes, broker: Broker
) -> None:
    make_subscription(make_connector(url=f"{receiver.url}/in"))
    processes.worker()
    processes.beat()
    watch(processes, api)
    broker.stop()

    api.put(crash_looping(pod("web-1", "shop")))
    until(lambda: settled() == ["pending"])
    broker.start()

    receiver.wait_for(1, 40)
    until(lambda: settled() == ["delivered"])
    assert len(receiver.requests) == 1
