"""Two watchers, one leader: real processes, a real database, real HTTP."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connections

from events.models import Access, Cluster, Event, EventStatus, WatchState
from events.remembered import WatchLease
from events.watching.cluster_watcher import ClusterWatcher
from events.watching.leadership import Candidate, Deposed, LeasedTerm, LeaseTimes, Suspended, Term
from events.watching.leases import DatabaseLease, LeaseKind
from tests.events.cluster.following import FAST
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, healed, pod, restarted
from tests.running import Process, Processes
from tests.waiting import BUSY, PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = LeaseTimes(length=2.0, renew=0.3, margin=0.5, retry=0.1, courtesy=0.05, patience=0.2)
KINDS = pytest.mark.parametrize("kind", ["database", "kubernetes"])
NO_HOLD = json.dumps({"pod_crash_loop": {"clear_after": 0}})


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    with FakeKubernetes(token="a-token") as fake:
        yield fake


def register(server: FakeKubernetes, name: str = "prod") -> Cluster:
    return Cluster.objects.create(name=name, access=Access.KUBECONFIG, kubeconfig=server.kubeconfig_text())


def events(event_type: str = "pod_crash_loop") -> list[Event]:
    return list(Event.objects.filter(event_type=event_type).order_by("first_seen"))


def state() -> Cluster:
    return Cluster.objects.get(name="prod")


# --- real processes ---


def two_watchers(server: FakeKubernetes, processes: Processes, kind: str) -> tuple[Process, Process]:
    """The one that leads, and the one that stands by."""
    both = [processes.watcher(f"--lease={kind}", KUBEGRAF_DETECTORS=NO_HOLD) for _ in range(2)]
    until(lambda: server.open_watches("pods") == 1, 60)
    leads, stands_by = "prod: this watcher leads", "prod: another watcher leads"
    until(lambda: any(leads in one.output() for one in both), 60)
    leader = next(one for one in both if leads in one.output())
    other = next(one for one in both if one is not leader)
    other.wait_for(stands_by)
    assert leads not in other.output()
    return leader, other


@KINDS
def test_when_the_leader_is_killed_the_other_takes_over_with_nothing_twice_and_nothing_lost(
    server: FakeKubernetes, processes: Processes, kind: str
) -> None:
    register(server)
    before, during, after = (pod(f"{name}-1", owner=name) for name in ("before", "during", "after"))
    steady = server.put(pod("steady-1", owner="steady"))
    leader, other = two_watchers(server, processes, kind)
    server.put(crash_looping(before))
    until(lambda: len(events()) == 1)
    assert server.open_watches("pods") == 1

    leader.kill9()
    killed = time.monotonic()
    server.put(crash_looping(during))
    server.put(restarted(steady))
    until(lambda: len(events()) == 2)
    assert time.monotonic() - killed < 15.0 + BUSY

    until(lambda: server.open_watches("pods") == 1)
    server.put(crash_looping(after))
    until(lambda: len(events()) == 3)
    server.put(healed(crash_looping(before)))
    until(lambda: Event.objects.filter(status=EventStatus.RESOLVED).exists())
    assert [(event.subject, event.status) for event in events()] == [
        ("Deployment/before", "resolved"),
        ("Deployment/during", "firing"),
        ("Deployment/after", "firing"),
    ]
    assert [event.subject for event in events("pod_restarted")].count("Deployment/steady") == 1
    until(lambda: state().state == WatchState.WATCHING)
    assert "Traceback" not in other.output()


def test_a_leader_that_hung_and_wakes_after_another_took_over_does_no_harm(
    server: FakeKubernetes, processes: Processes
) -> None:
    register(server)
    server.put(crash_looping(pod("web-1", owner="web")))
    leader, other = two_watchers(server, processes, "database")
    until(lambda: len(events()) == 1)
    leader.popen.send_signal(signal.SIGSTOP)
    server.put(crash_looping(pod("api-1", owner="api")))
    other.wait_for("prod: this watcher leads")
    until(lambda: len(events()) == 2)
    server.put(crash_looping(pod("db-1", owner="db")))
    until(lambda: len(events()) == 3)
    leader.popen.send_signal(signal.SIGCONT)
    leader.wait_for("prod: this watcher no longer leads; it stands by")
    until(lambda: server.open_watches("pods") == 1)
    assert [event.status for event in events()] == [EventStatus.FIRING] * 3
    until(lambda: state().state == WatchState.WATCHING)
    assert "Traceback" not in leader.output() + other.output()


@KINDS
def test_when_the_leader_is_told_to_stop_the_other_takes_over_at_once(
    server: FakeKubernetes, processes: Processes, kind: str
) -> None:
    register(server)
    leader, other = two_watchers(server, processes, kind)
    began = time.monotonic()
    assert leader.terminate() == 0
    ended = time.monotonic()
    assert ended - began < 5.0 + BUSY
    other.wait_for("prod: this watcher leads")
    assert time.monotonic() - ended < 8.0  # it did not wait for the lease to run out
    until(lambda: server.open_watches("pods") == 1 and state().state == WatchState.WATCHING)
    server.put(crash_looping(pod("web-1", owner="web")))
    until(events)
    assert other.terminate() == 0
    assert state().state == WatchState.STOPPED


def test_one_that_stands_by_beats_stops_in_time_and_shows_nothing_wrong(
    server: FakeKubernetes, processes: Processes
) -> None:
    cluster = register(server)
    heartbeat = processes.folder / "heartbeat"
    WatchLease.objects.create(cluster=cluster, holder="another", token=7)
    lease = DatabaseLease(cluster, "another", 600.0)
    assert lease.free_in() == 0.0
    assert lease.take()
    other = processes.watcher(
        ready="prod: another watcher leads; this one stands by", KUBEGRAF_HEARTBEAT_FILE=str(heartbeat)
    )
    until(heartbeat.exists)
    assert state().state == WatchState.NEVER
    assert server.asked() == []
    began = time.monotonic()
    assert other.terminate() == 0
    assert time.monotonic() - began < 5.0 + BUSY
    assert state().state == WatchState.NEVER
    assert "WARNING" not in other.output()
    assert lease.stands()


def test_a_lease_that_is_forbidden_is_shown_and_nothing_is_watched(
    server: FakeKubernetes, processes: Processes
) -> None:
    register(server)
    server.forbid("leases")
    watcher = processes.watcher(KUBEGRAF_LEASE="kubernetes")
    until(lambda: state().state == WatchState.UNREACHABLE, 60)
    assert state().state_message.startswith("Who watches is to be written in a Lease of the cluster (")
    assert (
        "--verb=get,create,update --resource=leases.coordination.k8s.io -n default" in state().state_message
    )
    assert server.asked("list") == []
    assert watcher.running
    server.allow("leases")
    until(lambda: state().state == WatchState.WATCHING)
    assert state().state_message == ""


def test_a_lease_of_no_known_kind_is_told_at_the_start(processes: Processes) -> None:
    watcher = processes.watcher(KUBEGRAF_LEASE="zookeeper")
    assert watcher.wait() == 1
    assert "KUBEGRAF_LEASE is 'zookeeper'; it can be database, kubernetes or none." in watcher.output()


# --- terms ---


class Handle:
    """A candidate that stands for the cluster in a thread, and the term it has won."""

    def __init__(self, cluster: Cluster, candidate: Candidate) -> None:
        self.term: Term | None = None
        self.stop = threading.Event()
        self._cluster = cluster
        self._candidate = candidate
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            with self._candidate.leading(self._cluster, self.stop, lambda why: None) as term:
                self.term = term
                self.stop.wait(60)
        finally:
            connections.close_all()

    def leads(self) -> bool:
        return self.term is not None

    def end(self) -> None:
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()


@contextmanager
def standing(
    *clusters: Cluster, times: LeaseTimes = QUICK, candidate: Candidate | None = None
) -> Iterator[list[Handle]]:
    """One candidate, a new one unless it is given, that stands for those clusters."""
    candidate = candidate or Candidate(LeaseKind.DATABASE, times)
    handles = [Handle(cluster, candidate) for cluster in clusters]
    try:
        yield handles
    finally:
        for handle in handles:
            handle.end()


def check_fails_with(term: Term, expected: type[Exception]) -> Callable[[], bool]:
    def check() -> bool:
        try:
            term.check()
        except (Deposed, Suspended) as error:
            return isinstance(error, expected)
        return False

    return check


def test_a_leader_that_cannot_renew_stops_before_its_lease_ends_and_goes_on_when_it_can(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = register(server)
    with standing(cluster) as [handle]:
        until(handle.leads)
        term = handle.term
        assert term is not None
        with monkeypatch.context() as patch:
            patch.setattr(DatabaseLease, "renew", unreachable)
            until(check_fails_with(term, Suspended))
            row = WatchLease.objects.get()
            assert DatabaseLease(cluster, "another", 2.0).free_in() > 0.0
            assert term.trouble == "away"
        until(lambda: not check_fails_with(term, Suspended)())
        term.guard()
        assert WatchLease.objects.get().token == row.token


def unreachable(lease: DatabaseLease) -> bool:
    raise OperationalError("away")


def test_a_lease_that_ran_out_is_taken_and_the_former_leader_is_deposed(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = register(server)
    with standing(cluster) as [handle]:
        until(handle.leads)
        term = handle.term
        assert term is not None
        with monkeypatch.context() as patch:
            patch.setattr(DatabaseLease, "renew", unreachable)
            another = DatabaseLease(cluster, "another", 60.0)
            until(lambda: another.free_in() == 0.0)
            assert another.take()
        until(check_fails_with(term, Deposed))
    assert WatchLease.objects.get().holder == "another"


def test_the_guard_sees_a_new_leader_before_the_renewal_does(server: FakeKubernetes) -> None:
    cluster = register(server)
    times = LeaseTimes(length=600.0, renew=300.0)
    with standing(cluster, times=times) as [handle]:
        until(handle.leads)
        term = handle.term
        assert term is not None
        term.guard()
        assert DatabaseLease(cluster, "another", 600.0).seize()
        term.check()  # by its own clock it leads
        with pytest.raises(Deposed):
            term.guard()
        with pytest.raises(Deposed):
            term.check()


def test_a_deposed_leader_writes_nothing_more(
    server: FakeKubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = register(server)
    times = LeaseTimes(length=600.0, renew=300.0, retry=0.1)
    watcher = ClusterWatcher(cluster, candidate=Candidate(LeaseKind.DATABASE, times), timings=FAST)
    watcher.start()
    try:
        until(lambda: state().state == WatchState.WATCHING and server.open_watches("pods") == 1)
        another = DatabaseLease(cluster, "another", 600.0)
        assert another.seize()
        server.put(crash_looping(pod("web-1", owner="web")))
        until(lambda: "prod: this watcher no longer leads; it stands by" in caplog.messages)
        until(lambda: server.open_watches() == 0)
        assert not Event.objects.exists()
        assert state().state == WatchState.WATCHING  # that is for the new leader to say
        another.release()
        until(events)
    finally:
        watcher.stop()
        assert watcher.join(PATIENCE)
    assert len(events()) == 1


def test_a_leader_by_kubernetes_goes_on_where_it_was_when_its_api_server_comes_back(
    server: FakeKubernetes,
) -> None:
    candidate = Candidate(LeaseKind.KUBERNETES, QUICK)
    watcher = ClusterWatcher(register(server), candidate=candidate, timings=FAST)
    watcher.start()
    try:
        until(lambda: state().state == WatchState.WATCHING and server.open_watches("pods") == 1)
        token = WatchLease.objects.get().token
        server.stop()
        until(lambda: state().state == WatchState.UNREACHABLE)
        server.put(crash_looping(pod("web-1", owner="web")))
        until(check_fails_with(watcher._term, Suspended))
        server.start()
        until(events)
        until(lambda: state().state == WatchState.WATCHING)
    finally:
        watcher.stop()
        assert watcher.join(PATIENCE)
    assert WatchLease.objects.get().token == token
    assert len(server.asked("list", "pods")) == 1


def test_a_row_of_a_cluster_that_is_deleted_ends_the_term(server: FakeKubernetes) -> None:
    cluster = register(server)
    with standing(cluster) as [handle]:
        until(handle.leads)
        term = handle.term
        assert term is not None
        Cluster.objects.all().delete()
        until(check_fails_with(term, Deposed))


def test_every_leader_has_a_greater_number(server: FakeKubernetes) -> None:
    cluster = register(server)
    numbers = []
    for _ in range(3):
        with standing(cluster) as [handle]:
            until(handle.leads)
            numbers.append(WatchLease.objects.get().token)
    assert numbers == sorted(set(numbers))
    assert WatchLease.objects.get().holder == ""


# --- many clusters ---


def test_each_of_many_clusters_is_led_by_one_watcher(server: FakeKubernetes) -> None:
    clusters = [register(server, f"c{number}") for number in range(6)]
    with standing(*clusters) as first, standing(*clusters) as second:
        until(lambda: sum(handle.leads() for handle in first + second) == len(clusters))
        led_by = [[one.leads(), other.leads()] for one, other in zip(first, second, strict=True)]
    assert [sorted(pair) for pair in led_by] == [[False, True]] * len(clusters)


def test_who_has_less_to_watch_goes_first(server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    had, free = register(server, "had"), register(server, "free")
    monkeypatch.setattr("events.watching.leadership.random.random", lambda: 0.0)
    # The busy one lets others go first for five seconds, the idle one for none: much longer than its start
    # takes on a machine that has other things to do.
    times = LeaseTimes(courtesy=5.0, patience=60.0, retry=0.1)
    busy, idle = Candidate(LeaseKind.DATABASE, times), Candidate(LeaseKind.DATABASE, times)
    with standing(had, candidate=busy) as [leads]:
        until(leads.leads)
        with standing(free, candidate=busy) as [slow], standing(free, candidate=idle) as [quick]:
            until(lambda: slow.leads() or quick.leads())
            assert (slow.leads(), quick.leads()) == (False, True)


def test_without_a_lease_nobody_asks_who_leads(server: FakeKubernetes) -> None:
    cluster = register(server)
    with Candidate(LeaseKind.NONE).leading(cluster, threading.Event(), lambda why: None) as term:
        assert term is not None
        assert not isinstance(term, LeasedTerm)
        term.check()
        term.guard()
    assert not WatchLease.objects.exists()
