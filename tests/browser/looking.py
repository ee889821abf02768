"""What a look at a page finds: whether everybody can use it, whether it fits, and a picture of it."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

NARROW = {"width": 390, "height": 844}
"""A telephone."""
WIDE = {"width": 1280, "height": 900}

# Where pictures go; none are taken where it is not set. `make screenshots` sets it.
PICTURES = os.environ.get("KUBEGRAF_SCREENSHOTS", "")


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def barriers(page: Page) -> list[str]:
    """What axe-core calls serious or critical on the page as it is now, a line each."""
    page.evaluate(_axe())
    result: dict[str, Any] = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{found['id']}: {found['help']}: {node['html'][:160]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return max(0, wider)


def picture(page: Page, name: str) -> None:
    """Takes a picture of the whole page, where pictures are wanted."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True, animations="disabled")
