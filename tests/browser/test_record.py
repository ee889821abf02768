"""Deliveries and dead letters, in a real browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from connectors.message import Recommendation, Severity
from connectors.models import Attempt, Connector, Delivery
from connectors.outbox import Order, delivery_for
from tests.browser.looking import barriers, look, picture
from tests.making import make_connector, make_event, make_message

DELIVERIES = reverse("admin:connectors_delivery_changelist")
DEAD_LETTERS = reverse("admin:connectors_deadletter_changelist")

EXCHANGE = {
    "request": {
        "method": "POST",
        "url": "https://hooks.example.com/•••",
        "headers": {"Content-Type": "application/json", "Authorization": "•••", "User-Agent": "KubeGraf"},
        "body": '{"event_type":"pod_crash_loop","title":"Pod my-app-123 in crash loop","details":{"n":5}}',
    },
    "response": {
        "status": 502,
        "headers": {"Content-Type": "text/html", "Server": "proxy.example.com"},
        "body": "<html><body><h1>502 Bad Gateway</h1></body></html>",
    },
    "duration_ms": 187,
}


def put(connector: Connector, minutes: float = 0, **more: Any) -> Delivery:
    """A delivery that was written so many minutes ago."""
    message = more.pop("message", None) or make_message()
    delivery = delivery_for(Order(connector, message, "subscription:1"))
    delivery.created_at = timezone.now() - timedelta(minutes=minutes)
    for name, value in more.items():
        setattr(delivery, name, value)
    delivery.save(force_insert=True)
    return delivery


@pytest.fixture
def failed(transactional_db: None) -> Delivery:
    """A record with a bit of everything; the delivery that failed after three attempts."""
    now = timezone.now()
    slack = make_connector("Team channel", "slack", webhook_url="https://hooks.slack.com/services/T0/B0/x")
    hook = make_connector("A connector with quite a long name for production alerts")
    Connector.objects.filter(pk=slack.pk).update(paused_at=now, paused_reason="The token was revoked.")
    event = make_event()
    event.save()
    said = {"id": str(event.pk), "description": "Container app restarted 5 times in the last 10 minutes."}
    said |= {"details": {"restart_count": 5, "last_logs": "panic: no configuration\nexit status 2"}}
    command = Recommendation("Check pod logs", "kubectl logs my-app-123 -n default --previous")
    message = make_message(**said, recommendations=(command,))
    done = {"settled_at": now, "next_attempt_at": now}
    put(slack, 3, message=message)
    put(hook, 5, message=message, status="delivered", attempt_count=1, **done)
    long = "Deployment a-service-with-a-name-that-goes-on-and-on-and-on was scaled from 3 to 12 replicas"
    waiting = make_message(title=long, event_type="deployment_scaled", severity=Severity.LOW)
    put(hook, 2, message=waiting, status="retrying", reason="timeout", attempt_count=2,
        note="No answer within 10 s.", next_attempt_at=now + timedelta(minutes=4, seconds=10))  # fmt: skip
    put(hook, 60, status="cancelled", note="Cancelled by alice: A drill.", **done)
    put(slack, 90, status="failed", reason="auth", note="invalid_auth", attempt_count=1, **done)
    delivery = put(
        hook, 125, message=message, status="failed", reason="server_error", attempt_count=3,
        note="HTTP 502 from hooks.example.com", **done,
    )  # fmt: skip
    for number in (1, 2, 3):
        started = delivery.created_at + timedelta(minutes=5 * (number - 1))
        Attempt.objects.create(
            delivery=delivery, number=number, started_at=started,
            finished_at=started + timedelta(milliseconds=190), outcome="failed", reason="server_error",
            error="HTTP 502 from hooks.example.com", http_status=502, exchanges=[EXCHANGE],
        )  # fmt: skip
    return delivery


def test_the_pages_of_the_record_fit_and_have_no_barriers(page: Page, failed: Delivery) -> None:
    waiting = Delivery.objects.get(status="retrying")
    pages = {
        "deliveries": DELIVERIES,
        "delivery": reverse("admin:connectors_delivery_change", args=(failed.pk,)),
        "delivery-waiting": reverse("admin:connectors_delivery_change", args=(waiting.pk,)),
        "dead-letters": DEAD_LETTERS,
    }
    wrong = []
    for name, address in pages.items():
        page.goto(address)
        for summary in page.locator(".kg-exchange > summary, .kg-disclosure > summary").all()[:1]:
            summary.click()
        wrong += look(page, name)
    assert wrong == []


def test_a_failed_delivery_is_found_understood_and_sent_once_more(page: Page, failed: Delivery) -> None:
    page.goto(DEAD_LETTERS)
    page.get_by_role("link", name="1 message of A connector with quite a long name").click()
    page.locator("#result_list").get_by_role("link", name="Pod my-app-123 in crash loop").click()

    expect(page.get_by_role("heading", name="Why it failed")).to_be_visible()
    page.get_by_text("POST https://hooks.example.com").first.click()
    expect(page.get_by_label("Answer body").first).to_contain_text("502 Bad Gateway")
    page.get_by_role("button", name="Redeliver").click()

    expect(page.locator(".messagelist")).to_have_text("1 of 1 are sent once more.")


def test_a_waiting_delivery_is_cancelled_with_the_keyboard_alone(page: Page, failed: Delivery) -> None:
    waiting = Delivery.objects.get(status="retrying")
    page.goto(reverse("admin:connectors_delivery_change", args=(waiting.pk,)))
    page.get_by_text("Cancel…").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("The channel is gone.")
    page.keyboard.press("Enter")

    expect(page.locator(".messagelist")).to_have_text("Cancelled: it is not sent any more.")
    assert Delivery.objects.get(pk=waiting.pk).note == "Cancelled by admin: The channel is gone."


def test_selected_deliveries_are_cancelled_once_it_is_said_why(page: Page, failed: Delivery) -> None:
    page.goto(DELIVERIES)
    page.get_by_label("Select all objects on this page").check()
    page.locator("select[name=action]").select_option("cancel_selected")
    page.get_by_role("button", name="Run").click()
    picture(page, "cancel")
    assert barriers(page) == []
    page.get_by_label("Why").fill("A drill.")
    page.get_by_role("button", name="Cancel them").click()

    expect(page.locator(".messagelist")).to_contain_text("2 of 6 are cancelled.")


def test_no_dead_letters_are_good_news(page: Page) -> None:
    page.goto(DEAD_LETTERS)
    picture(page, "no-dead-letters")
    expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    assert barriers(page) == []


def test_the_filters_take_a_time_of_ones_own(page: Page, failed: Delivery) -> None:
    page.goto(DELIVERIES)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("To (UTC)").fill(f"{timezone.now() - timedelta(minutes=70):%Y-%m-%dT%H:%M}")
    picture(page, "delivery-filters")
    assert barriers(page) == []
    page.get_by_role("button", name="Show").click()

    expect(page.locator("#result_list tbody")).to_have_count(2)
