"""`make demo` as it is: everything started, an incident, and each kind of message in the inbox."""

from __future__ import annotations

import os
import sqlite3
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kubegraf.env import BASE_DIR
from tests.running import Process, free_port, marked
from tests.waiting import until


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The demo's data directory."""
    return tmp_path / "demo"


def services(data: Path) -> set[str]:
    """From which services the inbox has had something."""
    with sqlite3.connect(f"file:{data / 'kubegraf.sqlite3'}?mode=ro", uri=True) as database:
        return {service for (service,) in database.execute("SELECT DISTINCT service FROM demo_received")}


def test_the_demo_fills_its_inbox_is_marked_and_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PORT": str(port)}
    environment |= {"KUBEGRAF_DATA_DIR": str(data), "KUBEGRAF_ADMIN_PASSWORD": "only for this test"}
    demo = Process("demo", [sys.executable, "-m", "demo", "--speed", "10"], environment, tmp_path)
    demo.wait_for("KubeGraf is running")
    assert "This is a demo" in demo.output()
    until(lambda: services(data) == {"slack", "teams", "email", "webhook"}, 60)

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/login/") as page:
        words = page.read().decode()
    assert "[Demo]" in words
    assert "only for this test" in words  # who sits at the machine need not look for it
    refused = urllib.request.Request(f"http://127.0.0.1:{port}/demo/inbox/slack/", b"no message")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(refused)

    assert demo.terminate() in (0, 130)
    assert "Traceback" not in demo.output()
    until(lambda: marked(str(data)) == [])


def test_the_migrations_of_the_demo_are_complete(data: Path) -> None:
    environment = {**os.environ, "KUBEGRAF_DEMO": "1", "KUBEGRAF_DATA_DIR": str(data)}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    command = [sys.executable, BASE_DIR / "manage.py", "makemigrations", "demo", "--check", "--dry-run"]
    process = Process("manage", command, environment, data.parent)
    assert process.wait() == 0, process.output()
