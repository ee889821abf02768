"""What every test run needs: the chosen database, no broker by accident, and real processes on request."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import kombu.pools
import pytest
from django.conf import settings

from connectors import tasks
from connectors.handover import Handover
from kubegraf.celery import app
from kubegraf.env import BASE_DIR
from tests import database, sharing
from tests.receiver import Receiver, Script
from tests.running import Broker, Processes, database_url

# What fails, fails again: a run on another machine tries the same examples.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

DATABASE = pytest.StashKey[database.TestDatabase]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database=sqlite|postgresql`."""
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="the database the tests run on; PostgreSQL is started for the run and removed after it",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the database and let Django know; what this machine's environment says is not for tests."""
    if not hasattr(config, "workerinput"):  # pytest-xdist's workers use what their controller started
        config.stash[DATABASE] = database.TestDatabase(config.getoption("--database"))
        os.environ["DATABASE_URL"] = config.stash[DATABASE].url
    database.use(os.environ["DATABASE_URL"])
    os.environ.pop("CELERY_BROKER_URL", None)  # Celery would read it before its settings
    app.conf.broker_url = "memory://"
    # Files are served as they are: the hashed names of production need `collectstatic`.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what touches a database is run again: the rest has been run on SQLite.

    Nor is what is marked `any_database`, which needs one without asking it much, or what is about the
    browser: pages ask the database the same as the tests of their views do.

    Where processes of pytest-xdist share the work, what takes long comes first.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=sharing.urgency)
    if config.getoption("--database") == "sqlite":
        return
    again = [
        item
        for item in items
        if (
            item.get_closest_marker("django_db") or DATABASE_FIXTURES & set(getattr(item, "fixturenames", ()))
        )
        and "chromium" not in getattr(item, "fixturenames", ())
        and not item.get_closest_marker("any_database")
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(again)])
    items[:] = again


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means; see `tests.sharing`."""
    return sharing.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> sharing.Together | None:
    """What `--dist loadgroup` means; see `tests.sharing`."""
    return sharing.Together(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop and remove the database."""
    started = config.stash.get(DATABASE, None)
    if started:
        started.close()


@pytest.fixture(scope="session")
def broker_server() -> Iterator[Broker]:
    """The session's Valkey server; tests ask for `broker`, which hands it over running and empty."""
    server = Broker()
    server.start()
    yield server
    server.close()


@pytest.fixture
def broker(broker_server: Broker) -> Broker:
    """A real Valkey, running and empty, whatever the last test did to it."""
    broker_server.flush()
    return broker_server


@pytest.fixture
def publishing(broker: Broker) -> Iterator[Broker]:
    """Tasks that the test itself sends go to the real broker (else they go nowhere)."""
    _publish_to(broker.url)
    yield broker
    _publish_to("memory://")


def _publish_to(url: str) -> None:
    app.conf.broker_url = url
    kombu.pools.reset()
    tasks.handover = Handover()  # what was known of another one
    app._after_fork()  # the one place where Celery forgets the pools it keeps


@pytest.fixture(scope="session")
def static_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static files as production serves them, collected once in a run."""
    folder = tmp_path_factory.getbasetemp() / "product"
    if hasattr(request.config, "workerinput"):
        folder = folder.parent.parent / "product"  # of all processes of pytest-xdist
    folder.mkdir(exist_ok=True)
    command = [sys.executable, BASE_DIR / "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "kubegraf.settings",
        "KUBEGRAF_DATA_DIR": str(folder),
    }
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "collected").exists():
            subprocess.run(command, env=environment, check=True)
            (folder / "collected").touch()
    return folder / "static"


@pytest.fixture
def product_env(transactional_db: None, broker: Broker, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The whole environment of a product process on the test's database and broker; arguments add to it."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    home = tmp_path / "home"
    home.mkdir()

    def environment(**extra: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "kubegraf.settings",
            "SECRET_KEY": os.environ["SECRET_KEY"],
            "FIELD_ENCRYPTION_KEY": os.environ["FIELD_ENCRYPTION_KEY"],
            "DATABASE_URL": database_url(),
            "REDIS_URL": broker.url,
            "KUBEGRAF_DATA_DIR": str(data),
            "KUBEGRAF_PUBLIC_URL": settings.PUBLIC_URL,
            "KUBEGRAF_ALLOW_HTTP": "1",
            "KUBEGRAF_EGRESS_ALLOW": "127.0.0.0/8",
            **extra,
        }

    return environment


@pytest.fixture
def processes(
    publishing: Broker,
    product_env: Callable[..., dict[str, str]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Processes]:
    """Starts real workers, beats, watchers and web servers; none outlives the test."""
    folder = tmp_path / "processes"
    folder.mkdir()
    # Only who starts a web process waits for its files to be collected.
    started = Processes(product_env(), folder, lambda: request.getfixturevalue("static_files"))
    yield started
    # pytest shows this where the test failed.
    sys.stdout.write(started.close())
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    """Makes HTTP receivers on loopback: `receivers(script)`; see `tests.receiver`."""
    made: list[Receiver] = []

    def make(script: Script = ()) -> Receiver:
        made.append(Receiver(script))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(receivers: Callable[..., Receiver]) -> Receiver:
    """One HTTP receiver on loopback; see `tests.receiver`."""
    return receivers()
