"""What the tests of the promises share: processes that notice soon, and what is done to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubegraf.env import BASE_DIR
from tests.conftest import DATABASE
from tests.database import TestDatabase
from tests.fakes.hostile import Behaviour, Hostile
from tests.running import Processes


@pytest.fixture(autouse=True)
def _soon(processes: Processes) -> None:
    """Failures are tried again within seconds."""
    processes.env |= {
        "KUBEGRAF_RETRY_SCHEDULE": "0.2,0.2,0.2",
        "KUBEGRAF_EGRESS_ALLOW": "127.0.0.0/8,::1",  # "localhost" may be either
    }


@pytest.fixture
def short_leases(processes: Processes) -> None:
    """Leases of senders that died run out within seconds.

    For who kills them alone: where the machine is busy, a sender that lives may take longer than that.
    """
    processes.env["KUBEGRAF_LEASE_SECONDS"] = "2"


@pytest.fixture
def chance() -> random.Random:
    """The same numbers in every run."""
    return random.Random(4)


@pytest.fixture
def hostile() -> Iterator[Callable[..., Hostile]]:
    """Makes receivers that behave as told: `hostile(hostile.hangs)`; see `tests.fakes.hostile`."""
    made: list[Hostile] = []

    def make(behaviour: Behaviour, **more: object) -> Hostile:
        made.append(Hostile(behaviour, **more))  # type: ignore[arg-type]  # tls or address, handed through
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def meddled(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment of a process that runs some Python of ours as it starts.

    For what cannot be brought about from outside: a resolver that lies, an integration that is broken.
    """

    def environment(code: str) -> dict[str, str]:
        folder = tmp_path / f"meddled-{len(list(tmp_path.glob('meddled-*')))}"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        return {"PYTHONPATH": f"{folder}:{BASE_DIR}"}

    return environment


@pytest.fixture
def database_server(request: pytest.FixtureRequest) -> TestDatabase:
    """The database server of this run, to stop and start again; skips where there is none."""
    database = request.config.stash.get(DATABASE, None)
    if database is None or not database.restartable:
        pytest.skip("There is no server to restart: run with --database=postgresql.")
    return database
