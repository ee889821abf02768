"""The check of a cluster over the API, and that what it asks for is what the watcher's role allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.cluster.checkup import Answer
from events.models import Access, Cluster
from events.rights import needed
from tests.calling import Caller, mistakes
from tests.deploy.reading import of_kind
from tests.events.console.test_subscription_form import KUBECONFIG
from tests.fakes.kubernetes import FakeKubernetes
from tests.making import make_cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    """A fake API server, listening."""
    with FakeKubernetes() as fake:
        yield fake


def test_a_stored_cluster_is_checked(server: FakeKubernetes) -> None:
    server.forbid("pods/log")
    cluster = make_cluster(access="kubeconfig", kubeconfig=server.kubeconfig_text())
    found = Caller("change_cluster").post(f"clusters/{cluster.pk}/check/", status=200)
    assert (found["fine"], found["error"], found["version"]) == (False, "", "v1.36.2")
    (missing,) = [right for right in found["rights"] if right["answer"] == Answer.MISSING]
    assert (missing["resource"], missing["missing"]) == ("pods/log", ["get"])
    assert missing["commands"][0].startswith("kubectl create clusterrole kubegraf-pods-log")


def test_a_draft_is_checked_and_not_kept(server: FakeKubernetes) -> None:
    body = {"access": "kubeconfig", "kubeconfig": server.kubeconfig_text(), "namespaces": ["shop"]}
    found = Caller("add_cluster").post("clusters/check/", body, 200)
    assert found["fine"] is True
    assert {right["namespace"] for right in found["rights"] if right["resource"] == "pods"} == {"shop"}
    assert Cluster.objects.count() == 0


def test_the_contexts_of_the_server_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    caller = Caller("add_cluster")
    file = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(file))
    problem = f"There is no kubeconfig here: {file} does not exist."
    nothing = {"names": [], "current": "", "where": "", "problem": problem}
    assert caller.get("clusters/contexts/") == nothing
    file.write_text(KUBECONFIG)
    assert caller.get("clusters/contexts/") == {
        "names": ["production"],
        "current": "production",
        "where": str(file),
        "problem": "",
    }


def test_an_unreachable_cluster_is_an_answer_and_no_error() -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig="")
    found = Caller("change_cluster").post(f"clusters/{cluster.pk}/check/", status=200)
    assert found["error"] == "No kubeconfig is stored for this cluster. Enter one."
    assert found["rights"] == []


def test_a_draft_that_makes_no_sense_is_refused(server: FakeKubernetes) -> None:
    caller = Caller("add_cluster")
    assert list(mistakes(caller.post("clusters/check/", {"access": "kubeconfig"}, 400))) == ["kubeconfig"]
    named = {"access": "in_cluster", "name": "x"}
    assert list(mistakes(caller.post("clusters/check/", named, 400))) == ["name"]
    assert server.asked() == []


def test_a_check_takes_the_right_to_change(server: FakeKubernetes) -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=server.kubeconfig_text())
    caller = Caller("view_cluster")
    caller.post(f"clusters/{cluster.pk}/check/", status=403)
    caller.post("clusters/check/", {"access": "in_cluster"}, 403)
    assert server.asked() == []


def test_what_is_asked_for_is_what_the_role_of_the_watcher_allows() -> None:
    roles = (*of_kind("ClusterRole").values(), *of_kind("Role").values())
    allowed = {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
    }
    rights = needed(Cluster(access=Access.IN_CLUSTER), {}, "kubernetes")
    asked = {(right.resource.group, right.resource.plural, verb) for right in rights for verb in right.verbs}
    assert asked == allowed


def test_detectors_that_are_switched_off_need_no_rights() -> None:
    off = {"hpa_maxed": {"enabled": False}}
    plurals = {right.resource.plural for right in needed(Cluster(), off, "database")}
    assert "horizontalpodautoscalers" not in plurals
    assert "leases" not in plurals
