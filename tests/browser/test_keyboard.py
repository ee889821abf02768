"""The console without a mouse: Tab, Enter, Space, Escape and what is typed."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from connectors.models import Connector
from events.models import Subscription
from tests.browser.conftest import PASSWORD
from tests.making import make_connector, make_subscription
from tests.receiver import Receiver

FOCUSED = """() => {
  const one = document.activeElement;
  const text = (node) => [...node.childNodes]
    .filter((part) => !(part.nodeType === 1 && part.getAttribute("aria-hidden") === "true"))
    .map((part) => part.nodeType === 3 ? part.textContent : text(part)).join(" ");
  const label = one.labels && one.labels[0] ? text(one.labels[0]) : "";
  return (one.getAttribute("aria-label") || label || text(one)).replace(/\\s+/g, " ").trim();
}"""
MARKED = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" || style.boxShadow !== "none";
}"""
AT_MOST = 120


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until what has that name is focused, which it may be already, and can be seen to be."""
    for _ in range(AT_MOST):
        if re.match(rf"{name}\b", page.evaluate(FOCUSED)):
            assert page.evaluate(MARKED), f"nobody sees that {name} is focused"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {name}")


def test_somebody_signs_in_adds_a_connector_and_tests_it_without_a_mouse(
    open_browser: Callable[..., Page], admin: User, receiver: Receiver
) -> None:
    page = open_browser()
    page.goto("/admin/")
    tab_to(page, "Username")
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    page.get_by_role("heading", name="Overview").wait_for()
    tab_to(page, "Connectors")
    page.keyboard.press("Enter")
    page.wait_for_url("**/connectors/connector/")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to the content"
    tab_to(page, "Add connector")
    page.keyboard.press("Enter")
    page.wait_for_url("**/add/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    tab_to(page, "Webhook")
    page.keyboard.press("Enter")
    page.wait_for_url("**/add/?provider=webhook")
    tab_to(page, "Name")
    page.keyboard.type("By keyboard")
    tab_to(page, "URL")
    page.keyboard.type(f"{receiver.url}/hook")
    page.keyboard.press("Enter")

    expect(page.get_by_text("is added. Test it now")).to_be_visible()
    tab_to(page, "Test connector")
    page.keyboard.press("Space")
    expect(page.get_by_role("status").filter(has_text="The test message arrived")).to_be_visible()
    tab_to(page, "Enabled")
    page.keyboard.press("Space")
    expect(page.get_by_role("switch", name="Enabled")).to_have_attribute("aria-checked", "true")
    assert Connector.objects.get().enabled is True


def test_subscriptions_are_removed_without_a_mouse(page: Page) -> None:
    page.goto("/admin/connectors/connector/add/?provider=webhook")
    tab_to(page, "Remove")
    page.keyboard.press("Space")
    expect(page.locator("[name=subscriptions-TOTAL_FORMS]")).to_have_value("0")

    subscription = make_subscription(make_connector(), "hpa_maxed")
    page.goto(f"/admin/connectors/connector/{subscription.connector.pk}/change/")
    tab_to(page, "Remove")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("It receives no events yet")).to_be_visible()
    assert Subscription.objects.count() == 0


COVERED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + Math.min(box.width / 2, 10), box.bottom - 1);
  return Boolean(top && top.closest("#submit-row") && !top.closest("#submit-row").contains(one));
}"""


def test_what_is_focused_is_not_covered_by_the_bar_with_the_buttons(page: Page) -> None:
    make_connector()
    page.goto("/admin/events/subscription/add/")
    covered = []
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(COVERED):
            covered.append(page.evaluate(FOCUSED))
    assert covered == []


def test_menus_open_and_close_without_a_mouse(page: Page) -> None:
    page.goto("/admin/events/event/")
    expect(page.get_by_role("link", name="Events", exact=True)).to_have_attribute("aria-current", "page")
    tab_to(page, "Menu")
    page.keyboard.press("Space")
    expect(page.get_by_role("link", name="Deliveries", exact=True)).to_be_hidden()
    page.keyboard.press("Space")
    tab_to(page, "Filters")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Close the filters")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Filters")).to_be_hidden()
    expect(page.get_by_role("button", name="Filters", exact=True)).to_be_focused()

    page.goto("/admin/")
    account = page.locator(".kg-user-button")
    account.focus()
    page.keyboard.press("Enter")
    tab_to(page, "Dark")
    page.keyboard.press("Space")
    expect(page.locator("html")).to_have_class("dark")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    expect(account).to_be_focused()
