"""`make run` as a person meets it: a real run in a data directory of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from tests.running import START_TIMEOUT, Broker, Process, database_url, free_port, marked
from tests.waiting import until

PASSWORD = re.compile(r"^  Password +(\S+)", re.MULTILINE)


# What one run starts, and how to tell it among the processes.
COMMANDS = {
    "valkey": "valkey-server",
    "worker": "celery --quiet -A kubegraf worker",
    "beat": "celery --quiet -A kubegraf beat",
    "watcher": "manage.py watch_cluster",
    "web": "gunicorn kubegraf.wsgi",
}


class Run(Process):
    """A `python -m kubegraf.local.up`."""

    data: Path
    url: str

    def wait_until_up(self) -> None:
        """Until it has said so."""
        self.wait_for("KubeGraf is running")

    def left(self) -> list[psutil.Process]:
        """What of it still runs."""
        return marked(str(self.data))


def start(data: Path, folder: Path, **extra: str) -> Run:
    """Start one with an empty home and nothing exported but `extra`."""
    port = extra.setdefault("PORT", str(free_port()))
    (folder / "home").mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "KUBEGRAF_DATA_DIR": str(data)}
    run = Run("up", [sys.executable, "-m", "kubegraf.local.up"], {**environment, **extra}, folder)
    run.data = data
    run.url = f"http://127.0.0.1:{port}"
    return run


def end(run: Run) -> None:
    """Let nothing of it outlive the test, whatever the test found."""
    run.kill9()
    for process in run.left():
        with contextlib.suppress(psutil.NoSuchProcess):  # the reaper was faster
            process.kill()
    sys.stdout.write(run.output())


@pytest.fixture(scope="module")
def first_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a run that has been stopped. Its path has spaces and is too long for a socket."""
    return tmp_path_factory.mktemp("first") / "my data" / ("long" * 25)


