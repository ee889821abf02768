"""Connectors, in a real browser: from nothing to one that is tested and enabled, and how its pages look."""

from __future__ import annotations

import re
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Page, expect

from connectors import registry, tally
from connectors.models import Connector, Delivery, DeliveryStatus, Outcome
from connectors.outbox import Order, delivery_for
from tests.browser.looking import look
from tests.making import make_connector, make_message, make_subscription
from tests.receiver import Receiver

LIST = "/admin/connectors/connector/"


def test_a_first_connector_is_added_tested_and_enabled(page: Page, receiver: Receiver) -> None:
    page.get_by_role("link", name="Connectors", exact=True).first.click()
    page.get_by_role("link", name=re.compile("Add connector")).first.click()
    page.get_by_role("link", name=re.compile("Webhook")).click()

    page.get_by_label("Name", exact=False).first.fill("My first hook")
    page.get_by_label("URL").fill(f"{receiver.url}/hook")
    shown = page.locator("#kg-preview-shown")
    expect(shown).to_contain_text("Pod my-app-123 in crash loop")
    expect(shown).to_contain_text("To POST 127.0.0.1")
    page.get_by_label("Show", exact=True).select_option("resolved")
    expect(shown).to_contain_text('"status": "resolved"')
    page.get_by_label("Body template").fill("{{nonsense}}")
    expect(shown).to_contain_text("Before it can be saved")
    page.get_by_label("Body template").fill('{"alert": "{{title}}"}')
    expect(shown).to_contain_text('"alert": "Pod my-app-123 in crash loop"')
    assert receiver.requests == []
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("is added. Test it now")).to_be_visible()
    page.get_by_role("button", name="Test connector").click()
    expect(page.get_by_role("status").filter(has_text="The test message arrived")).to_be_visible()
    assert receiver.requests[0].json() == {"alert": "Test of the connector “My first hook”"}
    switch = page.get_by_role("switch", name="Enabled")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(page.get_by_role("switch", name="Enabled")).to_have_attribute("aria-checked", "true")
    assert Connector.objects.get().enabled is True


def make_busy(connector: Connector) -> None:
    """A day of attempts and a handful of deliveries."""
    now = timezone.now()
    deliveries = []
    for number, status in enumerate(["delivered", "failed", "retrying", "delivered", "cancelled"] * 2):
        message = make_message(id=f"event-{number}", title=f"Pod my-app-{number} in crash loop")
        delivery = delivery_for(Order(connector, message, "subscription:1"))
        delivery.status = DeliveryStatus(status)
        delivery.note = (
            "HTTP 502 from hooks.example.com, tried for the last time." if status == "failed" else ""
        )
        deliveries.append(delivery)
    Delivery.objects.bulk_create(deliveries)
    for hour in range(24):
        for outcome, amount in ((Outcome.DELIVERED, 3 + hour * 7 % 11), (Outcome.FAILED, hour % 5 == 0)):
            if amount:
                tally.Tally.objects.create(
                    name=tally.ATTEMPTS,
                    labels=f'["{connector.provider}", "{outcome}", ""]',
                    step=14,
                    amount=int(amount),
                    connector_id=connector.pk,
                    hour=(now - timedelta(hours=hour)).replace(minute=0, second=0, microsecond=0),
                )


def test_the_pages_of_connectors_fit_and_have_no_barriers(page: Page) -> None:
    made = {
        slug: make_connector(f"Team {slug}", slug, **registry.provider(slug).example)
        for slug in sorted(registry.all_providers())
    }
    busy = made["slack"]
    make_subscription(busy, "pod_crash_loop")
    make_busy(busy)
    Connector.objects.filter(pk=busy.pk).update(last_success_at=timezone.now())
    Connector.objects.filter(pk=made["github"].pk).update(
        paused_at=timezone.now(), paused_reason="GitHub does not accept the token: create a new one."
    )
    looked_at = {
        "connectors": LIST,
        "connector-types": f"{LIST}add/",
        "connector-add": f"{LIST}add/?provider=webhook",
        "connector-import": f"{LIST}import/",
        **{f"connector-{slug}": f"{LIST}{connector.pk}/change/" for slug, connector in made.items()},
    }
    wrong = []
    for name, address in looked_at.items():
        page.goto(address)
        if name not in ("connectors", "connector-types", "connector-import"):
            expect(page.locator("#kg-preview-shown .kgp")).to_be_visible()
            expect(page.locator("#kg-preview")).not_to_have_attribute("aria-busy", "true")
        wrong += look(page, name)
    assert wrong == []


def test_the_preview_moves_with_the_form_and_covers_nothing_beneath_it(page: Page) -> None:
    connector = make_connector()
    delivery_for(Order(connector, make_message(), "test")).save(force_insert=True)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{LIST}{connector.pk}/change/")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    lower = "one => one.getBoundingClientRect().bottom"
    upper = "one => one.getBoundingClientRect().top"
    assert page.locator("#kg-preview").evaluate(lower) <= page.locator(".kg-latest").evaluate(upper)
