"""`make run`: everything KubeGraf needs, on this machine, in one terminal, until Ctrl-C.

It prepares what is missing (data directory, keys, database, static files, a first administrator), then runs
the embedded Valkey, the worker, the scheduler, the watcher and the web server under one supervisor.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from kubegraf import env
from kubegraf.local import embedded
from kubegraf.local.embedded import Problem
from kubegraf.local.prepare import ADMIN, Prepared, shown
from kubegraf.local.reaper import Reaper
from kubegraf.local.supervisor import Program, Supervisor

# A killed run's processes are gone within seconds; this is when to stop believing it.
_TAKE_OVER = 15.0

# Root in a container is as good a user as any other here: the worker takes JSON alone.
_NO_ROOT_WARNING = ["-W", "ignore:You're running the worker with superuser privileges"]


class Beside:
    """What somebody else may add to a run; as it is, nothing."""

    def before(self, address: str) -> None:
        """Called first, when nothing runs yet. `address` is where the web server will listen."""

    def prepared(self, address: str) -> None:
        """Called when the database is ready, before anything runs."""

    def programs(self, address: str) -> list[Program]:
        """What to run besides; it is started first."""
        return []

    def lines(self, address: str) -> list[str]:
        """What a person wants to know of it."""
        return []


def main(beside: Beside | None = None) -> int:
    """Run until stopped; the exit code."""
    os.umask(0o077)  # the database, keys and logs are nobody else's
    # A shell without job control starts what runs in its background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run(beside or Beside())
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(beside: Beside) -> None:
    """Prepare and supervise. Raises Problem with what a person has to put right."""
    host, port = address()
    here = url(host, port)
    data = embedded.ensure_data_dir()
    with _lock(data / "run.lock", here) as lock:
        _require_free(host, port)
        embedded.ensure_keys()
        os.environ["KUBEGRAF_DATA_DIR"] = str(data)
        os.environ["PYTHONUNBUFFERED"] = "1"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kubegraf.settings")
        os.environ.setdefault("KUBEGRAF_PUBLIC_URL", here)
        beside.before(here)
        programs = [*beside.programs(here), *_programs(host, port)]
        _say("kubegraf | preparing the database and the static files")
        prepared = _prepare(lock)
        for note in prepared.notes:
            _say(f"kubegraf | {note}")
        beside.prepared(here)
        banner = _Banner(prepared, data, here, beside.lines(here))
        try:
            Supervisor(programs, sys.stdout, name="kubegraf", keep=[lock.fileno()]).run(banner.show)
        finally:
            banner.save_password()


def address() -> tuple[str, int]:
    """Where the web server listens: KUBEGRAF_BIND and PORT. Raises Problem."""
    host, port = os.environ.get("KUBEGRAF_BIND") or "127.0.0.1", os.environ.get("PORT") or "8000"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise Problem(f"PORT is {port!r}, and should be a number from 1 to 65535, as in: PORT=8001 make run")
    return host.strip("[]"), int(port)


def url(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


def _lock(path: Path, address: str) -> TextIO:
    """The data directory's lock, held for as long as the file is open.

    The reaper holds it too: a killed run keeps it until its last process has ended. Raises Problem where
    another run has it.
    """
    try:
        file = path.open("a+")
    except OSError as error:
        raise Problem(
            f"{path} cannot be opened: {error.strerror}. Was KubeGraf started as another user before?"
        ) from error
    deadline = time.monotonic() + _TAKE_OVER
    waiting = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            file.seek(0)
            pid, _, where = file.read().partition(" ")
        if _runs(pid) or time.monotonic() > deadline:
            file.close()
            raise Problem(
                f"KubeGraf runs already with this data directory ({path.parent}): process {pid}, {where}."
                " Stop it first, or give this one data and a port of its own:"
                " KUBEGRAF_DATA_DIR=/some/folder PORT=8001 make run"
            )
        if not waiting:
            _say("kubegraf | waiting for the processes of a run that was killed to end")
            waiting = True
        threading.Event().wait(0.1)
    file.truncate(0)
    file.write(f"{os.getpid()} {address}")
    file.flush()
    return file


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ValueError:
        return True  # it has not written its number yet, so it has only just started
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _require_free(host: str, port: int) -> None:
    """Raises Problem where the web server could not listen."""
    try:
        family, _, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does it
            probe.bind(where)
            probe.listen()
    except socket.gaierror as error:
        raise Problem(f"KUBEGRAF_BIND is {host!r}, and that is no address: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                f"Port {port} is taken by another program. Choose another: PORT={port % 65535 + 1} make run"
            ) from error
        if error.errno == errno.EACCES:
            raise Problem(
                f"Port {port} needs more rights than this user has. Choose another: PORT=8000 make run"
            ) from error
        raise Problem(f"{host} port {port} cannot be listened on: {error.strerror}") from error


def _prepare(lock: TextIO) -> Prepared:
    """Run `prepare`, which says itself what is wrong. Raises Problem where it ends otherwise."""
    reaper = Reaper(keep=[lock.fileno()])  # ends it if Ctrl-C ends this process
    process = reaper.start([sys.executable, "-m", "kubegraf.local.prepare"], stdout=subprocess.PIPE)
    said, _ = process.communicate()
    reaper.close()
    if process.returncode:
        sys.exit(1)
    return Prepared(**json.loads(said))


def _programs(host: str, port: int) -> list[Program]:
    """The Procfile's process types as this machine runs them, and first the broker where none is named."""
    python = sys.executable
    celery = [python, *_NO_ROOT_WARNING, "-m", "celery", "--quiet", "-A", "kubegraf"]
    # There is one worker: it has no neighbours to look for.
    alone = ["--without-mingle", "--without-gossip"]
    gunicorn = [python, "-m", "gunicorn", "kubegraf.wsgi", "--worker-class", "gthread"]
    gunicorn += ["--workers", "2", "--threads", "8", "--graceful-timeout", "8", "--no-control-socket"]
    gunicorn += ["--bind", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    programs = [
        Program("worker", [*celery, "worker", "--loglevel", "INFO", *alone]),
        Program("beat", [*celery, "beat", "--loglevel", "INFO"]),
        Program("watcher", [python, str(env.BASE_DIR / "manage.py"), "watch_cluster"]),
        Program("web", gunicorn, ready=_Answering(url(host, port))),
    ]
    if not env.env.str("REDIS_URL", default=""):
        valkey = Program(
            "valkey",
            embedded.valkey_command(),
            ready=embedded.valkey_answers,
            hidden=["Memory overcommit must be enabled"],  # advice for a broker with gigabytes in it
        )
        programs.insert(0, valkey)
    return programs


class _Answering:
    """Says whether a web server has answered a first request, at once: a thread does the waiting."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._answered = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self) -> bool:
        if self._thread is None:
            self._thread = threading.Thread(target=self._ask, daemon=True)
            self._thread.start()
        return self._answered.is_set()

    def _ask(self) -> None:
        while not self._answered.wait(0.1):
            connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
            try:
                connection.request("GET", "/admin/login/")
                # A redirect to https or a refused host name is an answer too.
                if connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._answered.set()
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()


class _Banner:
    """What a person wants to know once it runs. A new password is shown once, even if it never runs."""

    def __init__(self, prepared: Prepared, data: Path, local: str, more: list[str]) -> None:
        self._password = prepared.password
        self._address = os.environ["KUBEGRAF_PUBLIC_URL"]
        self._data = data
        self._local = local
        self._more = more

    def show(self) -> None:
        """Write it."""
        database, broker = env.env.str("DATABASE_URL", default=""), env.env.str("REDIS_URL", default="")
        lines = [
            "",
            f"  KubeGraf is running    {self._local}/",
            *([f"  known to others as     {self._address}/"] if self._address != self._local else []),
            "",
            *self._sign_in(),
            f"  Data                   {self._data}",
            f"  Database               {shown(database) if database else 'SQLite, embedded'}",
            f"  Broker                 {shown(broker) if broker else 'Valkey, embedded'}",
            "  Stop                   Ctrl-C",
            *(["", *self._more] if self._more else []),
            "",
        ]
        self._password = ""
        _say("\n".join(lines))

    def save_password(self) -> None:
        """Write a new password that has not been shown."""
        if self._password:
            _say("\n".join(self._sign_in()))

    def _sign_in(self) -> list[str]:
        if not self._password:
            return []
        return [
            f"  User name              {ADMIN}",
            f"  Password               {self._password}   (shown this once)",
        ]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
