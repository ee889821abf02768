"""What tests of outgoing connections share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_django import Settings

from connectors.transport.drive import CURL, REQUESTS, drive
from tests.connectors.transport.driving import Drive
from tests.fakes.hostile import Behaviour, Hostile


@pytest.fixture(params=[CURL, REQUESTS])
def driver(request: pytest.FixtureRequest, settings: Settings) -> Drive:
    """Drives conversations. What asks for it is run with each driver there is."""
    settings.HTTP_DRIVER = request.param
    return drive


@pytest.fixture
def loopback(settings: Settings) -> None:
    """Lets connections go to this machine, in plain HTTP."""
    settings.ALLOW_HTTP = True
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


@pytest.fixture
def receive() -> Iterator[Callable[..., Hostile]]:
    """Makes receivers that behave as told: `receive(hostile.hangs)`; see `tests.fakes.hostile`."""
    made: list[Hostile] = []

    def make(behaviour: Behaviour, **more: Any) -> Hostile:
        made.append(Hostile(behaviour, **more))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """A certificate authority of our own, which SSL_CERT_FILE names."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority
