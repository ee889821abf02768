"""The overview, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests.browser.conftest import sign_in
from tests.browser.looking import NARROW, WIDE, barriers, overflow, picture


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_overview_fits_and_has_no_barriers(
    open_browser: Callable[..., Page], admin: User, scheme: str, viewport: Any
) -> None:
    page = sign_in(open_browser(color_scheme=scheme, viewport=viewport), admin)
    picture(page, f"overview-{scheme}-{viewport['width']}")
    assert overflow(page) == 0
    assert barriers(page) == []
