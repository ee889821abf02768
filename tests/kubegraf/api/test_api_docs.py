"""The page of the API's description: who sees it, and what it may load."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db


def test_the_description_is_for_those_who_signed_in() -> None:
    answer = Client().get("/api/docs/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/api/docs/")


def test_the_page_loads_from_its_own_host_alone_and_has_no_inline_scripts() -> None:
    client = Client()
    client.force_login(User.objects.create_user("reader"))
    answer = client.get("/api/docs/")
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert "http" not in answer.text.replace("<!DOCTYPE html>", "")


def test_the_page_is_only_read() -> None:
    client = Client()
    client.force_login(User.objects.create_user("reader"))
    assert client.post("/api/docs/").status_code == 405
