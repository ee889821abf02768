"""The first five minutes of README.md, step by step, on real processes and a cluster that somebody breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from connectors.models import Connector
from tests.browser.conftest import PASSWORD
from tests.browser.looking import picture
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, pod
from tests.making import make_cluster
from tests.receiver import Receiver
from tests.running import Processes

PATIENCE = 30_000
"""Milliseconds for what real processes do."""


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    """A fake API server, listening."""
    with FakeKubernetes() as fake:
        yield fake


def test_the_first_five_minutes(
    open_browser: Callable[..., Page],
    admin: User,
    processes: Processes,
    server: FakeKubernetes,
    receiver: Receiver,
) -> None:
    # 1. Start it. `make run` registers the cluster of the kubeconfig that it finds.
    make_cluster("my-cluster", access="kubeconfig", kubeconfig=server.kubeconfig_text())
    processes.start_worker()
    processes.watcher()
    page = open_browser()
    page.goto("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()

    # 2. Add a connector.
    page.get_by_role("navigation").get_by_role("link", name="Connectors", exact=True).click()
    page.get_by_role("link", name="Add connector").first.click()
    page.get_by_role("link", name="Webhook Any HTTP endpoint").click()
    page.locator("#id_name").fill("My first connector")
    page.get_by_label("URL").fill(f"{receiver.url}/hook")

    # 3. Say what it should hear of. Save.
    page.locator("[name=subscriptions-0-event_types][value=pod_crash_loop]").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is added. Test it now")).to_be_visible()

    # 4. Press “Test connector”, then switch on “Enabled”.
    page.get_by_role("button", name="Test connector").click()
    expect(page.get_by_role("status").filter(has_text="The test message arrived")).to_be_visible()
    assert "My first connector" in receiver.requests[0].json()["title"]
    page.get_by_role("switch", name="Enabled").click()
    expect(page.get_by_role("switch", name="Enabled")).to_have_attribute("aria-checked", "true")
    picture(page, "first-connector")
    assert Connector.objects.get().enabled is True

    # 5. Break a pod.
    server.put(crash_looping(pod("broken", "default")))
    receiver.wait_for(2, PATIENCE / 1000)
    assert receiver.requests[1].json()["title"] == "Pod broken in crash loop"
    page.get_by_role("navigation").get_by_role("link", name="Events", exact=True).click()
    page.get_by_role("link", name="Pod broken in crash loop").click()
    expect(page.get_by_role("heading", name="Why?")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Deliveries", exact=True).click()
    page.locator("#result_list").get_by_role("link", name="Pod broken in crash loop").click()
    expect(page.get_by_text("Attempt 1")).to_be_visible()
    page.get_by_text("POST http://127.0.0.1").first.click()
    expect(page.get_by_label("Request body").or_(page.get_by_label("Answer body")).first).to_be_visible()
    server.delete("Pod", "broken", "default")
    receiver.wait_for(3, PATIENCE / 1000)
    assert receiver.requests[2].json()["status"] == "resolved"
