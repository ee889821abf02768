"""What every answer says of itself, a policy for browsers, and no word too many in errors."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import reverse

from connectors.models import Connector
from events.api.connectors import ConnectorViewSet

pytestmark = pytest.mark.django_db

ADDRESSES = (
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/nowhere/",
    "/api/nowhere/",
    "/api/v1/connectors/",
    "/api/schema/",
    "/api/docs/",
    "/static/kubegraf/console.css",
    "/demo/inbox/slack/",
    "/admin/",
    "/admin/login/",
    "/admin/nowhere/",
    "/admin/history/",
    "/admin/events/event/",
    "/admin/connectors/connector/add/?provider=webhook",
)


def policy(answer: Any) -> dict[str, str]:
    """The directives of an answer's Content-Security-Policy."""
    parts = (part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, _, sources in parts if name}


@pytest.fixture(params=["nobody", "an admin"])
def browser(request: pytest.FixtureRequest) -> Client:
    """Of somebody, and of nobody."""
    client = Client(raise_request_exception=False)
    if request.param != "nobody":
        client.force_login(User.objects.create_superuser("root"))
    return client


def test_every_answer_has_a_policy_and_only_the_consoles_is_wider(browser: Client) -> None:
    for address in ADDRESSES:
        answer = browser.get(address)
        found = policy(answer)
        assert found["frame-ancestors"] == "'none'", address
        assert answer.headers["X-Content-Type-Options"] == "nosniff", address
        assert "unsafe-inline" not in found.get("script-src", ""), address
        if not address.startswith("/admin/"):
            assert "unsafe" not in str(found), address


def test_no_answer_is_kept_by_browsers_and_caches(browser: Client) -> None:
    for address in (*ADDRESSES, "/admin/password_change/", "/api/v1/people/"):
        assert "no-store" in browser.get(address).headers.get("Cache-Control", ""), address


def test_so_has_what_is_refused_before_any_page_is_asked() -> None:
    for address in ("/admin/", "/api/v1/connectors/"):
        answer = Client(raise_request_exception=False).get(address, headers={"host": "evil.example.com"})
        assert answer.status_code == 400
        assert policy(answer)["default-src"] == "'self'"
        assert "evil.example.com" not in answer.text


def test_an_error_of_ours_tells_nothing_of_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    monkeypatch.setattr(Connector.objects, "get_queryset", fail)
    monkeypatch.setattr(ConnectorViewSet, "get_queryset", fail)
    for address in (reverse("admin:connectors_connector_changelist"), "/api/v1/connectors/"):
        answer = client.get(address)
        assert answer.status_code == 500
        assert "hunter2" not in answer.text
        assert "RuntimeError" not in answer.text
        assert "default-src" in policy(answer)


def test_the_demos_inbox_is_not_there_without_the_demo() -> None:
    assert Client().post("/demo/inbox/slack/", "{}", content_type="application/json").status_code == 404


@pytest.mark.parametrize("address", ["/admin/login/", "/admin/connectors/connector/import/"])
def test_a_form_with_a_huge_file_is_refused_before_it_is_read(address: str) -> None:
    class Unread(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            Unread.taken += len(found)
            return found

    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.get("/admin/login/")  # for the cookie, with which the form's token is looked for
    large = SimpleUploadedFile("x", b"x" * 3_000_000)
    request = client._base_environ(PATH_INFO=address)
    content = encode_multipart(BOUNDARY, {"file": large})
    request |= {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": MULTIPART_CONTENT,
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": Unread(content),
    }
    assert client.request(**request).status_code == 400
    assert Unread.taken == 0
