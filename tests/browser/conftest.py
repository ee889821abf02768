"""A real browser on the real product: one web process for all tests, on the test's database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.browser.install import browser as installed_browser
from tests.running import Broker, Processes, Web, database_url

PASSWORD = "a password for the tests"
# What would be fetched in the background goes nowhere on a closed network, and costs seconds.
ALONE = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
ALONE += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
# A whole Chromium, unlike its headless shell, opens a window with every page. The suggestions of the window's
# address line are pages themselves, which cost more than ours.
WITHOUT = ["WebUIOmniboxPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxAimPopup"]
# The last list counts: these are Playwright's own.
WITHOUT += ["AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"]
WITHOUT += ["HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"]
WITHOUT += ["ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints"]
WITHOUT += ["NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"]
ALONE += [f"--disable-features={','.join(WITHOUT)}"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser. Tests are skipped where there is none (`make test` installs it where it may)."""
    path = installed_browser()
    if not path:
        pytest.skip("there is no Chromium; install it, or run `make test` as root")
    # Playwright's event loop runs in this thread; the ORM that tests use beside it is still synchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ALONE)
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def web(
    django_db_setup: None,
    django_db_blocker: Any,
    broker_server: Broker,
    static_files: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Web]:
    """The product's web process. It sees what each test puts into the database."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "static").symlink_to(static_files)
    with django_db_blocker.unblock():
        url = database_url()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "kubegraf.settings",
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "FIELD_ENCRYPTION_KEY": os.environ["FIELD_ENCRYPTION_KEY"],
        "DATABASE_URL": url,
        "REDIS_URL": broker_server.url,
        "KUBEGRAF_DATA_DIR": str(folder),
        "KUBEGRAF_PUBLIC_URL": settings.PUBLIC_URL,
        "KUBEGRAF_ALLOW_HTTP": "1",
        "KUBEGRAF_EGRESS_ALLOW": "127.0.0.0/8",
    }
    processes = Processes(environment, folder)
    yield processes.web()
    processes.close()


class Watched:
    """What a browser's pages did that no page of ours may do."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self._origin = origin
        self.wrong: list[str] = []
        context.on("console", self._said)
        context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))
        context.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" != self._origin:
            self.wrong.append(f"request to {request.url}")


_content_types: dict[tuple[str, str], int] = {}


@pytest.fixture
def same_content_types(transactional_db: None) -> None:
    """Content types have the ids that they had in the first test.

    Every process keeps them in memory, the web process too, and emptying the database gives them new ones.
    """
    with transaction.atomic():
        known = list(ContentType.objects.all())
        aside = 1 + max([*_content_types.values(), *(content_type.pk for content_type in known)])
        _renumber({content_type.pk: content_type.pk + aside for content_type in known})
        for content_type in known:
            first = _content_types.setdefault(content_type.natural_key(), content_type.pk)
            _renumber({content_type.pk + aside: first})
    ContentType.objects.clear_cache()


def _renumber(ids: dict[int, int]) -> None:
    for old, new in ids.items():
        ContentType.objects.filter(pk=old).update(id=new)
        Permission.objects.filter(content_type=old).update(content_type=new)


@pytest.fixture
def open_browser(chromium: Browser, web: Web, same_content_types: None) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own: `open_browser(color_scheme="dark", viewport=…)`.

    The test fails if any page logs an error or asks another host for something.
    """
    opened: list[tuple[BrowserContext, Watched]] = []

    def make(**options: Any) -> Page:
        context = chromium.new_context(base_url=web.url, **{"reduced_motion": "reduce", **options})
        context.set_default_timeout(10_000)
        opened.append((context, Watched(context, web.url)))
        return context.new_page()

    yield make
    wrong = []
    for context, watched in opened:
        context.close()
        wrong += watched.wrong
    assert wrong == []


@pytest.fixture
def admin(django_db_reset_sequences: None) -> User:
    """Somebody who may do everything."""
    return make_person("admin", is_superuser=True)


def make_person(name: str, **more: Any) -> User:
    """Somebody who may enter the console, with PASSWORD."""
    return User.objects.create(username=name, password=_encoded(), is_staff=True, **more)


@cache
def _encoded() -> str:
    """PASSWORD as the product keeps it: the tests' own hasher is not one of its."""
    return PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)


def sign_in(page: Page, person: User) -> Page:
    """Signs in without the form, and opens the overview."""
    client = Client()
    client.force_login(person)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    host = {"domain": "127.0.0.1", "path": "/"}
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, **host}])
    page.goto("/admin/")
    return page


@pytest.fixture
def page(open_browser: Callable[..., Page], admin: User) -> Page:
    """A page of the console, signed in as an administrator."""
    return sign_in(open_browser(), admin)
