"""How long a PostgreSQL that says nothing any more is waited for."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from kubegraf.env import BASE_DIR


def options(patch: pytest.MonkeyPatch, url: str) -> dict[str, Any]:
    patch.setenv("DATABASE_URL", url)
    databases = runpy.run_path(str(BASE_DIR / "kubegraf" / "settings.py"))["DATABASES"]
    return dict(databases["default"]["OPTIONS"])


def test_a_server_that_is_gone_without_a_word_is_given_up_after_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert options(monkeypatch, "postgresql://someone@db.example.com/kubegraf") == {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }


def test_what_the_address_says_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    found = options(monkeypatch, "postgresql://db.example.com/kubegraf?connect_timeout=2&sslmode=require")
    assert (int(found["connect_timeout"]), found["sslmode"], found["keepalives_idle"]) == (2, "require", 10)
