"""The pages of clusters, driven as a browser drives them, and the check over a real connection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from events.models import Cluster
from events.remembered import WatchLease
from tests.connectors.console.test_connector_admin import messages_of, staff
from tests.events.console.test_subscription_form import KUBECONFIG
from tests.fakes.kubernetes import FakeKubernetes
from tests.making import make_cluster, make_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    """A fake API server, listening."""
    with FakeKubernetes() as fake:
        yield fake


def page(name: str, *args: Any) -> str:
    """The address of one of the admin's pages of clusters."""
    return reverse(f"admin:events_cluster_{name}", args=args)


def watched(**more: Any) -> Cluster:
    """A cluster whose watcher was heard of just now."""
    now = timezone.now()
    return make_cluster(**{"state": "watching", "heartbeat_at": now, "connected_since": now, **more})


# --- Adding ---------------------------------------------------------------------------------------------


def test_without_a_cluster_the_list_shows_three_ways_to_add_one(admin_client: Client) -> None:
    html = admin_client.get(page("changelist")).text
    assert "No cluster is watched yet" in html
    for access in ("kubeconfig", "context", "in_cluster"):
        assert f'href="{page("add")}?access={access}"' in html
    make_cluster()
    assert "No cluster is watched yet" not in admin_client.get(page("changelist")).text


def test_who_may_not_add_is_shown_no_way_to(client: Client) -> None:
    html = staff(client, "view_cluster").get(page("changelist")).text
    assert "No cluster is watched yet" in html
    assert "?access=" not in html


def test_adding_asks_first_how_the_cluster_is_reached(admin_client: Client) -> None:
    html = admin_client.get(page("add")).text
    assert "How is the cluster reached?" in html
    assert 'name="kubeconfig_text"' not in html
    form = admin_client.get(page("add"), {"access": "kubeconfig"}).text
    assert 'name="kubeconfig_text"' in form
    assert 'name="kubeconfig_text"' not in admin_client.get(page("add"), {"access": "in_cluster"}).text


def test_a_cluster_is_added_with_a_kubeconfig_and_leads_to_its_page(admin_client: Client) -> None:
    posted = {"name": "production", "enabled": "on", "access": "kubeconfig", "kubeconfig_text": KUBECONFIG}
    answer = admin_client.post(page("add"), posted)
    cluster = Cluster.objects.get()
    assert answer.headers["Location"] == page("change", cluster.pk)
    assert "hush-hush-4711" in cluster.kubeconfig


def test_a_kubeconfig_that_runs_a_program_is_refused_with_the_reason(admin_client: Client) -> None:
    program = KUBECONFIG.replace("token: hush-hush-4711", "exec: {command: hush-hush}")
    posted = {"name": "production", "access": "kubeconfig", "kubeconfig_text": program}
    html = admin_client.post(page("add"), posted).text
    assert "from a program on your machine (exec)" in html
    assert "hush-hush" not in html
    assert Cluster.objects.count() == 0


def test_a_cluster_can_be_reached_another_way(admin_client: Client) -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    html = admin_client.get(page("change", cluster.pk), {"access": "in_cluster"}).text
    assert 'name="access" value="in_cluster"' in html
    admin_client.post(page("change", cluster.pk), {"name": "production", "access": "in_cluster"})
    cluster.refresh_from_db()
    assert (cluster.access, cluster.kubeconfig) == ("in_cluster", "")


# --- How it goes ----------------------------------------------------------------------------------------


def test_how_a_cluster_goes_is_told_in_words(admin_client: Client) -> None:
    cluster = watched(
        state="degraded",
        state_message="Not watched: nodes.",
        problems={
            "nodes": "jane has no right to list nodes. To grant it: kubectl create role a && kubectl b",
            "policyreports": "https://x does not know policyreports (v1): not installed.",
        },
        lag_seconds=0.25,
    )
    WatchLease.objects.create(cluster=cluster, holder="watcher-7")
    html = admin_client.get(page("change", cluster.pk)).text
    for words in (
        "Not watched: nodes.",
        "jane has no right to list nodes.",
        "250\N{NO-BREAK SPACE}ms",
        "watcher-7",
    ):
        assert words in html
    assert "kubectl create role a\nkubectl b</pre>" in html


