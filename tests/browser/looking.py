"""What a look at a page finds: whether everybody can use it, whether it fits, and a picture of it."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize

NARROW: ViewportSize = {"width": 390, "height": 844}
"""A telephone."""
WIDE: ViewportSize = {"width": 1280, "height": 900}

# Where pictures go; none are taken where it is not set. `make screenshots` sets it.
PICTURES = os.environ.get("KUBEGRAF_SCREENSHOTS", "")
# The names of those to take, separated by spaces, and then of the window alone; else all, of whole pages.
CHOSEN = os.environ.get("KUBEGRAF_SCREENSHOTS_OF", "").split()


LOOKS = [("light", WIDE), ("dark", WIDE), ("dark", NARROW), ("light", NARROW)]


def look(page: Page, name: str) -> list[str]:
    """What is wrong with the page in any look: light and dark, wide and narrow. It is loaded once.

    What axe-core finds depends on colours and on widths, but hardly on both at a time.
    """
    wrong = []
    for scheme, size in LOOKS:
        _wear(page, scheme, size)
        picture(page, f"{name}-{scheme}-{size['width']}")
        found = [f"{overflow(page)} px too wide"] if overflow(page) else []
        found += sideways(page) if size is NARROW else []
        if (scheme, size) != ("dark", NARROW):
            found += barriers(page, *(["color-contrast"] if scheme == "dark" else []))
        wrong += [f"{name}, {scheme}, {size['width']} px: {one}" for one in found]
    _wear(page, *LOOKS[0])
    return wrong


def _wear(page: Page, scheme: str, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    if page.evaluate("Boolean(window.Alpine)"):
        page.evaluate("scheme => Alpine.$data(document.documentElement).switchTheme(scheme)", scheme)
        page.locator(f"html.{scheme}").wait_for(state="attached")


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def barriers(page: Page, *rules: str) -> list[str]:
    """What axe-core calls serious or critical on the page as it is now, a line each; by these rules only."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(_axe())
    # What would be preloaded are films and style sheets, for rules about films and about turned screens.
    # Frames would have to run axe-core too, and ours run nothing.
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False, "iframes": False}
    if rules:
        options["runOnly"] = list(rules)
    result: dict[str, Any] = page.evaluate("options => axe.run(options)", options)
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


def sideways(page: Page) -> list[str]:
    """The tables, by their names, that are wider than their place, so that one has to push them aside."""
    wide: list[str] = page.eval_on_selector_all(
        ".kg-scroll",
        "places => places.filter((one) => one.scrollWidth > one.clientWidth)"
        ".map((one) => one.getAttribute('aria-label') || one.getAttribute('aria-labelledby'))",
    )
    return [f"{name} is too wide" for name in wide]


def dangling(page: Page) -> list[str]:
    """The fields that name, as what describes them, something that is not there."""
    names: list[str] = page.eval_on_selector_all(
        "[aria-describedby]",
        "fields => fields.filter((one) => !one.id.includes('__prefix__'))"
        ".filter((one) => one.getAttribute('aria-describedby').split(' ')"
        ".some((id) => !document.getElementById(id))).map((one) => one.name || one.id)",
    )
    return [f"what describes {name} is missing" for name in names]


def picture(page: Page, name: str) -> None:
    """Takes a picture of the page, where pictures are wanted."""
    if PICTURES and (not CHOSEN or name in CHOSEN):
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=not CHOSEN, animations="disabled")
