"""The API's description, in a real browser: read, and tried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from events.models import Cluster
from tests.browser.conftest import sign_in
from tests.browser.looking import NARROW, WIDE, overflow, picture


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_description_is_read(open_browser: Callable[..., Page], admin: User, viewport: Any) -> None:
    page = sign_in(open_browser(viewport=viewport), admin)
    page.goto("/api/docs/")
    page.get_by_role("heading", name="clusters", exact=False).first.wait_for()
    picture(page, f"api-docs-{viewport['width']}")
    assert overflow(page) == 0


def test_a_call_is_tried_out_with_the_readers_session(page: Page) -> None:
    page.get_by_role("link", name="API", exact=True).click()
    page.locator(
        "#operations-clusters-clusters_create .opblock-summary-control, #operations-tag-clusters"
    ).first.click()
    page.locator("#operations-clusters-clusters_create .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.locator("#operations-clusters-clusters_create textarea").fill(
        '{"name": "from the docs", "access": "in_cluster"}'
    )
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="201").wait_for()
    assert Cluster.objects.get().name == "from the docs"
    picture(page, "api-docs-tried")


@pytest.mark.parametrize(("chosen", "system"), [("Dark", "light"), ("System", "dark")])
def test_the_description_is_as_dark_as_the_console(page: Page, chosen: str, system: Any) -> None:
    page.emulate_media(color_scheme=system)
    page.locator(".kg-user-button").click()
    page.get_by_role("button", name=chosen).click()
    page.goto("/api/docs/")
    page.get_by_role("heading", name="clusters", exact=False).first.wait_for()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(28, 32, 34)"
    picture(page, f"api-docs-dark-by-{chosen.lower()}")