def test_a_cluster_whose_watcher_is_silent_is_not_called_watched(admin_client: Client) -> None:
    cluster = watched(heartbeat_at=timezone.now() - timedelta(minutes=5))
    html = admin_client.get(page("change", cluster.pk)).text
    assert "Its watcher has not been heard of for 5 min." in html
    assert ">not watched</span>" in html


def test_open_events_are_counted_by_severity_and_lead_to_the_list(admin_client: Client) -> None:
    cluster = watched()
    for number in range(2):
        make_event(cluster=cluster, fingerprint=f"open-{number}").save()
    make_event(cluster=cluster, fingerprint="over", status="resolved").save()
    html = admin_client.get(page("change", cluster.pk)).text
    address = f"?status__exact=firing&amp;severity__exact=critical&amp;cluster__id__exact={cluster.pk}"
    assert address in html
    assert "2 critical" in html
    found = admin_client.get(reverse("admin:events_event_changelist") + address.replace("&amp;", "&"))
    assert len(found.context["cl"].result_list) == 2


def test_who_may_not_see_events_is_not_told_how_many_are_open(client: Client) -> None:
    cluster = watched()
    make_event(cluster=cluster).save()
    html = staff(client, "view_cluster").get(page("change", cluster.pk)).text
    assert "Open events" not in html


def test_no_page_of_a_cluster_shows_its_kubeconfig(admin_client: Client, client: Client) -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    for answer in (
        admin_client.get(page("change", cluster.pk)),
        admin_client.get(page("changelist")),
        staff(client, "view_cluster").get(page("change", cluster.pk)),
    ):
        assert answer.status_code == 200
        assert "hush-hush" not in answer.text


def test_the_list_takes_as_many_queries_for_one_as_for_twenty(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        make_event(fingerprint=f"key-{number}", cluster=make_cluster(f"cluster {number}")).save()
    with django_assert_num_queries(7):
        assert admin_client.get(page("changelist")).status_code == 200


# --- Check ----------------------------------------------------------------------------------------------


def stored(server: FakeKubernetes) -> Cluster:
    return make_cluster(access="kubeconfig", kubeconfig=server.kubeconfig_text())


def test_a_check_tells_what_is_missing_and_how_to_grant_it(
    admin_client: Client, server: FakeKubernetes
) -> None:
    server.forbid("nodes")
    html = admin_client.post(page("checkup", stored(server).pk)).text
    assert "Reached; 1 right is missing." in html
    assert "kubectl create clusterrole kubegraf-nodes --verb=get,list,watch --resource=nodes" in html
    assert "v1.36.2" in html
    assert "policyreports.wgpolicyk8s.io" in html


def test_a_script_gets_the_findings_alone(admin_client: Client, server: FakeKubernetes) -> None:
    headers = {"X-Requested-With": "XMLHttpRequest"}
    html = admin_client.post(page("checkup", stored(server).pk), headers=headers).text
    assert "Reached; every right is there." in html
    assert "<html" not in html


def test_a_check_takes_the_right_to_change_and_a_post(client: Client, server: FakeKubernetes) -> None:
    cluster = stored(server)
    someone = staff(client, "view_cluster")
    assert someone.post(page("checkup", cluster.pk)).status_code == 403
    assert someone.get(page("checkup", cluster.pk)).status_code == 405
    assert someone.post(page("checkup_draft"), {"access": "in_cluster"}).status_code == 403
    assert server.asked() == []


def test_what_is_not_saved_can_be_checked_and_stays_unsaved(
    admin_client: Client, server: FakeKubernetes
) -> None:
    posted = {"name": "draft", "access": "kubeconfig", "kubeconfig_text": server.kubeconfig_text()}
    assert "Reached; every right is there." in admin_client.post(page("checkup_draft"), posted).text
    assert Cluster.objects.count() == 0


def test_a_draft_with_a_mistake_is_not_tried(admin_client: Client, server: FakeKubernetes) -> None:
    html = admin_client.post(page("checkup_draft"), {"name": "draft", "access": "kubeconfig"}).text
    assert "Not checked yet" in html
    assert "Enter the kubeconfig of the cluster" in html
    assert server.asked() == []


def test_what_a_cluster_says_of_itself_is_text(admin_client: Client, server: FakeKubernetes) -> None:
    server.account = "<script>alert(1)</script>"
    server.forbid("nodes")
    html = admin_client.post(page("checkup", stored(server).pk)).text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert messages_of(html) == ""
