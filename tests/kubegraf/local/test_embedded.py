"""The data directory, generated keys and the Valkey that `make run` brings along."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import kombu
import psutil
import pytest
from cryptography.fernet import Fernet

from kubegraf import env
from kubegraf.local import embedded
from kubegraf.local.embedded import Problem
from tests.running import Process
from tests.waiting import until


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data directory with a space in its name, and nothing exported."""
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    path = tmp_path / "my data"
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", str(path))
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- The data directory -----------------------------------------------------------------------------------


def test_the_data_directory_is_made_for_its_owner_alone(data: Path) -> None:
    assert embedded.ensure_data_dir() == data
    assert mode(data) == 0o700


def test_a_data_directory_that_is_there_keeps_its_mode(data: Path) -> None:
    data.mkdir(mode=0o755)
    embedded.ensure_data_dir()
    assert mode(data) == 0o755


def test_a_data_directory_that_is_a_file_is_refused(data: Path) -> None:
    data.touch()
    with pytest.raises(Problem, match=r"my data cannot be made: File exists\. Name another"):
        embedded.ensure_data_dir()


# --- Keys -------------------------------------------------------------------------------------------------


def test_keys_are_generated_for_their_owner_alone(data: Path) -> None:
    embedded.ensure_data_dir()
    embedded.ensure_keys()
    assert sorted(path.name for path in data.iterdir()) == ["field_encryption_key", "secret_key"]
    assert {mode(path) for path in data.iterdir()} == {0o600}
    assert len(env.key("SECRET_KEY", "secret_key")) >= 50
    Fernet(env.key("FIELD_ENCRYPTION_KEY", "field_encryption_key"))


def test_keys_stay_as_they_are(data: Path) -> None:
    embedded.ensure_data_dir()
    embedded.ensure_keys()
    before = [path.read_text() for path in sorted(data.iterdir())]
    embedded.ensure_keys()
    assert [path.read_text() for path in sorted(data.iterdir())] == before


def test_exported_keys_are_not_generated(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setenv("SECRET_KEY", "exported")
    monkeypatch.setenv("FIELD_ENCRYPTION_KEY", Fernet.generate_key().decode())
    embedded.ensure_data_dir()
    embedded.ensure_keys()
    assert list(data.iterdir()) == []


def test_what_a_crash_left_half_written_is_written_again(data: Path) -> None:
    embedded.ensure_data_dir()
    (data / "secret_key.new").write_text("half")
    embedded.ensure_keys()
    assert len(env.key("SECRET_KEY", "secret_key")) >= 50
    assert not (data / "secret_key.new").exists()


def test_a_lost_encryption_key_is_not_replaced_where_there_is_a_database(data: Path) -> None:
    embedded.ensure_data_dir()
    (data / "kubegraf.sqlite3").touch()
    with pytest.raises(Problem, match="field_encryption_key is missing"):
        embedded.ensure_keys()
    assert not (data / "field_encryption_key").exists()


def test_a_key_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", "/no/such/file")
    embedded.ensure_data_dir()
    with pytest.raises(
        Problem, match=r"^SECRET_KEY_FILE cannot be read: No such file or directory: /no/such/file$"
    ):
        embedded.ensure_keys()
    assert not (data / "secret_key").exists()


# --- Valkey -----------------------------------------------------------------------------------------------


@pytest.fixture
def valkey(data: Path, tmp_path: Path) -> Iterator[Process]:
    embedded.ensure_data_dir()
    process = Process("valkey", embedded.valkey_command(), {}, tmp_path)
    until(embedded.valkey_answers, what="an answer from Valkey")
    yield process
    process.kill9()


@pytest.mark.usefixtures("valkey")
def test_celerys_transport_reaches_it() -> None:
    with kombu.Connection(env.redis_url()) as connection:
        connection.ensure_connection(max_retries=1)
        assert connection.connected


@pytest.mark.usefixtures("valkey")
def test_it_listens_on_a_socket_of_its_owner_alone() -> None:
    path = env.embedded_socket()
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert mode(path) == 0o700


def test_it_opens_no_port(valkey: Process) -> None:
    assert psutil.Process(valkey.pid).net_connections("inet") == []


def test_what_it_holds_outlives_a_kill(valkey: Process, tmp_path: Path) -> None:
    with kombu.Connection(env.redis_url()) as connection:
        connection.SimpleQueue("kept").put("a task")
    valkey.kill9()
    again = Process("valkey", embedded.valkey_command(), {}, tmp_path)
    until(embedded.valkey_answers)
    with kombu.Connection(env.redis_url()) as connection:
        assert connection.SimpleQueue("kept").get(timeout=5).payload == "a task"
    again.kill9()


def test_nothing_answers_before_it_is_started() -> None:
    assert not embedded.valkey_answers()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path) -> Path:
    """Where temporary files are put, for a data directory that is too deep to have a socket in it."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", str(data / ("deep" * 30)))
    embedded.ensure_data_dir()
    return temporary


def test_a_deep_data_directory_has_its_socket_in_a_folder_of_its_own(temporary: Path) -> None:
    embedded.valkey_command()
    assert env.embedded_socket().parent.parent == temporary
    assert mode(env.embedded_socket().parent) == 0o700


@pytest.mark.usefixtures("temporary")
def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    env.embedded_socket().parent.symlink_to(elsewhere)
    with pytest.raises(Problem, match="somebody else's"):
        embedded.valkey_command()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
@pytest.mark.usefixtures("temporary")
def test_a_socket_folder_of_somebody_else_is_refused() -> None:
    env.embedded_socket().parent.mkdir()
    os.chown(env.embedded_socket().parent, 12345, -1)
    with pytest.raises(Problem, match="somebody else's"):
        embedded.valkey_command()
