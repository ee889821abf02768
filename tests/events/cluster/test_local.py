"""The cluster that is registered on the first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.cluster.local import register_local_cluster
from events.models import Access, Cluster
from tests.fakes.kubernetes import FakeKubernetes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a kubeconfig that is no pod."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def test_the_current_context_is_registered_by_its_name(tmp_path: Path) -> None:
    path = FakeKubernetes().kubeconfig(tmp_path / "config", context="kind-dev")
    assert register_local_cluster() == f"Registered the cluster “kind-dev”, the current context of {path}."
    cluster = Cluster.objects.get()
    assert (cluster.name, cluster.access, cluster.context) == ("kind-dev", Access.CONTEXT, "kind-dev")
    assert cluster.enabled


def test_a_second_start_registers_nothing(tmp_path: Path) -> None:
    FakeKubernetes().kubeconfig(tmp_path / "config")
    register_local_cluster()
    assert register_local_cluster() == "Clusters: fake."
    assert Cluster.objects.count() == 1


def test_in_a_pod_the_cluster_around_it_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert register_local_cluster() == "Registered the cluster KubeGraf runs in, as “in-cluster”."
    assert Cluster.objects.get().access == Access.IN_CLUSTER


def test_with_neither_it_says_what_to_do(tmp_path: Path) -> None:
    assert register_local_cluster() == (
        f"No cluster is registered: there is no kubeconfig ({tmp_path / 'config'}), and this is no pod of a"
        " cluster. Add one in the admin, under Clusters; everything else runs."
    )
    assert not Cluster.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clusters: [", "is not valid YAML (line 2)."),
        ("hello", "is not one: a kubeconfig has clusters, users and contexts, as in `kubectl config view`."),
    ],
)
def test_a_broken_kubeconfig_is_a_sentence_and_no_cluster(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    assert register_local_cluster() == f"No cluster is registered. The kubeconfig {path} {said}"
    assert not Cluster.objects.exists()


def test_a_kubeconfig_without_a_current_context_registers_nothing(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("clusters: []\nusers: []\ncontexts: []\n")
    assert register_local_cluster() == (
        "No cluster is registered. No context is current in the kubeconfig; name one. There are none."
    )
    assert not Cluster.objects.exists()
