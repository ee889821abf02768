"""What somebody is told who saves over another's change, in a real browser."""

from __future__ import annotations

from django.contrib.auth.models import User
from playwright.sync_api import Page

from connectors.models import Connector
from events.models import Subscription
from tests.browser.looking import barriers, overflow, picture
from tests.making import make_connector, make_subscription


def test_who_saves_over_anothers_change_reads_what_happened(page: Page, admin: User) -> None:
    connector = make_connector(url="https://hooks.example.com/a")
    make_subscription(connector, "hpa_maxed")
    page.goto(f"/admin/connectors/connector/{connector.pk}/change/")
    picture(page, "seen-before")
    Connector.objects.update(rate_per_second=3)
    Subscription.objects.update(min_severity="high")
    page.locator("#id_name").fill("renamed")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("This connector was changed meanwhile").first.wait_for()
    picture(page, "seen-late")
    assert overflow(page) == 0
    assert barriers(page) == []
    assert Connector.objects.get().name == "hook"
    page.goto(f"/admin/connectors/connector/{connector.pk}/change/")
    page.locator("#id_name").fill("renamed")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("was changed successfully").wait_for()
    assert (Connector.objects.get().name, Subscription.objects.get().min_severity) == ("renamed", "high")
