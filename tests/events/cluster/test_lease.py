"""The Lease that says who watches a cluster, against a real HTTP API server."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from events.cluster.lease import KubernetesLease, lease_name, own_namespace
from events.cluster.trouble import ClusterError, Trouble
from events.models import Access, Cluster
from tests.events.cluster.following import stored
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.store import JSON
from tests.waiting import BUSY, until


def candidate(server: FakeKubernetes, name: str, length: float = 10.0) -> KubernetesLease:
    return KubernetesLease(stored(server), name, length)


def lease(server: FakeKubernetes) -> JSON:
    found = server.store.get("Lease", "kubegraf-test", "default")
    assert found is not None
    return found


def failure(lease: KubernetesLease) -> ClusterError:
    def attempt() -> None:
        lease.free_in()
        lease.take()

    with pytest.raises(ClusterError) as caught:
        attempt()
    return caught.value


# --- taking, renewing, giving back ---


def test_where_there_is_no_lease_it_is_made(server: FakeKubernetes) -> None:
    first = candidate(server, "first")
    assert first.free_in() == 0.0
    assert first.take()
    spec = lease(server)["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (
        "first",
        10,
        0,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", spec["renewTime"])
    assert spec["acquireTime"] <= spec["renewTime"]


def test_a_lease_that_is_held_is_not_free(server: FakeKubernetes) -> None:
    first, second = candidate(server, "first"), candidate(server, "second")
    assert first.free_in() == 0.0
    assert first.take()
    assert 10.0 - BUSY < second.free_in() <= 10.0


def test_of_two_who_see_it_free_one_gets_it(server: FakeKubernetes) -> None:
    first, second = candidate(server, "first"), candidate(server, "second")
    assert first.free_in() == second.free_in() == 0.0
    assert (first.take(), second.take()) == (True, False)
    first.release()
    assert first.free_in() == second.free_in() == 0.0
    assert (second.take(), first.take()) == (True, False)
    assert lease(server)["spec"]["holderIdentity"] == "second"
    assert lease(server)["spec"]["leaseTransitions"] == 1


def test_a_lease_that_is_renewed_does_not_become_free(server: FakeKubernetes) -> None:
    first, second = candidate(server, "first", length=60.0), candidate(server, "second")
    assert first.free_in() == 0.0
    assert first.take()
    for _ in range(3):
        begun = second.free_in()
        until(lambda begun=begun: second.free_in() < begun - 0.1)
        waits = second.free_in()
        before = lease(server)["spec"]["renewTime"]
        assert first.renew()
        assert lease(server)["spec"]["renewTime"] > before
        assert second.free_in() > waits


def test_a_lease_that_nobody_renews_becomes_free_by_the_clock_of_who_looks(server: FakeKubernetes) -> None:
    first, second = candidate(server, "first", length=1.0), candidate(server, "second")
    assert first.free_in() == 0.0
    assert first.take()
    # The holder's clock is a day ahead: that says nothing.
    ahead = lease(server)
    ahead["spec"]["renewTime"] = "2099-01-01T00:00:00.000000Z"
    server.put(ahead)
    began = time.monotonic()
    until(lambda: second.free_in() == 0.0)
    assert time.monotonic() - began >= 1.0
    assert second.take()
    assert not first.renew()
    assert lease(server)["spec"]["holderIdentity"] == "second"


def test_a_lease_that_was_given_back_is_free_at_once(server: FakeKubernetes) -> None:
    first, second = candidate(server, "first"), candidate(server, "second")
    assert first.free_in() == 0.0
    assert first.take()
    first.release()
    assert "holderIdentity" not in lease(server)["spec"]
    assert second.free_in() == 0.0
    assert second.take()


def test_who_was_deposed_gives_nothing_back(server: FakeKubernetes) -> None:
    first, second = candidate(server, "first", length=1.0), candidate(server, "second")
    assert first.free_in() == 0.0
    assert first.take()
    until(lambda: second.free_in() == 0.0)
    assert second.take()
    first.release()
    assert lease(server)["spec"]["holderIdentity"] == "second"


def test_a_late_renewal_counts_as_long_as_nobody_has_taken_the_lease(server: FakeKubernetes) -> None:
    first, second = candidate(server, "first", length=1.0), candidate(server, "second")
    assert first.free_in() == 0.0
    assert first.take()
    until(lambda: second.free_in() == 0.0)
    assert first.renew()
    assert not second.take()


def test_a_renewal_whose_answer_was_lost_deposes_nobody(server: FakeKubernetes) -> None:
    first = candidate(server, "first")
    assert first.free_in() == 0.0
    assert first.take()
    server.put(lease(server))  # written with the version that we know, which now is an old one
    assert first.renew()


def test_a_lease_that_was_deleted_is_lost(server: FakeKubernetes) -> None:
    first = candidate(server, "first")
    assert first.free_in() == 0.0
    assert first.take()
    server.delete("Lease", "kubegraf-test")
    assert not first.renew()


# --- where it is kept ---


def test_a_plain_name_is_the_name_of_the_lease() -> None:
    assert lease_name("eu-1") == "kubegraf-eu-1"


def test_names_that_look_alike_are_told_apart_and_none_is_too_long() -> None:
    names = [lease_name(name) for name in ("prod eu", "prod-eu", "Prod-EU", "a" * 120, "a" * 119, "集群")]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
        assert len(name) <= 253


def test_the_namespace_is_that_of_the_context(server: FakeKubernetes) -> None:
    text = server.kubeconfig_text().replace('"cluster": "fake",', '"cluster": "fake", "namespace": "ops",')
    cluster = Cluster(name="test", access=Access.KUBECONFIG, kubeconfig=text)
    assert own_namespace(cluster) == "ops"
    first = KubernetesLease(cluster, "first", 10.0)
    assert first.free_in() == 0.0
    assert first.take()
    assert server.store.get("Lease", "kubegraf-test", "ops") is not None


def test_the_namespace_of_a_context_on_this_machine_counts(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.kubeconfig(tmp_path / "config")
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert own_namespace(Cluster(name="test", access=Access.CONTEXT)) == "default"


# --- what goes wrong ---


@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_missing_right_is_told_with_the_command_that_grants_it(server: FakeKubernetes, verb: str) -> None:
    server.forbid("leases", verb)
    error = failure(candidate(server, "first"))
    assert error.kind == Trouble.FORBIDDEN
    assert error.text == (
        "Who watches is to be written in a Lease of the cluster (in the database instead, with"
        " KUBEGRAF_LEASE=database). system:serviceaccount:kubegraf:kubegraf has no right to get, create and"
        " update leases.coordination.k8s.io in the namespace default. To grant it: kubectl create role"
        " kubegraf-leases --verb=get,create,update --resource=leases.coordination.k8s.io -n default"
        " && kubectl create rolebinding kubegraf-leases --role=kubegraf-leases"
        " --serviceaccount=kubegraf:kubegraf -n default"
    )
    assert server.store.get("Lease", "kubegraf-test", "default") is None


def test_a_missing_namespace_is_told(server: FakeKubernetes) -> None:
    server.missing_namespaces.add("default")
    assert failure(candidate(server, "first")).text == (
        "Who watches is to be written in a Lease of the cluster (in the database instead, with"
        " KUBEGRAF_LEASE=database). There is no namespace default. To make it: kubectl create namespace"
        " default"
    )


def test_an_api_server_that_does_not_answer_is_given_up_soon(server: FakeKubernetes) -> None:
    first = candidate(server, "first")
    assert first.free_in() == 0.0
    assert first.take()
    server.hang_next(plural="leases")
    began = time.monotonic()
    with pytest.raises(ClusterError) as caught:
        first.renew()
    assert caught.value.kind == Trouble.UNREACHABLE
    # Before the holder would have to stop writing: eight seconds after the last renewal.
    assert 2.0 < time.monotonic() - began < 8.0
    assert first.renew()


def test_an_answer_that_is_no_lease_is_told(server: FakeKubernetes) -> None:
    server.fail_next(200, {}, b"<html>", plural="leases")
    assert failure(candidate(server, "first")).text == (
        "What the API server answered for the Lease kubegraf-test is not a Lease."
    )
