"""Whose certificate a Redis at `rediss://` may have, for Celery and for the cache alike."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu
import kombu.exceptions
import pytest
import redis
import trustme
from django.core.cache.backends.redis import RedisCache

from kubegraf import env
from tests.fakes.hostile import Hostile
from tests.running import Broker

AUTHORITY = trustme.CA()


def _relay(broker: Broker) -> Callable[[Hostile, socket.socket], None]:
    """Hands everything on to the broker and back."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            return

    def behaviour(_: Hostile, caller: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as behind:
            behind.connect(str(broker.socket))
            answers = threading.Thread(target=pump, args=(behind, caller), daemon=True)
            answers.start()
            pump(caller, behind)
            behind.shutdown(socket.SHUT_RDWR)
            answers.join(5)

    return behaviour


@pytest.fixture
def encrypted(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the broker behind TLS, which REDIS_URL names; our own authority vouches for it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with Hostile(_relay(broker), tls=context) as listener:
        url = f"rediss://localhost:{listener.port}/0"
        monkeypatch.setenv("REDIS_URL", url)
        yield url


@pytest.fixture
def trusted(encrypted: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The same, with our own authority in SSL_CERT_FILE."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return encrypted


def _connect() -> None:
    with kombu.Connection(env.redis_url(), ssl=env.broker_tls()) as connection:
        connection.ensure_connection(max_retries=1, timeout=5)


def _cache() -> RedisCache:
    chosen = env.shared_cache()
    return RedisCache(chosen["LOCATION"], {"OPTIONS": chosen["OPTIONS"]})


@pytest.mark.usefixtures("encrypted")
def test_celery_refuses_a_broker_that_nobody_vouches_for() -> None:
    with pytest.raises(kombu.exceptions.OperationalError, match="certificate verify failed"):
        _connect()


@pytest.mark.usefixtures("trusted")
def test_celery_takes_a_broker_that_a_named_authority_vouches_for() -> None:
    _connect()


def test_celery_refuses_a_certificate_for_another_name(trusted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", trusted.replace("localhost", "127.0.0.1"))
    with pytest.raises(kombu.exceptions.OperationalError, match="IP address mismatch"):
        _connect()


def test_who_asks_for_no_check_has_none(encrypted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"{encrypted}?ssl_cert_reqs=none")
    _connect()
    _cache().set("taken", 1)


@pytest.mark.usefixtures("encrypted")
def test_the_cache_refuses_what_nobody_vouches_for() -> None:
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        _cache().set("taken", 1)


@pytest.mark.usefixtures("trusted")
def test_the_cache_takes_what_a_named_authority_vouches_for() -> None:
    cache = _cache()
    cache.set("taken", 1)
    assert cache.get("taken") == 1


def test_a_broker_without_tls_has_no_certificate_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://redis.example.com:6379/0")
    assert env.broker_tls() == {}


@pytest.mark.usefixtures("trusted")
def test_processes_connect_to_their_broker_in_that_way() -> None:
    asking = "from kubegraf.celery import app; print(app.connection_for_write().ssl)"
    settings = {**os.environ, "DJANGO_SETTINGS_MODULE": "kubegraf.settings"}
    done = subprocess.run(
        [sys.executable, "-c", asking], env=settings, cwd=env.BASE_DIR, capture_output=True, text=True
    )
    assert done.stdout.strip() == "{'ssl_cert_reqs': 'required'}", done.stderr
