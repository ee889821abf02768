"""Where things are, as the environment says or by default."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from kubegraf import env


@pytest.fixture(autouse=True)
def nothing_exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data directory and nothing else."""
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", str(tmp_path))
    return tmp_path


def test_the_data_directory_is_var_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEGRAF_DATA_DIR")
    assert env.data_dir() == env.BASE_DIR / "var"


def test_the_data_directory_may_be_given_relative_to_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/example")
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", "~/kubegraf")
    assert env.data_dir() == Path("/home/example/kubegraf")


def test_a_key_comes_from_the_environment_first(
    monkeypatch: pytest.MonkeyPatch, nothing_exported: Path
) -> None:
    (nothing_exported / "secret_key").write_text("generated\n")
    monkeypatch.setenv("SECRET_KEY", "exported")
    assert env.key("SECRET_KEY", "secret_key") == "exported"


def test_a_generated_key_is_read_from_the_data_directory(nothing_exported: Path) -> None:
    (nothing_exported / "secret_key").write_text("generated\n")
    assert env.key("SECRET_KEY", "secret_key") == "generated"


def test_a_key_that_is_nowhere_is_empty() -> None:
    assert env.key("SECRET_KEY", "secret_key") == ""


def test_the_socket_is_in_the_data_directory(nothing_exported: Path) -> None:
    assert env.embedded_socket() == nothing_exported / "valkey.sock"


def test_a_deep_data_directory_has_its_socket_in_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", f"/{'deep/' * 30}a")
    path = env.embedded_socket()
    assert path.is_relative_to(tempfile.gettempdir())
    assert len(str(path)) <= env.SOCKET_PATH_LIMIT
    assert path == env.embedded_socket()
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", f"/{'deep/' * 30}b")
    assert env.embedded_socket() != path


def test_the_embedded_database_and_broker_are_the_default(nothing_exported: Path) -> None:
    assert env.database_url() == f"sqlite:///{nothing_exported}/kubegraf.sqlite3"
    assert env.redis_url() == f"redis+socket://{nothing_exported}/valkey.sock"


def test_exported_addresses_replace_the_embedded_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example.com/kubegraf")
    monkeypatch.setenv("REDIS_URL", "redis://redis.example.com:6379/0")
    assert env.database_url() == "postgresql://db.example.com/kubegraf"
    assert env.redis_url() == "redis://redis.example.com:6379/0"


@pytest.mark.parametrize("name", ["a b", "é", "a+b", "100%", "a?b", "a#b"])
def test_the_embedded_database_is_found_whatever_the_data_directory_is_called(
    monkeypatch: pytest.MonkeyPatch, nothing_exported: Path, name: str
) -> None:
    folder = nothing_exported / name
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", str(folder))
    assert env.env.db_url_config(env.database_url())["NAME"] == str(folder / "kubegraf.sqlite3")


def test_options_are_objects_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.options("KUBEGRAF_DETECTORS") == {}
    monkeypatch.setenv("KUBEGRAF_DETECTORS", "")
    assert env.options("KUBEGRAF_DETECTORS") == {}
    monkeypatch.setenv("KUBEGRAF_DETECTORS", '{"pod_restarted": {"enabled": false}}')
    assert env.options("KUBEGRAF_DETECTORS") == {"pod_restarted": {"enabled": False}}


@pytest.mark.parametrize("text", ["{", "[]", "null", '"pod_restarted"', '{"pod_restarted": false}'])
def test_options_of_another_shape_are_refused_by_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("KUBEGRAF_DETECTORS", text)
    with pytest.raises(ImproperlyConfigured, match=r"^KUBEGRAF_DETECTORS must be JSON"):
        env.options("KUBEGRAF_DETECTORS")


@pytest.mark.parametrize(("text", "number"), [("", 90), (" 30 ", 30), ("1", 1)])
def test_a_whole_number_is_the_default_where_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str, number: int
) -> None:
    monkeypatch.setenv("KUBEGRAF_KEEP_DAYS", text)
    assert env.whole_number("KUBEGRAF_KEEP_DAYS", default=90, at_least=1) == number


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5", "90d"])
def test_what_is_no_whole_number_is_refused_by_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("KUBEGRAF_KEEP_DAYS", text)
    with pytest.raises(ImproperlyConfigured) as caught:
        env.whole_number("KUBEGRAF_KEEP_DAYS", default=90, at_least=1)
    assert str(caught.value) == f"KUBEGRAF_KEEP_DAYS is {text!r}; it must be a whole number, 1 or more."


@pytest.mark.parametrize(("text", "numbers"), [("", [5, 300]), ("60", [60]), ("0.2, 0.5,1", [0.2, 0.5, 1])])
def test_waits_are_the_default_where_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str, numbers: list[float]
) -> None:
    monkeypatch.setenv("KUBEGRAF_RETRY_SCHEDULE", text)
    assert env.waits("KUBEGRAF_RETRY_SCHEDULE", default=[5, 300]) == numbers


@pytest.mark.parametrize("text", ["x", "5,x", "5,", "-1", "nan", "inf", "5m"])
def test_what_are_no_waits_is_refused_by_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("KUBEGRAF_RETRY_SCHEDULE", text)
    with pytest.raises(ImproperlyConfigured) as caught:
        env.waits("KUBEGRAF_RETRY_SCHEDULE", default=[5])
    says = f"KUBEGRAF_RETRY_SCHEDULE is {text!r}; it must be seconds with commas, such as 5,300."
    assert str(caught.value) == says


@pytest.mark.parametrize(("text", "number"), [("", 60.0), (" ", 60.0), ("0.5", 0.5), ("90", 90.0)])
def test_a_length_is_the_default_where_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str, number: float
) -> None:
    monkeypatch.setenv("KUBEGRAF_LEASE_SECONDS", text)
    assert env.seconds("KUBEGRAF_LEASE_SECONDS", default=60.0) == number


@pytest.mark.parametrize("text", ["x", "60,30", "0", "-1", "nan", "inf", "1m"])
def test_what_is_no_length_is_refused_by_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("KUBEGRAF_LEASE_SECONDS", text)
    with pytest.raises(ImproperlyConfigured) as caught:
        env.seconds("KUBEGRAF_LEASE_SECONDS", default=60.0)
    assert str(caught.value) == f"KUBEGRAF_LEASE_SECONDS is {text!r}; it must be seconds, such as 60 or 0.5."
