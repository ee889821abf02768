"""What the cluster still knows is added to an event, if it comes in time: over real HTTP."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from connectors.models import Delivery
from events.cluster.client import Session
from events.cluster.decoding import decode
from events.cluster.objects import Pod
from events.cluster.watch import Seen
from events.enrichment import Enricher, Limits
from events.excerpt import log_excerpt
from events.ingest import Ingest
from events.models import Access, Cluster, Event, WatchState
from events.watching.cluster_watcher import ClusterWatcher, watch_once
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, event_about, oom_killed, pod, stamp
from tests.making import make_cluster, make_connector, make_event, make_subscription
from tests.waiting import BUSY, PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)

# Nothing here waits this long, unless something is wrong.
PATIENT = Limits(wait=10.0, wait_per_minute=60.0)


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    with FakeKubernetes(token="a-token") as fake:
        yield fake


@pytest.fixture
def cluster(server: FakeKubernetes) -> Cluster:
    return make_cluster(access=Access.KUBECONFIG, kubeconfig=server.kubeconfig_text())


@pytest.fixture
def enricher(cluster: Cluster) -> Iterator[Callable[..., Enricher]]:
    """Makes enrichers for the cluster: `enricher(limits)`. None outlives the test."""
    session, made = Session(cluster), []

    def make(limits: Limits = PATIENT, **more: Any) -> Enricher:
        made.append(Enricher(session, limits=limits, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()
    session.close()


def event_of(server: FakeKubernetes, obj: dict[str, Any]) -> Event:
    """The event that the detectors make of a pod, not saved; the server has the pod."""
    found: list[Event] = []
    raw = msgspec.json.encode(server.put(obj))
    ingest = Ingest(Cluster.objects.get(), enrich=found.extend)
    ingest.apply([Seen(decode(raw, Pod), timezone.now())])
    Event.objects.all().delete()
    [event] = found
    return event


def crash(server: FakeKubernetes, name: str = "web-1") -> Event:
    return event_of(server, crash_looping(pod(name, "shop", owner=name)))


# --- what is added ---


def test_the_last_lines_before_the_crash_are_added(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.log("web-1", "starting\ncannot reach db\n", "shop")
    before = dict(event.details)

    enricher()([event])

    assert event.details == {**before, "last_logs": "starting\ncannot reach db"}


def test_warnings_about_the_pod_are_added_the_latest_first(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    here = server.store.get("Pod", "web-1", "shop")
    assert here
    server.put(event_about(here, "Unhealthy", "Liveness probe failed", last="2026-01-05T09:01:00Z"))
    server.put(event_about(here, "BackOff", "Back-off restarting", count=12, last="2026-01-05T09:05:00Z"))
    server.put(event_about(here, "Pulled", "Image is there", type_="Normal"))
    namesake = {**here, "metadata": {**here["metadata"], "uid": "of-one-before"}}
    server.put(event_about(namesake, "Failed", "Of another pod of this name"))

    enricher()([event])

    assert event.details["warnings"] == [
        "BackOff: Back-off restarting (x12)",
        "Unhealthy: Liveness probe failed",
    ]


def test_of_a_container_killed_for_memory_that_runs_again_it_is_the_log_of_the_run_before(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = event_of(server, oom_killed(pod("web-1", "shop")))
    server.log("web-1", "allocating", "shop", previous=True)
    server.log("web-1", "starting anew", "shop", previous=False)

    enricher()([event])

    assert event.event_type == "pod_oom_restart"
    assert event.details["last_logs"] == "allocating"


def test_of_a_run_that_ended_and_has_no_successor_yet_it_is_the_log_of_that_run(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    killed = oom_killed(pod("web-1", "shop"))
    status = killed["status"]["containerStatuses"][0]
    status["state"], status["lastState"] = status["lastState"], {}
    event = event_of(server, killed)
    server.log("web-1", "of an older run", "shop", previous=True)
    server.log("web-1", "allocating", "shop", previous=False)

    enricher()([event])

    assert event.details["last_logs"] == "allocating"


def test_the_log_of_another_run_is_not_taken_for_it(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = event_of(server, oom_killed(pod("web-1", "shop")))
    again = oom_killed(oom_killed(pod("web-1", "shop")))  # meanwhile it has happened once more
    ended = again["status"]["containerStatuses"][0]["lastState"]["terminated"]
    ended["finishedAt"] = stamp(timezone.now() + timedelta(minutes=5))
    server.put(again)
    server.log("web-1", "of the run after", "shop")

    enricher()([event])

    assert "last_logs" not in event.details


def test_that_a_log_is_gone_is_not_shown_as_the_log(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.log("web-1", "unable to retrieve container logs for containerd://0123", "shop")

    enricher()([event])

    assert "last_logs" not in event.details


def test_secrets_in_logs_and_warnings_are_masked(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    here = server.store.get("Pod", "web-1", "shop")
    assert here
    server.log("web-1", "connecting to postgres://app:hunter2@db\nDB_PASSWORD=hunter2\n", "shop")
    server.put(event_about(here, "Failed", "hook said --token hunter2"))

    enricher()([event])

    assert event.details["last_logs"] == "connecting to postgres://***@db\nDB_PASSWORD=***"
    assert event.details["warnings"] == ["Failed: hook said --token ***"]


def test_the_log_is_asked_for_in_a_bounded_amount(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.log("web-1", "x" * 10_000_000, "shop")

    enricher()([event])

    [asked] = server.asked("get", "pods/log")
    assert asked.query == {"container": "app", "tailLines": "20", "limitBytes": "262144", "previous": "true"}
    assert len(event.details["last_logs"]) <= 500


def test_events_of_other_types_cost_no_request(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    enricher()([make_event(event_type="node_unhealthy", details={"pod_name": "web-1"})])

    assert server.requests == []


def test_what_is_on_record_already_costs_no_request(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    make_event(fingerprint=event.fingerprint).save()

    enricher()([event])

    assert server.requests == []


# --- never in the way ---


def test_a_log_that_does_not_come_holds_nothing_up(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.hang_next(plural="pods/log")
    before = dict(event.details)
    began = time.monotonic()

    enricher(Limits(wait=0.3))([event])

    assert 0.2 < time.monotonic() - began < 0.3 + BUSY
    assert event.details == before


def test_what_came_in_time_is_added_though_the_rest_did_not(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.log("web-1", "cannot reach db", "shop")
    server.hang_next(plural="events")

    enricher(Limits(wait=0.5))([event])

    assert event.details["last_logs"] == "cannot reach db"
    assert "warnings" not in event.details


def test_a_log_that_comes_in_drops_is_given_up(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.fail_next(200, {"Content-Length": "100"}, b"the beginning", plural="pods/log")
    began = time.monotonic()

    enricher(Limits(wait=0.3))([event])

    assert time.monotonic() - began < 0.3 + BUSY
    assert "last_logs" not in event.details


def test_when_a_minutes_waiting_is_used_up_nothing_waits(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    events = [crash(server, f"web-{number}") for number in range(3)]
    server.hang_next(plural="pods/log", times=2)
    enrich = enricher(Limits(wait=0.2, wait_per_minute=0.3))
    enrich(events[:1])
    enrich(events[1:2])
    server.requests.clear()

    enrich(events[2:])

    assert server.requests == []  # what nobody was asked for, nobody waits for


def test_of_many_events_the_most_urgent_are_asked_about(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    restarts = [event_of(server, oom_killed(pod(f"db-{number}", "shop"))) for number in range(5)]
    crashes = [crash(server, f"web-{number}") for number in range(5)]

    enricher(Limits(wait=10.0, events_per_batch=5))([*restarts, *crashes])

    asked = {request.path.rsplit("/", 2)[1] for request in server.asked("get", "pods/log")}
    assert asked == {f"web-{number}" for number in range(5)}


def test_a_minute_has_a_limit_however_many_batches_there_are(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    enrich = enricher(Limits(wait=10.0, wait_per_minute=60.0, events_per_minute=3))
    for number in range(5):
        enrich([crash(server, f"web-{number}")])

    assert len(server.asked("get", "pods/log")) == 3


def test_a_pod_that_is_gone_is_left_as_it_is(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.delete("Pod", "web-1", "shop")
    before = dict(event.details)

    enricher()([event])

    assert event.details == before


def test_an_api_server_that_is_gone_holds_nothing_up(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    event = crash(server)
    server.stop()
    began = time.monotonic()

    enricher()([event])

    assert time.monotonic() - began < 1.5 + BUSY
    assert "last_logs" not in event.details


def test_who_is_told_to_stop_waits_no_more(server: FakeKubernetes, enricher: Callable[..., Enricher]) -> None:
    stop = threading.Event()
    enrich = enricher(Limits(wait=60.0, wait_per_minute=60.0), stop=stop)
    event = crash(server)
    server.hang_next(plural="pods/log")
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()

    enrich([event])

    assert time.monotonic() - began < 0.2 + BUSY


# --- rights ---


def test_a_missing_right_is_a_problem_with_the_words_to_grant_it(
    server: FakeKubernetes, enricher: Callable[..., Enricher], caplog: pytest.LogCaptureFixture
) -> None:
    server.forbid("pods/log")
    enrich = enricher()
    with caplog.at_level(logging.WARNING, "events.enrichment"):
        enrich([crash(server)])
        enrich([crash(server, "web-2")])

    assert enrich.problems() == {
        "pods/log": "system:serviceaccount:kubegraf:kubegraf has no right to get pods/log. To grant it:"
        " kubectl create clusterrole kubegraf-pods-log --verb=get --resource=pods/log"
        " && kubectl create clusterrolebinding kubegraf-pods-log --clusterrole=kubegraf-pods-log"
        " --serviceaccount=kubegraf:kubegraf"
    }
    assert len(server.asked("get", "pods/log")) == 1
    assert len(caplog.records) == 1


def test_without_the_right_to_logs_the_warnings_are_still_added(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    server.forbid("pods/log")
    event = crash(server)
    here = server.store.get("Pod", "web-1", "shop")
    assert here
    server.put(event_about(here, "BackOff", "Back-off restarting"))

    enricher()([event])

    assert event.details["warnings"] == ["BackOff: Back-off restarting"]


def test_a_right_that_was_granted_is_noticed_by_itself(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    server.forbid("pods/log")
    enrich = enricher(Limits(wait=10.0, wait_per_minute=60.0, refused=0.2))
    enrich([crash(server)])
    assert list(enrich.problems()) == ["pods/log"]
    server.log("web-1", "cannot reach db", "shop")

    server.allow("pods/log")

    until(lambda: enrich.problems() == {})


def test_where_namespaces_are_watched_the_right_is_missing_in_one_of_them(
    server: FakeKubernetes, enricher: Callable[..., Enricher]
) -> None:
    server.forbid("pods/log")
    enrich = enricher(namespaces=["shop"])

    enrich([crash(server)])

    assert (
        "kubectl create role kubegraf-pods-log --verb=get --resource=pods/log -n shop"
        in (enrich.problems()["pods/log"])
    )


# --- in the watch ---


@pytest.fixture
def watcher(cluster: Cluster) -> Iterator[ClusterWatcher]:
    watching = ClusterWatcher(cluster)
    watching.start()
    yield watching
    watching.stop()
    assert watching.join(PATIENCE)


def test_whoever_is_told_of_a_crash_reads_its_last_lines(server: FakeKubernetes, cluster: Cluster) -> None:
    make_subscription(make_connector(), "pod_crash_loop")
    server.put(crash_looping(pod("web-1", "shop")))
    server.log("web-1", "cannot reach db", "shop")

    watch_once(cluster)

    [message] = Delivery.objects.values_list("message", flat=True)
    assert message["details"]["last_logs"] == "cannot reach db"
    assert Event.objects.get().details["last_logs"] == "cannot reach db"


def test_a_log_that_does_not_come_delays_the_event_no_longer_than_allowed(
    server: FakeKubernetes, cluster: Cluster, watcher: ClusterWatcher
) -> None:
    until(lambda: server.open_watches("pods"))
    server.hang_next(plural="pods/log")
    began = time.monotonic()

    server.put(crash_looping(pod("web-1", "shop")))
    until(Event.objects.exists, every=0.05)

    assert time.monotonic() - began < 1.5 + BUSY
    assert "last_logs" not in Event.objects.get().details


def test_the_cluster_shows_that_logs_may_not_be_read_and_is_watched_all_the_same(
    server: FakeKubernetes, cluster: Cluster, watcher: ClusterWatcher
) -> None:
    server.forbid("pods/log")
    server.put(crash_looping(pod("web-1", "shop")))

    def shown() -> Cluster:
        return Cluster.objects.get()

    until(lambda: "pods/log" in shown().problems, every=0.05)
    until(lambda: shown().state == WatchState.WATCHING, every=0.05)
    assert "--verb=get --resource=pods/log" in shown().problems["pods/log"]
    assert Event.objects.get().event_type == "pod_crash_loop"


# --- what is shown of a log ---


def test_of_a_long_log_the_end_is_shown() -> None:
    shown = log_excerpt("".join(f"line {number}\n" for number in range(100)))

    assert shown.split("\n") == [f"line {number}" for number in range(80, 100)]


def test_a_log_is_shown_in_four_kilobytes() -> None:
    shown = log_excerpt("".join(f"{number} {'é' * 400}\n" for number in range(20)))

    assert len(shown.encode()) <= 4096
    assert shown.split("\n")[-1].startswith("19 é")


def test_of_a_progress_bar_the_last_states_are_shown() -> None:
    assert log_excerpt("".join(f"\r{percent} %" for percent in range(101))).split("\n")[-1] == "100 %"


def test_an_empty_log_is_nothing() -> None:
    assert log_excerpt("\n \n\x1b[0m\n") == ""
