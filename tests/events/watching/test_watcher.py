"""Watching clusters: real HTTP, real threads, a real database."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.db.transaction import Atomic
from pytest_django import Settings

from events.cluster.backoff import Backoff
from events.cluster.watch import Timings
from events.models import Access, Cluster, Event, EventStatus, WatchState
from events.watching.cluster_watcher import ClusterWatcher, watch_once
from events.watching.watcher import Watcher
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, deployment, node, pod, scaled
from tests.waiting import BUSY, PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)

FAST = Timings(
    page_size=2, inactivity=5.0, steady=0.3, slow_retry=0.2, backoff=Backoff(first=0.05, longest=0.2)
)


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    with FakeKubernetes(token="a-token") as fake:
        yield fake


def register(server: FakeKubernetes, name: str = "prod", **fields: object) -> Cluster:
    text = server.kubeconfig_text()
    return Cluster.objects.create(name=name, access=Access.KUBECONFIG, kubeconfig=text, **fields)


@contextmanager
def watching(
    *names: str,
    timings: Timings = FAST,
    poll: float = 0.05,
    show: Callable[[str], None] | None = None,
) -> Iterator[Watcher]:
    """A watcher of all (those) clusters, which must end within five seconds."""
    stop, watcher = threading.Event(), Watcher(names, timings=timings, show=show, poll=poll)

    def run() -> None:
        try:
            watcher.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield watcher
    finally:
        began = time.monotonic()
        stop.set()
        thread.join(PATIENCE)
        assert time.monotonic() - began < 5.0 + BUSY, "it did not stop in time"


def state(name: str = "prod") -> Cluster:
    return Cluster.objects.get(name=name)


def reaches(wanted: WatchState, name: str = "prod") -> Cluster:
    until(lambda: state(name).state == wanted, what=f"{name} {wanted}")
    return state(name)


def crashes() -> list[Event]:
    return list(Event.objects.filter(event_type="pod_crash_loop"))


# --- from a change to an event ---


def test_what_changes_in_a_cluster_is_on_record(server: FakeKubernetes) -> None:
    cluster = register(server)
    server.put(pod("web-1", owner="web"))
    with watching():
        reaches(WatchState.WATCHING)
        until(lambda: server.open_watches("pods") == 1)
        server.put(crash_looping(pod("web-1", owner="web")))
        until(crashes)
    event = crashes()[0]
    assert (event.cluster_id, event.status, event.namespace) == (cluster.pk, EventStatus.FIRING, "default")


def put_team(server: FakeKubernetes, channel: str) -> None:
    """A namespace of many, the last of their list, that says where its events are to go, and its pod."""
    names = [f"team-{number:03}" for number in range(100)]
    for name in [*names, "shop"]:
        annotations = {"kubegraf.io/slack-channel": channel} if name == "shop" else {}
        metadata = {"name": f"z-{name}", "annotations": annotations}
        server.put({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata})
    server.put(crash_looping(pod("web-1", "z-team-099", owner="web")))
    server.put(crash_looping(pod("shop-1", "z-shop", owner="shop")))


def test_where_a_namespace_sends_its_events_is_known_before_its_pods_are_looked_at(
    server: FakeKubernetes,
) -> None:
    put_team(server, "#shop")
    register(server)
    with watching():
        until(lambda: Event.objects.count() == 2)
    assert {event.subject: event.routing for event in Event.objects.all()} == {
        "Deployment/web": {},
        "Deployment/shop": {"slack-channel": "#shop"},
    }


def test_what_explains_the_pods_and_cannot_be_listed_is_not_waited_for(server: FakeKubernetes) -> None:
    server.forbid("namespaces")
    server.hang_next(plural="nodes", verb="list")
    server.put(crash_looping(pod("web-1", owner="web")))
    register(server)
    with watching(timings=replace(FAST, first_lists=0.1)):
        until(Event.objects.exists)


def test_a_second_watch_of_the_same_reports_nothing_twice(server: FakeKubernetes) -> None:
    register(server)
    server.put(crash_looping(pod("web-1", owner="web")))
    with watching():
        until(crashes)
    before = list(Event.objects.values_list("pk", "count", "status").order_by("pk"))
    with watching():
        reaches(WatchState.WATCHING)
        until(lambda: state().heartbeat_at and server.open_watches("pods") == 1)
    assert list(Event.objects.values_list("pk", "count", "status").order_by("pk")) == before


def test_what_ended_while_nobody_watched_is_resolved(server: FakeKubernetes, settings: Settings) -> None:
    settings.DETECTOR_OPTIONS = {"pod_crash_loop": {"clear_after": 0}}
    register(server)
    server.put(crash_looping(pod("web-1", owner="web")))
    with watching():
        until(crashes)
    server.delete("Pod", "web-1")
    with watching():
        until(lambda: crashes()[0].status == EventStatus.RESOLVED)


def test_a_scale_while_nobody_watched_is_seen(server: FakeKubernetes) -> None:
    register(server)
    server.put(deployment("web", 3))
    with watching():
        reaches(WatchState.WATCHING)
        until(lambda: state().last_change_at)
        until(lambda: server.open_watches("deployments") == 1)
    assert not Event.objects.exists()
    server.put(scaled(deployment("web"), 5))
    with watching():
        until(lambda: Event.objects.filter(event_type="deployment_scaled").count() == 1)


def test_what_was_seen_before_the_stop_is_written(server: FakeKubernetes) -> None:
    register(server)
    with watching():
        reaches(WatchState.WATCHING)
        until(lambda: server.open_watches("pods") == 1)
        for number in range(200):
            server.put(crash_looping(pod(f"web-{number}", owner=f"web-{number}")))
        until(crashes)
    seen = len(crashes())
    with watching():
        until(lambda: len(crashes()) == 200)
    assert seen > 0


def test_last_words_that_postgresql_cannot_store_stop_nothing(server: FakeKubernetes) -> None:
    register(server)
    server.put(last_words("listed", "core\0dumped"))
    with watching():
        until(lambda: len(crashes()) == 1 and server.open_watches("pods") == 1)
        server.put(last_words("watched", "core\0dumped"))
        until(lambda: len(crashes()) == 2)
    assert {event.details["last_error"] for event in crashes()} == {"core\ufffddumped"}


def last_words(name: str, message: str) -> dict[str, Any]:
    crashed = crash_looping(pod(name, owner=name))
    crashed["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"] = message
    return crashed


# --- how it goes, for people ---


def test_the_state_says_since_when_and_beats(server: FakeKubernetes) -> None:
    register(server)
    server.put(pod("a"))
    with watching():
        until(lambda: state().last_change_at)
        cluster = reaches(WatchState.WATCHING)
        assert cluster.connected_since is not None
        assert cluster.heartbeat_at is not None
        assert cluster.state_message == ""
    assert state().state == WatchState.STOPPED


def test_a_missing_right_is_shown_and_the_rest_goes_on(server: FakeKubernetes) -> None:
    server.forbid("nodes")
    register(server)
    with watching():
        cluster = reaches(WatchState.DEGRADED)
        assert cluster.state_message == "Not watched: nodes."
        assert "kubectl create clusterrole kubegraf-nodes" in cluster.problems["nodes"]
        server.put(crash_looping(pod("web-1")))
        until(crashes)
        server.allow("nodes")
        assert "nodes" not in reaches(WatchState.WATCHING).problems


def test_a_server_that_is_away_is_shown_and_found_again(server: FakeKubernetes) -> None:
    register(server)
    with watching():
        reaches(WatchState.WATCHING)
        server.stop()
        cluster = reaches(WatchState.UNREACHABLE)
        assert cluster.state_message == f"Nothing listens at {server.url}: the connection was refused."
        assert cluster.connected_since is None
        server.put(crash_looping(pod("web-1")))
        server.start()
        until(crashes)
        reaches(WatchState.WATCHING)


def test_a_wrong_kubeconfig_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    Cluster.objects.create(name="prod", access=Access.CONTEXT)
    with watching():
        cluster = reaches(WatchState.UNREACHABLE)
    assert cluster.state_message == (
        f"There is no kubeconfig: {tmp_path / 'config'} does not exist on this server."
    )


# --- which clusters, which namespaces ---


def test_only_the_namespaces_asked_for_are_watched_and_all_nodes(server: FakeKubernetes) -> None:
    register(server, namespaces=["shop", "payments"])
    server.put(crash_looping(pod("other-1", "other")))
    server.put(crash_looping(pod("shop-1", "shop")))
    server.put(node("n", ready=False))
    with watching():
        until(crashes)
        reaches(WatchState.WATCHING)
    assert [event.namespace for event in crashes()] == ["shop"]
    namespaces = {(asked.plural, asked.namespace) for asked in server.asked("list")}
    assert {("pods", "shop"), ("pods", "payments"), ("nodes", "")} <= namespaces
    assert ("pods", "") not in namespaces


def test_clusters_are_noticed_as_they_come_change_and_go(server: FakeKubernetes) -> None:
    with watching():
        cluster = register(server)
        reaches(WatchState.WATCHING)
        until(lambda: server.open_watches("pods") == 1)
        Cluster.objects.filter(pk=cluster.pk).update(namespaces=["shop"])
        until(lambda: [a for a in server.asked("watch", "pods") if a.namespace == "shop"])
        until(lambda: server.open_watches("pods") == 1)
        Cluster.objects.filter(pk=cluster.pk).update(enabled=False)
        until(lambda: server.open_watches() == 0)
        reaches(WatchState.STOPPED)
        Cluster.objects.filter(pk=cluster.pk).update(enabled=True)
        until(lambda: server.open_watches("pods") == 1)
        cluster.delete()
        until(lambda: server.open_watches() == 0)


def test_a_change_that_concerns_only_the_state_restarts_nothing(server: FakeKubernetes) -> None:
    register(server)
    with FakeKubernetes() as other, watching():
        reaches(WatchState.WATCHING)
        Cluster.objects.update(last_change_at=None, problems={"pods": "for a moment"})
        register(other, "later")  # once this one is noticed, the other has been looked at again
        reaches(WatchState.WATCHING, "later")
    assert len(server.asked("list", "pods")) == 1


def test_only_the_clusters_named_are_watched(server: FakeKubernetes) -> None:
    register(server, "prod")
    register(server, "dev")
    with watching("dev"):
        reaches(WatchState.WATCHING, "dev")
    assert state("prod").state == WatchState.NEVER


def test_a_cluster_that_fails_does_not_stop_the_others(server: FakeKubernetes) -> None:
    Cluster.objects.create(name="broken", access=Access.KUBECONFIG, kubeconfig="nonsense")
    register(server)
    with watching():
        reaches(WatchState.UNREACHABLE, "broken")
        reaches(WatchState.WATCHING)
        server.put(crash_looping(pod("web-1")))
        until(crashes)
    assert state("broken").state_message == ""


def test_without_a_cluster_it_says_so_and_waits_for_one(
    server: FakeKubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "events")
    with watching(poll=0.02):
        until(lambda: caplog.messages)
        register(server)
        reaches(WatchState.WATCHING)
    assert caplog.messages[0] == (
        "No cluster is registered. Add one in the admin, under Clusters. It is noticed by itself."
    )
    assert len(caplog.messages) == 1


# --- the database, and faults of our own ---


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Iterator[list[int]]:
    """Every transaction fails with that as long as the block lasts; how often one was tried."""
    tried: list[int] = []

    def fail(self: Atomic) -> None:
        tried.append(1)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Atomic, "__enter__", fail)
        yield tried


def test_while_the_database_is_away_nothing_is_dropped(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    register(server)
    with watching():
        reaches(WatchState.WATCHING)
        until(lambda: server.open_watches("pods") == 1)
        with failing(monkeypatch, OperationalError("the server closed the connection")) as tried:
            server.put(crash_looping(pod("web-1")))
            until(lambda: len(tried) >= 2)
            assert not crashes()
        until(crashes)
        assert len(server.asked("list", "pods")) == 1
    assert "prod: the database is back; nothing was lost" in caplog.messages


def test_a_fault_of_our_own_is_shown_and_everything_is_begun_again(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(server)
    with watching():
        reaches(WatchState.WATCHING)
        until(lambda: server.open_watches("pods") == 1)
        with failing(monkeypatch, RuntimeError("a fault")):
            server.put(crash_looping(pod("web-1")))
            cluster = reaches(WatchState.DEGRADED)
            assert cluster.state_message == "KubeGraf itself failed here (RuntimeError); its log says more."
        until(crashes)
        reaches(WatchState.WATCHING)


def test_the_watch_of_a_cluster_that_is_deleted_ends_without_a_word_of_failure(
    server: FakeKubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    register(server)
    with watching(poll=PATIENCE):  # it finds that out by itself
        reaches(WatchState.WATCHING)
        until(lambda: server.open_watches("pods") == 1)
        Cluster.objects.get().delete()
        server.put(crash_looping(pod("web-1")))
        until(lambda: "prod: it has been deleted, and is watched no more" in caplog.messages)
        until(lambda: server.open_watches("pods") == 0)
    assert not crashes()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_it_stops_in_time_while_the_database_is_away(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = ClusterWatcher(register(server), timings=FAST)
    server.put(crash_looping(pod("web-1")))
    with failing(monkeypatch, OperationalError("away")) as tried:
        watcher.start()
        until(lambda: tried)
        began = time.monotonic()
        watcher.stop()
        assert watcher.join(PATIENCE)
        assert time.monotonic() - began < 5.0 + BUSY


class Turns(threading.BoundedSemaphore):
    """One turn, which the test has until it lets go; `waited` counts who has waited for it in vain."""

    def __init__(self) -> None:
        super().__init__(1)
        self.waited = 0
        self.acquire()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        taken = super().acquire(blocking, timeout)
        self.waited += not taken
        return taken


def test_who_finds_no_turn_waits_and_drops_nothing(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(server)
    with watching():
        reaches(WatchState.WATCHING)
        until(lambda: server.open_watches("pods") == 1)
        turns = Turns()
        monkeypatch.setattr("events.watching.turns._turns", turns)
        monkeypatch.setattr("events.watching.turns.PATIENCE", 0.05)
        server.put(crash_looping(pod("web-1")))
        until(lambda: turns.waited >= 2)
        assert not crashes()
        turns.release()
        until(crashes)
        assert len(server.asked("list", "pods")) == 1


def test_it_stops_in_time_while_others_have_all_turns(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.watching.turns._turns", Turns())
    watcher = ClusterWatcher(register(server), timings=FAST)
    watcher.start()
    began = time.monotonic()
    watcher.stop()
    assert watcher.join(PATIENCE)
    assert time.monotonic() - began < 5.0 + BUSY
    assert server.asked() == []


def test_it_stops_in_time_while_the_server_does_not_answer(server: FakeKubernetes) -> None:
    server.hang_next(times=100)
    register(server)
    with watching():
        until(lambda: server.asked("list"))


def test_it_stops_in_time_while_a_credential_program_hangs(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, end = tmp_path / "started", tmp_path / "end"
    os.mkfifo(end)
    login = tmp_path / "login"
    login.write_text(f"#!/bin/sh\ntouch {started}\ncat {end}\n")
    login.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(login)}}
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config", user=user)))
    Cluster.objects.create(name="prod", access=Access.CONTEXT)
    with watching():
        until(started.exists)
    end.write_text("")  # lets the program end, too


# --- looking only ---


def test_a_dry_run_shows_what_it_finds_and_writes_nothing(server: FakeKubernetes) -> None:
    register(server)
    server.put(crash_looping(pod("web-1", owner="web")))
    lines: list[str] = []
    with watching(show=lines.append):
        until(lambda: lines)
    assert len(lines) == 1
    assert lines[0].startswith("prod: firing pod_crash_loop ")
    assert not Event.objects.exists()
    assert state().state == WatchState.NEVER


def test_once_lists_everything_and_takes_it_in(server: FakeKubernetes) -> None:
    server.put(crash_looping(pod("web-1", owner="web")))
    assert watch_once(register(server)) == []
    assert len(crashes()) == 1
    assert server.asked("watch") == []


def test_once_knows_where_a_namespace_sends_its_events(server: FakeKubernetes) -> None:
    put_team(server, "#shop")
    watch_once(register(server))
    assert Event.objects.get(subject="Deployment/shop").routing == {"slack-channel": "#shop"}


def test_once_tells_what_could_not_be_listed_and_takes_in_the_rest(server: FakeKubernetes) -> None:
    server.forbid("nodes")
    server.put(crash_looping(pod("web-1", owner="web")))
    problems = watch_once(register(server))
    assert [problem.plural for problem in problems] == ["nodes"]
    assert len(crashes()) == 1


def test_once_does_not_miss_what_is_not_installed(server: FakeKubernetes) -> None:
    server.uninstall("StatefulSet")
    assert watch_once(register(server)) == []


def test_once_at_an_address_that_knows_nothing_of_all_this_fails(server: FakeKubernetes) -> None:
    cluster = register(server)
    for kind in list(server.store.kinds):
        server.uninstall(kind)
    problems = watch_once(cluster)
    assert f"{server.url} does not know pods (v1): not installed." in [problem.text for problem in problems]
