"""The web process's probes: what they answer, and whom they must answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import kombu.pools
import pytest
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings

from kubegraf import health
from kubegraf.celery import app
from tests.running import Broker

UNKNOWN_HOST = {"HTTP_HOST": "10.1.2.3:8000"}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What the log says is looked at in two of these tests."""
    caplog.set_level(logging.WARNING, "kubegraf.health")


@pytest.fixture
def broker_is_away() -> Iterator[str]:
    """The address of a broker that is not there, with a password in it; the password."""
    app.conf.broker_url = "redis://:hunter2hunter2@127.0.0.1:1/0"
    kombu.pools.reset()
    app._after_fork()
    yield "hunter2hunter2"
    app.conf.broker_url = "memory://"
    kombu.pools.reset()
    app._after_fork()


@pytest.fixture
def database_is_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real connection to a PostgreSQL that is not there, in the place of the tests' one."""
    settings = {**connections["default"].settings_dict, "HOST": "127.0.0.1", "PORT": "1", "NAME": "kubegraf"}
    settings |= {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"connect_timeout": 2}}
    absent = DatabaseWrapper(settings, "default")
    monkeypatch.setattr(health, "connection", absent)
    yield
    absent.close()


def test_a_process_that_answers_is_live(client: Client) -> None:
    response = client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_with_database_and_broker_it_is_ready(client: Client, publishing: Broker) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    checks = {"database": "ok", "migrations": "ok", "broker": "ok"}
    assert response.json() == {"status": "ok", "checks": checks}
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_without_a_broker_it_is_degraded_but_ready(
    client: Client, broker_is_away: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"]["broker"] == "cannot be reached"
    assert broker_is_away not in response.content.decode() + caplog.text


@pytest.mark.django_db
def test_with_a_migration_to_apply_it_is_not_ready_and_the_log_names_it(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    (last,) = MigrationLoader(connection).graph.leaf_nodes("connectors")
    MigrationRecorder(connection).record_unapplied(*last)
    response = client.get("/readyz")
    assert response.status_code == 503
    checks = {"database": "ok", "migrations": "not all applied"}
    assert response.json() == {"status": "unavailable", "checks": checks}
    assert ".".join(last) in caplog.text


@pytest.mark.django_db
def test_without_a_database_it_is_live_and_not_ready(
    client: Client, caplog: pytest.LogCaptureFixture, database_is_away: None
) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "checks": {"database": "cannot be reached"}}
    assert "the database cannot be reached: " in caplog.text
    assert client.get("/livez").status_code == 200


@pytest.mark.django_db
def test_one_check_at_a_time_occupies_one_thread(client: Client) -> None:
    with health._asking:
        response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "the last check has not ended"}


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.django_db
@override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["kubegraf.example.com"])
def test_a_probe_by_address_and_over_http_is_answered(client: Client, path: str) -> None:
    assert client.get(path, **UNKNOWN_HOST).status_code == 200


@override_settings(SECURE_SSL_REDIRECT=False, ALLOWED_HOSTS=["kubegraf.example.com"])
def test_any_other_page_still_wants_an_allowed_host(client: Client) -> None:
    assert client.get("/admin/login/", **UNKNOWN_HOST).status_code == 400


@pytest.mark.parametrize("path", ["/livez/", "/livez/x", "/readyzz"])
@pytest.mark.django_db
def test_only_the_two_paths_are_probes(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_probe_is_not_posted(client: Client) -> None:
    assert client.post("/livez").status_code == 404
