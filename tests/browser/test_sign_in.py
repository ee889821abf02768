"""Coming in, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD


def enter(page: Page, password: str) -> None:
    """Fills in the form and sends it."""
    page.goto("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_who_signs_in_sees_the_overview(open_browser: Callable[..., Page], admin: object) -> None:
    page = open_browser()
    enter(page, PASSWORD)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_wrong_password_is_refused_in_words(open_browser: Callable[..., Page], admin: object) -> None:
    page = open_browser()
    enter(page, f"not {PASSWORD}")
    refused = page.get_by_role("alert")
    expect(refused).to_contain_text("Username or password is wrong")
    expect(refused.get_by_role("paragraph")).to_have_count(1)
