"""`manage.py watch_cluster`, as people run it."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from events.models import Access, Cluster, Event, WatchState
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, pod
from tests.running import Processes
from tests.waiting import BUSY, until

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as fake:
        yield fake


def register(server: FakeKubernetes, name: str = "prod", **fields: object) -> Cluster:
    text = server.kubeconfig_text()
    return Cluster.objects.create(name=name, access=Access.KUBECONFIG, kubeconfig=text, **fields)


def run(*args: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("watch_cluster", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_once_lists_records_and_ends(server: FakeKubernetes) -> None:
    register(server)
    server.put(crash_looping(pod("web-1", owner="web")))
    assert run("--once") == ("prod: listed.\n", "")
    assert Event.objects.filter(event_type="pod_crash_loop").count() == 1
    assert server.asked("watch") == []


def test_once_leaves_disabled_clusters_alone_unless_they_are_named(server: FakeKubernetes) -> None:
    register(server, enabled=False)
    run("--once")
    assert server.asked() == []
    assert run("--once", "--cluster", "prod") == ("prod: listed.\n", "")


def test_once_takes_several_names(server: FakeKubernetes) -> None:
    for name in ("a", "b", "c"):
        register(server, name)
    assert run("--once", "--cluster", "a", "--cluster", "c") == ("a: listed.\nc: listed.\n", "")


def test_once_fails_with_the_reason_if_something_could_not_be_listed(server: FakeKubernetes) -> None:
    register(server)
    server.forbid("nodes")
    server.put(crash_looping(pod("web-1", owner="web")))
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("watch_cluster", "--once", stdout=out, stderr=err)
    assert caught.value.returncode == 1
    assert out.getvalue() == "prod: listed, but not everything.\n"
    assert err.getvalue().startswith(
        "prod: nodes: system:serviceaccount:kubegraf:kubegraf has no right to get, list and watch nodes."
    )
    assert Event.objects.filter(event_type="pod_crash_loop").exists()


def test_once_with_dry_run_prints_what_it_finds_and_records_nothing(server: FakeKubernetes) -> None:
    register(server)
    server.put(crash_looping(pod("web-1", owner="web")))
    out, err = run("--once", "--dry-run")
    assert out.startswith("prod: firing pod_crash_loop critical default/Pod/web-1: ")
    assert out.endswith("prod: listed.\n")
    assert err == ""
    assert not Event.objects.exists()
    assert Cluster.objects.get().baselines.count() == 0


def test_once_without_a_cluster_says_so() -> None:
    out, _ = run("--once")
    assert out == "No cluster is registered. Add one in the admin, under Clusters.\n"


def test_once_with_none_enabled_names_those_there_are(server: FakeKubernetes) -> None:
    register(server, enabled=False)
    out, _ = run("--once")
    assert out == "No cluster is enabled (prod). Enable one in the admin, under Clusters.\n"


def test_an_unknown_name_is_told_with_those_there_are(server: FakeKubernetes) -> None:
    register(server)
    with pytest.raises(CommandError) as caught:
        run("--cluster", "prod", "--cluster", "typo")
    assert str(caught.value) == "No cluster is named typo. There are: prod."
    assert server.asked() == []


def test_a_name_without_any_cluster_is_told() -> None:
    with pytest.raises(CommandError) as caught:
        run("--cluster", "prod")
    assert str(caught.value) == "No cluster is named prod. No cluster is registered."


def test_a_wrong_detector_option_is_told_at_the_start(settings: Settings) -> None:
    settings.DETECTOR_OPTIONS = {"pod_crash_loop": {"clear_afetr": 60}}
    with pytest.raises(CommandError) as caught:
        run("--once")
    assert "KUBEGRAF_DETECTORS: pod_crash_loop: " in str(caught.value)
    assert "clear_afetr" in str(caught.value)


def test_options_of_a_misspelt_type_are_told_at_the_start(settings: Settings) -> None:
    settings.DETECTOR_OPTIONS = {"pod_crash_lop": {"clear_after": 60}}
    with pytest.raises(CommandError, match="KUBEGRAF_DETECTORS: no detector finds pod_crash_lop"):
        run("--once")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.django_db(transaction=True)
def test_it_watches_until_it_is_told_to_end(
    server: FakeKubernetes, processes: Processes, number: signal.Signals
) -> None:
    register(server)
    watcher = processes.watcher()
    until(lambda: server.open_watches("pods") == 1, 60)
    server.put(crash_looping(pod("web-1", owner="web")))
    until(lambda: Event.objects.filter(event_type="pod_crash_loop").exists())
    began = time.monotonic()
    assert watcher.signal(number) == 0
    assert time.monotonic() - began < 5.0 + BUSY
    assert Cluster.objects.get().state == WatchState.STOPPED
    assert "Traceback" not in watcher.output()


@pytest.mark.django_db(transaction=True)
def test_once_fails_plainly_when_the_database_is_away(processes: Processes) -> None:
    watcher = processes.manage("watch_cluster", "--once", DATABASE_URL="postgresql://u@127.0.0.1:1/none")
    assert watcher.wait() == 1
    assert "CommandError: The database is away: " in watcher.output()
    assert "Traceback" not in watcher.output()
