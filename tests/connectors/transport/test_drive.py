"""Which driver performs outgoing HTTP."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_django import Settings

from connectors.transport import drive


def test_the_faster_driver_is_chosen_where_it_is_installed(settings: Settings) -> None:
    settings.HTTP_DRIVER = ""

    assert drive.capacity() == 128


def test_a_driver_can_be_chosen(settings: Settings) -> None:
    settings.HTTP_DRIVER = "requests"

    assert drive.capacity() == 16


WITHOUT_PYCURL = """
import sys
sys.modules["pycurl"] = None
import django
django.setup()
from connectors.transport import drive
print(drive.capacity())
for _ in drive.drive({}): pass
from django.conf import settings
settings.HTTP_DRIVER = "curl"
try:
    list(drive.drive({1: None}))
except Exception as error:
    print(type(error).__name__, str(error).partition(",")[0])
"""


def test_without_pycurl_everything_goes_by_requests_and_who_asks_for_curl_is_told() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT_PYCURL], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines() == [
        "16",
        "ImproperlyConfigured KUBEGRAF_HTTP_DRIVER=curl needs pycurl",
    ]


def test_an_unknown_driver_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEGRAF_HTTP_DRIVER", "wget")

    ended = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"], capture_output=True, text=True, check=False
    )

    assert ended.returncode != 0
    assert "KUBEGRAF_HTTP_DRIVER is 'wget'; it can be curl or requests." in ended.stderr
