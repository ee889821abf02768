"""The pages of clusters, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from events.models import Cluster
from events.remembered import WatchLease
from tests.browser.looking import look
from tests.fakes.kubernetes import FakeKubernetes
from tests.making import make_cluster, make_event

REFUSED = (
    "system:serviceaccount:kubegraf:watcher has no right to get, list and watch nodes. To grant it:"
    " kubectl create clusterrole kubegraf-nodes --verb=get,list,watch --resource=nodes"
    " && kubectl create clusterrolebinding kubegraf-nodes --clusterrole=kubegraf-nodes"
    " --serviceaccount=kubegraf:watcher"
)


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    """A fake API server, listening."""
    with FakeKubernetes() as fake:
        yield fake


def some_clusters(server: FakeKubernetes) -> Cluster:
    """One in each state; the one that is incomplete, with all there is to say of it."""
    now = timezone.now()
    seen = {"heartbeat_at": now, "connected_since": now - timedelta(hours=5), "last_change_at": now}
    make_cluster("production-eu-west-1", state="watching", lag_seconds=0.034, nodes_known=42, **seen)
    make_cluster("old", state="watching", heartbeat_at=now - timedelta(hours=2))
    make_cluster("switched-off", enabled=False)
    words = "The name of https://kubernetes.staging.example.com:6443 is not known: it cannot be resolved."
    make_cluster("staging", state="unreachable", state_message=words, heartbeat_at=now)
    cluster = make_cluster(
        "a-cluster-with-a-rather-long-name-as-clouds-make-them-arn-aws-eks-eu-central-1-123456789012",
        access="kubeconfig",
        kubeconfig=server.kubeconfig_text(),
        state="degraded",
        state_message="Not watched: nodes.",
        problems={"nodes": REFUSED, "policyreports": "It does not know policyreports (v1): not installed."},
        lag_seconds=0.28,
        objects_known=18_204,
        nodes_known=12,
        nodes_not_ready=2,
        **seen,
    )
    WatchLease.objects.create(cluster=cluster, holder="kubegraf-watcher-5d8c7f-x2k4j")
    for number, severity in enumerate(["critical", "critical", "high", "low"]):
        make_event(fingerprint=f"event-{number}", severity=severity, cluster=cluster).save()
    return cluster


def test_the_pages_of_clusters_fit_and_have_no_barriers(page: Page, server: FakeKubernetes) -> None:
    page.goto("/admin/events/cluster/")
    wrong = look(page, "clusters-none")
    page.get_by_role("link", name="Paste or upload a kubeconfig").click()
    wrong += look(page, "cluster-add")
    cluster = some_clusters(server)
    page.goto("/admin/events/cluster/")
    wrong += look(page, "clusters")
    server.forbid("nodes")
    server.forbid("pods/log")
    page.goto(f"/admin/events/cluster/{cluster.pk}/change/")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Reached; 2 rights are missing.")).to_be_visible()
    wrong += look(page, "cluster-checked")
    assert wrong == []


def test_a_cluster_is_added_checked_and_saved(page: Page, server: FakeKubernetes) -> None:
    page.goto("/admin/events/cluster/add/")
    page.get_by_role("link", name="Paste or upload a kubeconfig").click()
    page.get_by_role("textbox", name="Name*").fill("production")
    page.get_by_role("textbox", name="Kubeconfig").fill(server.kubeconfig_text())
    page.get_by_role("button", name="Check before saving").press("Enter")
    expect(page.get_by_text("Reached; every right is there.")).to_be_visible()
    assert Cluster.objects.count() == 0
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Check now")).to_be_visible()
    assert Cluster.objects.get().name == "production"
