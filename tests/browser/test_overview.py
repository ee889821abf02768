"""The overview, in a real browser."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

from django.utils import timezone
from playwright.sync_api import Page, expect

from connectors import tally
from connectors.models import Connector, Delivery, DeliveryStatus, Tally
from connectors.outbox import Order, delivery_for
from events.record import EVENTS
from tests.browser.looking import look
from tests.making import make_cluster, make_connector, make_event, make_message, make_subscription

TITLES = {
    "critical": "Pod checkout-7d876db474-4ltc8 in crash loop",
    "high": "HPA storefront has been at its maximum for 10 minutes",
    "medium": "Service recommendations has no ready endpoints",
    "low": "Deployment batch-import scaled from 4 to 1",
}


def a_busy_week() -> None:
    """Events and deliveries of eight days, clusters well and unwell, connectors in every state."""
    now = timezone.now()
    chance = random.Random(7)
    seen = {"heartbeat_at": now, "connected_since": now - timedelta(hours=9), "last_change_at": now}
    clusters = [
        make_cluster("production-eu-west-1", state="watching", lag_seconds=0.034, nodes_known=42, **seen),
        make_cluster("staging", state="unreachable", state_message="Nothing listens at https://staging.example.com.",
                     heartbeat_at=now),
        make_cluster("edge-berlin", state="degraded", state_message="Not watched: nodes.", lag_seconds=0.2,
                     nodes_known=12, nodes_not_ready=2, problems={"nodes": "No right."}, **seen),
    ]  # fmt: skip
    for number, severity in enumerate(["critical", "critical", "high", "medium", "medium", "low"] * 2):
        cluster = clusters[number % 3]
        make_event(
            fingerprint=f"event-{number}", title=TITLES[severity], severity=severity, cluster=cluster,
            cluster_name=cluster.name, first_seen=now - timedelta(minutes=7 * number**2),
        ).save()  # fmt: skip
    alerts = make_connector("Production alerts")
    tickets = make_connector("Tickets for the platform team")
    make_connector("Forgotten hook")
    for connector in (alerts, tickets):
        make_subscription(connector)
        Connector.objects.filter(pk=connector.pk).update(last_success_at=now)
    Connector.objects.filter(pk=tickets.pk).update(
        paused_at=now, paused_reason="https://api.example.com answered 401: the token was revoked."
    )
    dead = [delivery_for(Order(alerts, make_message(), "test")) for _ in range(3)]
    for delivery in dead:
        delivery.status = DeliveryStatus.FAILED
    Delivery.objects.bulk_create(dead)
    began = now.replace(minute=0, second=0, microsecond=0)
    for hours in range(0, 24 * 8, 1):
        hour = began - timedelta(hours=hours)
        for severity in ("critical", "high", "medium", "low", "info"):
            _count(EVENTS, f'["a", "{severity}"]', hour, chance.randint(0, 5))
        for outcome, most in (("delivered", 30), ("failed", 2), ("cancelled", 4)):
            _count(tally.DELIVERIES, f'["slack", "{outcome}"]', hour, chance.randint(0, most))
        if hours < 24:
            for step in (8, 10, 12, 16):
                _count(
                    tally.ATTEMPTS, '["slack", "delivered", ""]', hour, 5, step=step, connector_id=alerts.pk
                )


def _count(name: str, labels: str, hour: Any, amount: int, **more: Any) -> None:
    if amount:
        Tally.objects.create(name=name, labels=labels, hour=hour, amount=amount, fresh=False, **more)


def test_the_overview_fits_and_has_no_barriers(page: Page) -> None:
    wrong = look(page, "overview-first")
    a_busy_week()
    page.reload()
    assert wrong + look(page, "overview") == []


def test_the_period_is_switched_and_a_chart_can_be_read_as_a_table(page: Page) -> None:
    a_busy_week()
    page.reload()
    page.get_by_role("navigation", name="Period").get_by_role("link", name="7 days").press("Enter")
    expect(page.get_by_role("heading", name="The last 7 days")).to_be_visible()
    page.get_by_text("As a table").first.click()
    table = page.get_by_role("region", name="Events as a table")
    expect(table.get_by_role("row")).to_have_count(29)
    # The theme's script has drawn the chart: nothing of it is forbidden by the page's policy.
    drawn = page.evaluate("Boolean(Chart.getChart(document.querySelector('canvas.chart')))")
    assert drawn is True


DRAWN = """() => {
  const quiet = getComputedStyle(document.documentElement).getPropertyValue("--kg-quiet");
  return [...document.querySelectorAll("canvas.chart")].map((canvas) => {
    const axis = Chart.getChart(canvas).scales.y;
    return axis.options.ticks.color === quiet && axis.ticks.length > 0;
  });
}"""


def test_charts_are_labelled_in_the_colours_of_light_and_dark(page: Page) -> None:
    a_busy_week()
    page.reload()
    assert page.evaluate(DRAWN) == [True, True]
    page.locator(".kg-user-button").click()
    page.get_by_role("button", name="Dark").click()
    page.locator("html.dark").wait_for(state="attached")
    page.wait_for_function(f"({DRAWN})().every(Boolean)")


def test_the_page_follows_the_system_from_light_to_dark_and_back(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.locator("html.dark").wait_for(state="attached")
    page.emulate_media(color_scheme="light")
    page.locator("html:not(.dark)").wait_for(state="attached")


def test_a_concern_leads_to_where_it_is_mended(page: Page) -> None:
    a_busy_week()
    page.reload()
    page.get_by_role("link", name=re.compile("Mend and resume.*Tickets")).click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
