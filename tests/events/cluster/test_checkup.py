"""Looking a cluster over: what is reachable, who we are, which rights are missing; over real HTTP."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from events.cluster import checkup
from events.cluster.checkup import Answer, Checkup, Right, check
from events.cluster.objects import Deployment, Node, Pod, Resource
from events.models import Access, Cluster
from tests.events.cluster.following import stored
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.store import Kind
from tests.running import free_port
from tests.waiting import BUSY, until

WATCHING = ("get", "list", "watch")
LOGS = Resource("", "v1", "pods/log", "Pod")
REPORTS = Resource("wgpolicyk8s.io", "v1alpha2", "policyreports", "PolicyReport")
RIGHTS = [
    Right(Pod.resource, WATCHING),
    Right(Node.resource, WATCHING),
    Right(Deployment.resource, WATCHING, "shop"),
    Right(LOGS, ("get",)),
    Right(REPORTS, WATCHING),
]


def looked_over(cluster: Cluster, *, wait: float = 5.0, rights: list[Right] = RIGHTS) -> Checkup:
    return check(cluster, lambda: rights, wait=wait)


def test_a_cluster_that_allows_all_is_fine(server: FakeKubernetes) -> None:
    found = looked_over(stored(server))
    assert (found.error, found.version, found.ready, found.fine) == ("", "v1.36.2", True, True)
    assert (found.server, found.account) == (server.url, server.account)
    assert [one.name for one in found.granted] == ["pods", "nodes", "deployments.apps", "pods/log"]
    assert found.words == "Reached; every right is there."


def test_each_verb_of_each_resource_is_asked_for_once(server: FakeKubernetes) -> None:
    looked_over(stored(server))
    # Four resources with three verbs, one with one; and who we are is another question.
    assert len(server.asked("create", "selfsubjectaccessreviews")) == 13
    assert len(server.asked("create", "selfsubjectreviews")) == 1
    assert {one.verb for one in server.asked()} <= {"create", ""}


def test_a_missing_right_comes_with_the_lines_that_grant_it(server: FakeKubernetes) -> None:
    server.forbid("nodes", "watch")
    server.forbid("pods/log")
    server.forbid("deployments")
    found = looked_over(stored(server))
    assert {one.name: one.missing for one in found.missing} == {
        "nodes": ("watch",),
        "pods/log": ("get",),
        "deployments.apps": WATCHING,
    }
    commands = {one.name: one.commands for one in found.missing}
    assert commands["nodes"] == (
        "kubectl create clusterrole kubegraf-nodes --verb=get,list,watch --resource=nodes",
        "kubectl create clusterrolebinding kubegraf-nodes --clusterrole=kubegraf-nodes"
        " --serviceaccount=kubegraf:kubegraf",
    )
    assert commands["pods/log"][0] == (
        "kubectl create clusterrole kubegraf-pods-log --verb=get --resource=pods/log"
    )
    assert commands["deployments.apps"] == (
        "kubectl create role kubegraf-deployments --verb=get,list,watch --resource=deployments.apps -n shop",
        "kubectl create rolebinding kubegraf-deployments --role=kubegraf-deployments"
        " --serviceaccount=kubegraf:kubegraf -n shop",
    )
    assert found.words == "Reached; 3 rights are missing."
    assert not found.fine


def test_a_user_is_granted_rights_as_a_user_and_cannot_end_the_command(server: FakeKubernetes) -> None:
    server.account = "jane; rm -rf ~"
    server.forbid("nodes")
    (missing,) = looked_over(stored(server)).missing
    assert missing.commands[1].endswith("--user='jane; rm -rf ~'")


def test_who_we_are_is_left_to_be_filled_in_where_it_is_not_told(server: FakeKubernetes) -> None:
    server.forbid("selfsubjectreviews", "create")
    server.forbid("nodes")
    found = looked_over(stored(server))
    assert found.account == ""
    assert found.missing[0].commands[1].endswith("--serviceaccount=NAMESPACE:NAME")


def test_what_is_not_installed_is_not_missing(server: FakeKubernetes) -> None:
    server.forbid("policyreports")
    found = looked_over(stored(server))
    assert [one.name for one in found.not_installed] == ["policyreports.wgpolicyk8s.io"]
    assert (found.missing, found.fine) == ([], True)


def test_a_right_to_what_is_installed_can_be_missing(server: FakeKubernetes) -> None:
    server.install(Kind("wgpolicyk8s.io/v1alpha2", "PolicyReport", "policyreports"))
    server.forbid("policyreports")
    assert [one.name for one in looked_over(stored(server)).missing] == ["policyreports.wgpolicyk8s.io"]


def test_a_server_that_is_not_ready_is_told(server: FakeKubernetes) -> None:
    server.ready = False
    found = looked_over(stored(server))
    assert (found.ready, found.fine) == (False, False)
    assert found.remarks == (f"{server.url} answered 500.",)
    assert found.words == "Reached, but the API server is not ready."


def test_no_right_to_ask_for_readiness_is_a_missing_right(server: FakeKubernetes) -> None:
    server.forbid("/readyz")
    found = looked_over(stored(server))
    assert (found.ready, [one.name for one in found.missing]) == (None, ["/readyz"])
    assert found.missing[0].commands[0] == (
        "kubectl create clusterrole kubegraf-readyz --verb=get --non-resource-url=/readyz"
    )


def test_a_server_that_cannot_be_reached_is_told_in_words() -> None:
    port = free_port()
    server = FakeKubernetes()
    server.port = port
    found = looked_over(stored(server))
    assert found.error == f"Nothing listens at http://127.0.0.1:{port}: the connection was refused."
    assert found.rights == ()


def test_a_wrong_token_is_told_and_not_quoted(server: FakeKubernetes) -> None:
    server.token = "right"
    text = server.kubeconfig_text(user={"token": "wrong-and-secret"})
    found = looked_over(stored(text=text))
    assert "does not accept the credentials" in found.error
    assert "wrong-and-secret" not in str(found)


def test_a_kubeconfig_that_cannot_be_used_is_told() -> None:
    assert looked_over(stored(text="")).error == "No kubeconfig is stored for this cluster. Enter one."


def test_a_server_that_hangs_is_not_waited_for_longer_than_allowed(server: FakeKubernetes) -> None:
    server.hang_next(times=100)
    began = time.monotonic()
    found = looked_over(stored(server), wait=0.4)
    assert time.monotonic() - began < 0.4 + BUSY
    assert server.url in found.error


def test_reviews_that_hang_leave_the_rest_known(server: FakeKubernetes) -> None:
    server.hang_next(plural="selfsubjectaccessreviews", times=100)
    began = time.monotonic()
    found = looked_over(stored(server), wait=0.5)
    assert time.monotonic() - began < 0.5 + BUSY
    assert found.version == "v1.36.2" or found.error.startswith(f"{server.url} has been silent for 0.")
    assert {one.answer for one in found.rights} <= {Answer.UNKNOWN, Answer.NOT_INSTALLED}
    assert not found.fine


def test_reviews_that_are_refused_leave_rights_unknown_and_say_why(server: FakeKubernetes) -> None:
    server.fail_next(
        404, body={"message": "no such thing"}, plural="selfsubjectaccessreviews", verb="create", times=13
    )
    found = looked_over(stored(server))
    assert [one.name for one in found.unknown] == ["pods", "nodes", "deployments.apps", "pods/log"]
    (remark,) = found.remarks
    assert remark.startswith("What we may do there was not told:")


def test_a_credential_program_that_never_ends_is_not_waited_for(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo, login = tmp_path / "never", tmp_path / "login"
    os.mkfifo(fifo)
    login.write_text(f"#!/bin/sh\ncat {fifo}\n")
    login.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(login)}}
    path = server.kubeconfig(tmp_path / "config", user=user)
    monkeypatch.setenv("KUBECONFIG", str(path))
    found = looked_over(Cluster(name="test", access=Access.CONTEXT), wait=0.3)
    assert found.error.startswith("There were no credentials in time")
    fifo.write_text("go on\n")
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "test: checkup"])


def test_only_so_many_are_looked_over_at_once(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "_AT_ONCE", threading.BoundedSemaphore(1))
    checkup._AT_ONCE.acquire()
    assert looked_over(stored(server)).error.startswith("Too many clusters")
    assert server.asked() == []
    checkup._AT_ONCE.release()
    assert looked_over(stored(server)).fine
