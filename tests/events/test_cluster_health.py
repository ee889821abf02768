"""Clusters that do not work as a whole: asked over real HTTP, judged by what is in a real database."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from connectors.models import Delivery
from events.cluster.decoding import decode
from events.cluster.objects import Pod
from events.cluster.readiness import Questions, Verdict
from events.cluster.watch import Seen
from events.cluster_health import CLEAR_AFTER, HOLD, Cause, Memory, compare, judge, report
from events.detection import Finding
from events.ingest import Ingest
from events.models import Access, Cluster, Event, EventStatus, WatchState
from events.tasks import check_clusters
from events.watching.cluster_watcher import ClusterWatcher
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, node, pod
from tests.making import make_connector, make_subscription
from tests.waiting import BUSY, PATIENCE, until

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
BEAT = timedelta(seconds=15)
FOUND = Finding(key=Cause.API_SERVER, title="not ready")
SEEN = {Cause.API_SERVER: FOUND}
WELL = {Cause.API_SERVER: None}


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    with FakeKubernetes(token="a-token") as fake:
        yield fake


@pytest.fixture
def questions() -> Iterator[Questions]:
    asking = Questions(timeout=0.5, wait=1.5)
    yield asking
    asking.close()


def register(server: FakeKubernetes, name: str = "prod", **fields: object) -> Cluster:
    """A cluster whose watch goes well."""
    now = datetime.now(UTC)
    usual = {"state": WatchState.WATCHING, "connected_since": now, "heartbeat_at": now}
    text = server.kubeconfig_text()
    return Cluster.objects.create(name=name, access=Access.KUBECONFIG, kubeconfig=text, **{**usual, **fields})


def looked_at_before(cluster: Cluster, cause: Cause, ago: timedelta) -> None:
    """As if `cause` had been found that long ago, and again just now."""
    now = datetime.now(UTC)
    Cluster.objects.filter(pk=cluster.pk).update(
        health={"answered": True, "at": now.isoformat(), "so_since": {cause: (now - ago).isoformat()}}
    )


def it_has_been_over(cluster: Cluster, cause: Cause, ago: timedelta) -> None:
    now = datetime.now(UTC)
    Cluster.objects.filter(pk=cluster.pk).update(
        health={"answered": True, "at": now.isoformat(), "over_since": {cause: (now - ago).isoformat()}}
    )


def events() -> list[tuple[str, str]]:
    return [(event.key, event.status) for event in Event.objects.order_by("pk")]


# --- the API server ---


@pytest.mark.django_db(transaction=True)
def test_one_failed_request_rings_nobody(server: FakeKubernetes, questions: Questions) -> None:
    cluster = register(server)
    server.ready = False
    report(questions)
    assert events() == []
    cluster.refresh_from_db()
    assert set(cluster.health["so_since"]) == {Cause.API_SERVER}


@pytest.mark.django_db(transaction=True)
def test_a_server_that_stays_unready_is_an_event_that_names_the_failing_checks(
    server: FakeKubernetes, questions: Questions
) -> None:
    cluster = register(server)
    body = "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac failed: later\nreadyz failed\n"
    looked_at_before(cluster, Cause.API_SERVER, HOLD[Cause.API_SERVER])
    server.fail_next(500, body=body)
    report(questions)
    event = Event.objects.get()
    assert (event.event_type, event.severity, event.status) == ("cluster_unhealthy", "critical", "firing")
    assert (event.cluster_id, event.resource, event.source) == (cluster.pk, "Cluster/prod", "health")
    assert event.title == "The API server of prod is not ready"
    assert event.description == f"{server.url} answered 500: these checks fail: etcd, poststarthook/rbac."
    assert event.recommendations[0]["command"] == "kubectl get --raw '/readyz?verbose'"


@pytest.mark.django_db(transaction=True)
def test_it_is_told_once_and_resolved_when_it_has_been_over_for_a_minute(
    server: FakeKubernetes, questions: Questions
) -> None:
    make_subscription(make_connector(), "cluster_unhealthy")
    cluster = register(server)
    server.ready = False
    looked_at_before(cluster, Cause.API_SERVER, HOLD[Cause.API_SERVER])
    report(questions)
    report(questions)
    assert (events(), Delivery.objects.count()) == ([("api_server", "firing")], 1)
    server.ready = True
    report(questions)
    assert events() == [("api_server", "firing")]
    it_has_been_over(cluster, Cause.API_SERVER, CLEAR_AFTER)
    report(questions)
    assert events() == [("api_server", "resolved")]


@pytest.mark.django_db(transaction=True)
def test_a_server_that_is_gone_counts_once_it_has_answered_before(
    server: FakeKubernetes, questions: Questions
) -> None:
    cluster = register(server)
    report(questions)
    server.stop()
    looked_at_before(cluster, Cause.API_SERVER, HOLD[Cause.API_SERVER])
    report(questions)
    assert Event.objects.get().description == f"Nothing listens at {server.url}: the connection was refused."


@pytest.mark.django_db(transaction=True)
def test_a_server_there_is_no_way_to_from_here_says_nothing(
    server: FakeKubernetes, questions: Questions
) -> None:
    cluster = register(server)
    server.stop()
    report(questions)
    cluster.refresh_from_db()
    assert (events(), cluster.health) == ([], {})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_a_server_that_refuses_the_account_is_not_unready(
    server: FakeKubernetes, questions: Questions, status: int
) -> None:
    cluster = register(server)
    server.fail_next(status, times=5)
    assert questions.ask([cluster])[cluster.pk].verdict is Verdict.UNKNOWN


@pytest.mark.django_db(transaction=True)
def test_without_an_account_of_the_cluster_the_watch_and_the_nodes_are_judged(questions: Questions) -> None:
    now = datetime.now(UTC)
    cluster = Cluster.objects.create(
        name="here", access=Access.IN_CLUSTER, state=WatchState.WATCHING, connected_since=now,
        heartbeat_at=now, nodes_known=10, nodes_not_ready=3,
    )  # fmt: skip
    looked_at_before(cluster, Cause.NODES, HOLD[Cause.NODES])
    report(questions)
    assert events() == [("nodes", "firing")]


@pytest.mark.django_db(transaction=True)
def test_a_server_that_hangs_delays_no_other(server: FakeKubernetes) -> None:
    questions = Questions(timeout=30, wait=1.0)
    with FakeKubernetes() as other:
        hanging, fine = register(server, "hanging"), register(other, "fine")
        server.hang_next()
        began = time.monotonic()
        answers = questions.ask([hanging, fine])
        assert time.monotonic() - began < 1.0 + BUSY
    assert answers[hanging.pk].verdict is Verdict.SILENT
    assert answers[hanging.pk].text == f"{server.url} does not answer in time."
    assert answers[fine.pk].verdict is Verdict.READY
    questions.close()


@pytest.mark.django_db(transaction=True)
def test_a_credential_program_that_hangs_is_waited_for_once(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, end = tmp_path / "started", tmp_path / "end"
    os.mkfifo(end)
    login = tmp_path / "login"
    login.write_text(f"#!/bin/sh\necho >> {started}\ncat {end}\n")
    login.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(login)}}
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config", user=user)))
    cluster = Cluster.objects.create(name="prod", access=Access.CONTEXT)
    questions = Questions(timeout=0.5, wait=0.5)
    first = questions.ask([cluster])
    until(started.exists)
    second = questions.ask([cluster])
    assert (first[cluster.pk].verdict, second[cluster.pk].verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert started.read_text() == "\n"
    end.write_text("")  # lets the program end, and with it the thread
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "prod: readiness"])


@pytest.mark.django_db(transaction=True)
def test_new_credentials_are_used_at_the_next_look(server: FakeKubernetes, questions: Questions) -> None:
    cluster = register(server)
    old, server.token = server.token, "another-token"
    assert questions.ask([cluster])[cluster.pk].verdict is Verdict.UNKNOWN
    cluster.kubeconfig = server.kubeconfig_text()
    assert questions.ask([cluster])[cluster.pk].verdict is Verdict.READY
    assert old not in questions.ask([cluster])[cluster.pk].text


# --- the watch ---


@pytest.mark.django_db(transaction=True)
def test_a_watcher_that_went_silent_two_minutes_ago_is_an_event(
    server: FakeKubernetes, questions: Questions
) -> None:
    beat = datetime.now(UTC) - timedelta(seconds=125)
    cluster = register(server, heartbeat_at=beat)
    looked_at_before(cluster, Cause.WATCH, timedelta(seconds=120))
    report(questions)
    event = Event.objects.get()
    assert event.title == "The cluster prod is not watched"
    assert event.description == (
        f"Its watcher has not been heard of since {beat:%Y-%m-%d %H:%M:%S} UTC."
        " What happens in the cluster is not seen."
    )


@pytest.mark.django_db(transaction=True)
def test_a_watch_without_connection_is_an_event_that_says_why(
    server: FakeKubernetes, questions: Questions
) -> None:
    cluster = register(
        server, state=WatchState.UNREACHABLE, state_message="Nothing listens.", connected_since=None
    )
    report(questions)
    assert events() == []
    looked_at_before(cluster, Cause.WATCH, HOLD[Cause.WATCH])
    report(questions)
    event = Event.objects.get()
    assert event.title == "The watch of prod is down"
    assert event.description == "Nothing listens. What happens in the cluster is not seen."


@pytest.mark.django_db(transaction=True)
def test_while_nobody_watches_the_nodes_are_not_judged(server: FakeKubernetes, questions: Questions) -> None:
    beat = datetime.now(UTC) - timedelta(hours=1)
    cluster = register(server, heartbeat_at=beat, nodes_known=2, nodes_not_ready=2)
    looked_at_before(cluster, Cause.NODES, timedelta(hours=1))
    report(questions)
    cluster.refresh_from_db()
    assert set(cluster.health["so_since"]) == {Cause.WATCH}


@pytest.mark.django_db(transaction=True)
def test_after_a_long_pause_of_all_processes_the_watcher_gets_its_two_minutes(
    server: FakeKubernetes, questions: Questions
) -> None:
    register(server, heartbeat_at=datetime.now(UTC) - timedelta(hours=8))
    report(questions)
    assert events() == []


# --- the nodes ---


@pytest.mark.django_db
@pytest.mark.parametrize(("down", "of", "rings"), [(2, 7, False), (3, 10, True), (0, 3, False), (1, 1, True)])
def test_thirty_per_cent_of_the_nodes_make_it(
    server: FakeKubernetes, questions: Questions, down: int, of: int, rings: bool
) -> None:
    cluster = register(server, nodes_known=of, nodes_not_ready=down)
    looked_at_before(cluster, Cause.NODES, HOLD[Cause.NODES])
    cluster.refresh_from_db()
    batch, _ = compare([cluster], questions.ask([cluster]), [], datetime.now(UTC))
    said = [(event.key, event.description) for event in batch.new]
    assert said == ([("nodes", f"{down} of {of} nodes are not ready.")] if rings else [])


@pytest.mark.django_db
def test_more_nodes_change_the_event_and_tell_nobody_again(
    server: FakeKubernetes, questions: Questions
) -> None:
    cluster = register(server, nodes_known=10, nodes_not_ready=3)
    looked_at_before(cluster, Cause.NODES, HOLD[Cause.NODES])
    report(questions)
    Cluster.objects.update(nodes_not_ready=5)
    report(questions)
    event = Event.objects.get()
    assert (event.description, event.details["nodes_not_ready"]) == ("5 of 10 nodes are not ready.", 5)


# --- what is over, and who is asked ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["disabled", "deleted"])
def test_of_a_cluster_that_is_disabled_or_deleted_all_is_over(
    server: FakeKubernetes, questions: Questions, end: str
) -> None:
    cluster = register(server, nodes_known=1, nodes_not_ready=1)
    looked_at_before(cluster, Cause.NODES, HOLD[Cause.NODES])
    report(questions)
    if end == "deleted":
        cluster.delete()
    else:
        Cluster.objects.update(enabled=False)
    asked = len(server.requests)
    report(questions)
    assert events() == [("nodes", EventStatus.RESOLVED)]
    assert len(server.requests) == asked


@pytest.mark.django_db(transaction=True)
def test_what_was_found_in_a_cluster_is_over_when_that_is_removed_and_told(
    server: FakeKubernetes, questions: Questions
) -> None:
    connector = make_connector()
    connector.deliver_brief = True
    connector.save()
    make_subscription(connector)
    removed, kept = register(server), register(server, "staging")
    for cluster in (removed, kept):
        looping = crash_looping(pod("web-1"))
        looping["metadata"]["uid"] = "1"
        Ingest(cluster).apply([Seen(decode(json.dumps(looping).encode(), Pod), datetime.now(UTC))])

    removed.delete()
    report(questions)
    report(questions)

    found = Event.objects.filter(event_type="pod_crash_loop").order_by("cluster_name")
    assert list(found.values_list("cluster_name", "status")) == [("prod", "resolved"), ("staging", "firing")]
    told = Delivery.objects.filter(message__cluster="prod").order_by("id")
    assert list(told.values_list("message__status", flat=True)) == ["firing", "resolved"]


@pytest.mark.django_db(transaction=True)
def test_each_cause_is_an_event_of_its_own(server: FakeKubernetes, questions: Questions) -> None:
    cluster = register(server, nodes_known=1, nodes_not_ready=1)
    server.ready = False
    now = datetime.now(UTC)
    since = {cause: (now - timedelta(minutes=5)).isoformat() for cause in (Cause.NODES, Cause.API_SERVER)}
    Cluster.objects.filter(pk=cluster.pk).update(health={"at": now.isoformat(), "so_since": since})
    report(questions)
    assert sorted(events()) == [("api_server", "firing"), ("nodes", "firing")]


@pytest.mark.django_db(transaction=True)
def test_the_task_without_clusters_does_nothing() -> None:
    check_clusters()
    assert events() == []


# --- what the watcher writes of it ---


@pytest.mark.django_db(transaction=True)
def test_the_figures_of_the_watch_go_to_the_cluster_with_every_heartbeat(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.watching.cluster_watcher.HEARTBEAT", 0.0)
    server.put(pod("web-1"))
    server.put(node("a"))
    server.put(node("b", ready=False))
    cluster = register(server, nodes_known=0)
    watcher = ClusterWatcher(cluster)
    watcher.start()
    try:
        until(lambda: figures(cluster) == (3, 2, 1))
        assert cluster.lag_seconds is not None
        assert 0 <= cluster.lag_seconds < 10
        assert cluster.stream_restarts == 0
    finally:
        watcher.stop()
        assert watcher.join(PATIENCE)


def figures(cluster: Cluster) -> tuple[int, int, int]:
    cluster.refresh_from_db()
    return cluster.objects_known, cluster.nodes_known, cluster.nodes_not_ready


@pytest.mark.django_db
def test_the_figures_are_shown_to_people_and_programs(server: FakeKubernetes, admin_client: Client) -> None:
    cluster = register(
        server, lag_seconds=0.25, objects_known=4711, stream_restarts=3, nodes_known=10, nodes_not_ready=2
    )
    page = admin_client.get(reverse("admin:events_cluster_change", args=[cluster.pk])).content.decode()
    for shown in ("250\N{NO-BREAK SPACE}ms", "4,711", "2 not ready"):
        assert shown in page
    told = admin_client.get(f"/api/v1/clusters/{cluster.pk}/").json()
    names = ("lag_seconds", "objects_known", "stream_restarts", "nodes_known", "nodes_not_ready")
    assert [told[name] for name in names] == [0.25, 4711, 3, 10, 2]


@pytest.mark.django_db(transaction=True)
def test_what_was_said_last_of_a_cluster_without_watcher_is_told(
    server: FakeKubernetes, questions: Questions
) -> None:
    cluster = register(
        server, heartbeat_at=datetime.now(UTC) - timedelta(minutes=3), state=WatchState.UNREACHABLE,
        state_message="There is no lease.",
    )  # fmt: skip
    looked_at_before(cluster, Cause.WATCH, HOLD[Cause.WATCH])
    report(questions)
    assert "UTC. The last that was said: There is no lease. What" in Event.objects.get().description


# --- how long ---


def after(*looks: object, memory: Memory | None = None, open_: tuple[Cause, ...] = ()) -> list[str]:
    """What is said and unsaid at each of these looks, fifteen seconds apart."""
    said, memory, known = [], memory or Memory(), set(open_)
    for number, seen in enumerate(looks):
        judgement = judge(seen, known, memory, AT + number * BEAT)
        said.append("so" if judgement.so else "over" if judgement.over else "")
        memory = judgement.memory
        known = (known | {Cause(finding.key) for finding in judgement.so}) - set(judgement.over)
    return said


def test_it_counts_from_the_third_look_on() -> None:
    assert after(SEEN, SEEN, SEEN, SEEN) == ["", "", "so", "so"]


def test_a_good_look_between_begins_it_anew() -> None:
    assert after(SEEN, SEEN, WELL, SEEN, SEEN, SEEN) == ["", "", "", "", "", "so"]


def test_what_flaps_is_not_over() -> None:
    looks = [WELL, WELL, SEEN, WELL, WELL, WELL, WELL, WELL]
    assert after(*looks, open_=(Cause.API_SERVER,)) == ["", "", "so", "", "", "", "", "over"]


def test_what_cannot_be_judged_stays_as_it_is_on_record() -> None:
    assert after(*[{}] * 8, open_=(Cause.API_SERVER,)) == [""] * 8


def test_what_was_seen_before_a_gap_does_not_count() -> None:
    long_ago = Memory(at=AT - timedelta(minutes=10), so_since={Cause.API_SERVER: AT - timedelta(minutes=10)})
    assert after(SEEN, memory=long_ago) == [""]


def test_of_a_cluster_that_is_well_nothing_is_kept() -> None:
    assert judge(WELL, (), Memory(answered=True), AT).memory == Memory(answered=True)
