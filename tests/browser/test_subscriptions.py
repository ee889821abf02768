"""Subscriptions in a real browser: the form, what it says of itself, and the backtest."""

from __future__ import annotations

import json
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from events.models import Subscription
from tests.browser.looking import look
from tests.making import make_connector, make_event, make_subscription

OFFICE = {
    "timezone": "Europe/Berlin",
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "from": "08:00",
    "to": "18:00",
}


def on_record() -> None:
    """Some events, one with a hostile name."""
    make_event(title="Pod my-app-123 in crash loop", namespace="prod-shop").save()
    make_event(
        fingerprint="b", title="<img src=x onerror=alert(1)> in crash loop", namespace="prod-payments"
    ).save()
    ended = timezone.now() - timedelta(hours=30)
    make_event(
        fingerprint="d",
        status="resolved",
        first_seen=ended - timedelta(hours=1),
        resolved_at=ended,
        namespace="prod-shop",
    ).save()
    make_event(
        fingerprint="c", event_type="node_unhealthy", title="Node worker-7 is not ready", namespace=""
    ).save()


def submit(page: Page) -> None:
    """Saves the form."""
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state()


def test_a_subscription_is_made_with_everything_it_can_say(page: Page) -> None:
    on_record()
    connector = make_connector("Ops channel")
    page.goto("/admin/events/subscription/add/")
    page.locator("select[name=connector]").select_option(str(connector.pk))
    page.get_by_label("Filter event types").fill("memory")
    expect(page.locator("label.kg-choice:visible")).to_have_count(1)
    page.get_by_role("checkbox", name="pod_oom_restart").check()
    page.get_by_label("Filter event types").fill("")
    page.get_by_role("button", name="Select all of Cost").click()
    expect(page.locator("[data-kg-count]")).to_have_text("3 chosen")
    page.locator("[name=min_severity][value=high]").check()
    page.get_by_role("button", name="prod-shop").click()
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Condition", exact=True).select_option("restart_count")
    page.get_by_label("Value", exact=True).fill("5")
    page.get_by_label("Only at these hours").check()
    page.get_by_label("in", exact=True).fill("Europe/Berlin")
    submit(page)
    saved = Subscription.objects.get()
    assert sorted(saved.event_types) == [
        "cost_threshold_exceeded",
        "idle_resource_detected",
        "pod_oom_restart",
    ]
    assert (saved.min_severity, saved.namespaces, saved.conditions) == (
        "high",
        ["prod-shop"],
        {"restart_count": 5},
    )
    assert saved.schedule == OFFICE


def tried(page: Page, inside: Page | Locator) -> Locator:
    """The answer of the backtest."""
    inside.get_by_role("button", name="Backtest").click()
    result = inside.get_by_role("region", name="Backtest")
    expect(result).to_contain_text("this would have sent")
    return result


def test_a_draft_is_tried_without_leaving_the_page_or_saving_it(page: Page) -> None:
    on_record()
    subscription = make_subscription(make_connector(), "node_down")
    page.goto(f"/admin/events/subscription/{subscription.pk}/change/")
    page.locator("[value=node_down]").uncheck()
    page.locator("[value=pod_crash]").check()
    result = tried(page, page)
    expect(result).to_contain_text("4 messages (3 openings, 1 resolution)")
    expect(result).to_contain_text("<img src=x onerror=alert(1)> in crash loop")
    subscription.refresh_from_db()
    assert subscription.event_types == ["node_down"]


def test_what_cannot_be_tried_says_why(page: Page) -> None:
    page.goto("/admin/events/subscription/add/")
    page.get_by_role("button", name="Edit as JSON").click()
    page.get_by_label("Conditions as JSON").fill('{"namespac": "a"}')
    page.get_by_role("button", name="Backtest").click()
    expect(page.get_by_role("region", name="Backtest")).to_contain_text("Did you mean 'namespace'?")


def test_on_the_connectors_page_each_subscription_is_tried_by_itself(page: Page) -> None:
    on_record()
    connector = make_connector()
    make_subscription(connector, "node_down")
    page.goto(f"/admin/connectors/connector/{connector.pk}/change/")
    expect(tried(page, page.locator("#subscriptions-group .form-group").nth(0))).to_contain_text(
        "1 message (1 opening"
    )
    page.get_by_role("link", name="Add another Subscription").click()
    added = page.locator("#subscriptions-group .form-group:not(.empty-form)").nth(1)
    added.locator("[value=pod_crash_loop]").check()
    expect(tried(page, added)).to_contain_text("4 messages (3 openings")


def test_the_pages_fit_and_have_no_barriers(page: Page) -> None:
    on_record()
    connector = make_connector("Ops channel")
    first = make_subscription(
        connector,
        "pod_crash",
        min_severity="high",
        namespaces=["prod-*"],
        schedule=OFFICE,
        conditions={"restart_count": 5, "resource": ["Pod/*", "Deployment/my-application-with-a-long-name"]},
    )
    Subscription.objects.update(conditions=json.loads(json.dumps(first.conditions)))
    make_subscription(make_connector("Pager"), min_severity="critical", enabled=False)
    wrong = []
    for name, address in (
        ("list", "/admin/events/subscription/"),
        ("form", f"/admin/events/subscription/{first.pk}/change/"),
        ("connector", f"/admin/connectors/connector/{connector.pk}/change/"),
    ):
        page.goto(address)
        if name == "form":
            page.locator("[name=conditions]").evaluate("area => { area.value = ''; }")
            page.get_by_label("Always").check()
            page.locator("[name=min_severity][value=info]").check()
            page.locator("[value=node_unhealthy]").check()
            page.locator("[name=namespaces]").fill("")
            tried(page, page)
        if name != "list":
            expect(page.locator(".kg-chip").first).to_be_visible()
        wrong += look(page, f"subscription-{name}")
    assert wrong == []