@pytest.fixture(scope="module")
def first(first_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A first run, from an empty disk; stopped with Ctrl-C. `.answered` is what its login page said."""
    folder = tmp_path_factory.mktemp("first-run")
    temporary = tempfile.mkdtemp(prefix="kubegraf-up-")  # short enough for a socket
    run = start(first_data, folder, TMPDIR=temporary)
    try:
        run.wait_until_up()
        run.answered = status(run.url)  # type: ignore[attr-defined]  # for one test alone
        run.files = modes(first_data)  # type: ignore[attr-defined]  # for one test alone
        run.signal(signal.SIGINT, timeout=60)
        yield run
    finally:
        end(run)
        shutil.rmtree(temporary)


@pytest.fixture(scope="module")
def second(first: Run, first_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A later run on a copy of the first one's data, up for all who leave it as it was.

    `.collected` is when its static files had been collected, `.took` how many seconds the start took.
    """
    folder = tmp_path_factory.mktemp("second")
    shutil.copytree(first_data, folder / "data")
    began = time.monotonic()
    run = start(folder / "data", folder)
    run.collected = collected(run)  # type: ignore[attr-defined]  # for one test alone
    try:
        run.wait_until_up()
        run.took = time.monotonic() - began  # type: ignore[attr-defined]  # for one test alone
        yield run
    finally:
        end(run)


@pytest.fixture
def up(first: Run, first_data: Path, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts KubeGraf on a copy of the first run's data."""
    data = tmp_path / "data"
    shutil.copytree(first_data, data)
    runs: list[Run] = []

    def again(**extra: str) -> Run:
        runs.append(start(data, tmp_path, **extra))
        return runs[-1]

    yield again
    for run in runs:
        end(run)


def status(url: str) -> int:
    """What the login page answers."""
    with urllib.request.urlopen(f"{url}/admin/login/", timeout=30) as answer:
        number: int = answer.status
        return number


def collected(run: Run) -> int:
    """When the static files of its data directory were collected, in nanoseconds."""
    return (run.data / "static" / "staticfiles.json").stat().st_mtime_ns


def modes(data: Path) -> dict[str, int]:
    """The permissions of each file in the data directory, and of itself (".")."""
    found = {".": stat.S_IMODE(data.stat().st_mode)}
    return found | {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir() if path.is_file()}


# --- A first run ------------------------------------------------------------------------------------------


def test_the_web_server_answers_when_the_address_is_shown(first: Run) -> None:
    assert f"KubeGraf is running    {first.url}/\n" in first.output()
    assert first.answered == 200  # type: ignore[attr-defined]  # set by the fixture


def test_the_first_administrators_password_is_shown_once(first: Run) -> None:
    (password,) = PASSWORD.findall(first.output())
    assert first.output().count(password) == 1
    assert re.search(r"^  User name +admin$", first.output(), re.MULTILINE)


def test_keys_database_and_directory_are_their_owners_alone(first: Run) -> None:
    files = first.files  # type: ignore[attr-defined]  # set by the fixture
    assert files.pop(".") == 0o700
    assert {"secret_key", "field_encryption_key", "kubegraf.sqlite3"} <= set(files)
    assert set(files.values()) == {0o600}


def test_ctrl_c_stops_everything_and_counts_as_success(first: Run) -> None:
    assert first.popen.returncode == 0
    assert first.left() == []
    assert "kubegraf | stopping web, watcher, beat, worker, valkey" in first.output()


def test_no_program_had_to_be_started_twice(first: Run) -> None:
    assert "starting it again" not in first.output()


# --- Later runs -------------------------------------------------------------------------------------------


def test_a_second_start_takes_seconds_and_shows_no_password(second: Run) -> None:
    assert status(second.url) == 200
    took: float = second.took  # type: ignore[attr-defined]  # set by the fixture
    assert took < 40  # some three on an idle machine; tests share theirs
    assert PASSWORD.findall(second.output()) == []


def test_the_static_files_are_not_collected_again(second: Run) -> None:
    assert collected(second) == second.collected  # type: ignore[attr-defined]  # set by the fixture


def test_killed_programs_come_back(second: Run) -> None:
    victims = {name: program(second, name) for name in COMMANDS}
    for victim in victims.values():
        victim.kill()
    for name, victim in victims.items():
        second.wait_for(f"{name} ended by SIGKILL; starting it again in 0.5 s")
        assert program(second, name, other_than=victim.pid).is_running()
    until(lambda: answers(second.url), START_TIMEOUT, what="an answer from the web server")
    until(lambda: second.output().count("celery.apps.worker: celery@") == 2, START_TIMEOUT, what="a worker")


def test_killing_the_supervisor_leaves_nothing_behind(up: Callable[..., Run]) -> None:
    run = up()
    run.wait_until_up()
    assert len(run.left()) > len(COMMANDS)
    run.popen.kill()
    until(lambda: run.left() == [], what="nothing left of it")


def test_it_can_be_started_again_right_after_it_was_killed(up: Callable[..., Run]) -> None:
    killed = up()
    killed.wait_until_up()
    killed.popen.kill()
    killed.popen.wait()
    port = killed.url.rpartition(":")[2]
    again = up(PORT=port)
    again.wait_until_up()
    assert status(again.url) == 200


def test_ctrl_c_while_it_prepares_leaves_nothing_behind(tmp_path: Path) -> None:
    run = start(tmp_path / "data", tmp_path)
    try:
        run.wait_for("preparing the database")
        assert run.signal(signal.SIGINT, timeout=30) == 130
        until(lambda: run.left() == [])
        assert "Traceback" not in run.output()
    finally:
        end(run)


# --- What it refuses --------------------------------------------------------------------------------------


def refused(run: Run, timeout: float = START_TIMEOUT) -> str:
    """What a run that does not start says; it must have ended with exit code 1 and left nothing."""
    try:
        assert run.wait(timeout) == 1
        assert run.left() == []
        assert "Traceback" not in run.output()
        return run.output()
    finally:
        end(run)


def test_a_taken_port_is_said_to_be_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(start(tmp_path / "data", tmp_path, PORT=str(port)))
    assert said == (
        f"Port {port} is taken by another program. Choose another: PORT={port % 65535 + 1} make run\n"
    )
    assert not (tmp_path / "data" / "secret_key").exists()


@pytest.mark.parametrize("port", ["eight", "0", "65536", "-1", "80 80", "²"])
def test_a_port_that_is_no_port_number_is_refused(tmp_path: Path, port: str) -> None:
    said = refused(start(tmp_path / "data", tmp_path, PORT=port))
    assert said == f"PORT is {port!r}, and should be a number from 1 to 65535, as in: PORT=8001 make run\n"
    assert not (tmp_path / "data").exists()


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    said = refused(start(tmp_path / "data", tmp_path, KUBEGRAF_BIND="999.1.1.1"))
    assert said.startswith("KUBEGRAF_BIND is '999.1.1.1', and that is no address")


def test_a_second_run_on_the_same_data_is_refused(second: Run, tmp_path: Path) -> None:
    other = start(second.data, tmp_path)
    try:
        assert other.wait() == 1
    finally:
        other.kill9()
    assert other.output() == (
        f"KubeGraf runs already with this data directory ({second.data}): process {second.pid}, {second.url}."
        " Stop it first, or give this one data and a port of its own:"
        " KUBEGRAF_DATA_DIR=/some/folder PORT=8001 make run\n"
    )
    assert status(second.url) == 200


def test_a_database_that_is_away_is_one_message_without_its_password(tmp_path: Path) -> None:
    port = free_port()
    url = f"postgresql://someone:s3cr%C3%A9t@127.0.0.1:{port}/kubegraf?connect_timeout=5"
    said = refused(start(tmp_path / "data", tmp_path, DATABASE_URL=url))
    assert f"The database postgresql://127.0.0.1:{port}/kubegraf cannot be reached: " in said
    assert "s3cr" not in said
    assert len(said.splitlines()) == 2  # "preparing" and the message


def test_a_broker_that_is_away_is_one_message_without_its_password(tmp_path: Path) -> None:
    port = free_port()
    said = refused(start(tmp_path / "data", tmp_path, REDIS_URL=f"redis://:s3cret@127.0.0.1:{port}/0"))
    assert f"The broker redis://127.0.0.1:{port}/0 cannot be reached: " in said
    assert "s3cret" not in said
    assert len(said.splitlines()) == 2


def test_a_database_address_that_is_none_is_refused_without_repeating_it(tmp_path: Path) -> None:
    url = "postgresql://someone:s3cret@db.example.com:s3cret/kubegraf"
    said = refused(start(tmp_path / "data", tmp_path, DATABASE_URL=url))
    assert "DATABASE_URL is not an address KubeGraf understands" in said
    assert "s3cret" not in said


# --- What the environment may name ------------------------------------------------------------------------


@pytest.mark.usefixtures("transactional_db")
def test_a_named_database_and_broker_and_a_chosen_password_take_the_place_of_what_comes_along(
    tmp_path: Path, broker: Broker, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    password = "chosen by a person"
    run = start(
        tmp_path / "data",
        tmp_path,
        DATABASE_URL=database_url(),
        REDIS_URL=broker.url,
        KUBEGRAF_ADMIN_PASSWORD=password,
    )
    try:
        run.wait_until_up()
        assert status(run.url) == 200
        admin = User.objects.get()
        assert admin.username == "admin"
        assert admin.check_password(password)
        assert password not in run.output()
        assert PASSWORD.findall(run.output()) == []
        assert run.signal(signal.SIGTERM, timeout=60) == 0
        assert "stopping web, watcher, beat, worker\n" in run.output()
        assert not (tmp_path / "data" / "kubegraf.sqlite3").exists()
        assert not (tmp_path / "data" / "valkey").exists()
    finally:
        end(run)


# --- Finding its parts ------------------------------------------------------------------------------------


def program(run: Run, name: str, other_than: int = 0) -> psutil.Process:
    """The first process of the program: the supervisor's own child."""

    def found() -> list[psutil.Process]:
        children = [child for child in psutil.Process(run.pid).children() if child.pid != other_than]
        return [child for child in children if COMMANDS[name] in command(child)]

    (process,) = until(found, START_TIMEOUT, what=f"a process for {name}")
    return process


def command(process: psutil.Process) -> str:
    """Its command line; nothing if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def answers(url: str) -> bool:
    """Whether the login page is there."""
    try:
        return status(url) == 200
    except OSError:
        return False
