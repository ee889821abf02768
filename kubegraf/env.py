"""What the environment says, read before Django is there: the data directory, keys and embedded defaults.

`kubegraf.settings` and `kubegraf.local.up` both need these answers, and must get the same ones.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import certifi
import environ
from django.core.exceptions import ImproperlyConfigured

from connectors.api.rates import rate

BASE_DIR = Path(__file__).resolve().parent.parent

# The longest path a Unix socket may have is 108 bytes on Linux and 104 on macOS.
SOCKET_PATH_LIMIT = 100

env = environ.FileAwareEnv()
"""Reads NAME, or the file that NAME_FILE points at (a mounted secret)."""


def data_dir() -> Path:
    """Where the embedded database, broker data and generated keys live: `KUBEGRAF_DATA_DIR`, else `var/`."""
    return Path(os.environ.get("KUBEGRAF_DATA_DIR") or BASE_DIR / "var").expanduser().resolve()


def generated(name: str) -> Path:
    """The file under the data directory in which `make run` keeps a generated value, such as a key."""
    return data_dir() / name


def key(variable: str, filename: str) -> str:
    """A secret key: from the environment, else as `make run` generated it; "" where there is neither."""
    value: str = env.str(variable, default="")
    if value:
        return value
    try:
        return generated(filename).read_text().strip()
    except OSError:
        return ""


def embedded_socket() -> Path:
    """Where the embedded Valkey listens: in the data directory, or in the temporary folder if it is too deep.

    The answer depends on the data directory alone, so that a second terminal finds the same broker.
    """
    path = data_dir() / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kubegraf-{os.getuid()}-{digest}" / "valkey.sock"


def database_url() -> str:
    """`DATABASE_URL`, else the embedded SQLite file."""
    return (
        env.str("DATABASE_URL", default="").strip()
        or f"sqlite:///{quote(str(data_dir() / 'kubegraf.sqlite3'))}"
    )


def redis_url() -> str:
    """`REDIS_URL`, else the embedded Valkey's socket."""
    return env.str("REDIS_URL", default="").strip() or f"redis+socket://{quote(str(embedded_socket()))}"


def broker_tls() -> dict[str, Any]:
    """What is asked of the certificate of a Redis at `rediss://`; nothing of any other.

    By itself Celery would take any certificate. What stands in the address, as `?ssl_cert_reqs=none`, goes
    before this. Authorities are those that connectors believe (`connectors.transport.trust`).
    """
    if not redis_url().startswith("rediss://"):
        return {}
    asked = {"ssl_cert_reqs": "required"}
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        asked["ssl_ca_certs"] = certifi.where()  # besides the system's
    return asked


def shared_cache() -> dict[str, Any]:
    """Django's cache: in Redis, where there is one that web processes share, else in each one's memory.

    It gives up soon: whoever asks it can do without.
    """
    url = env.str("REDIS_URL", default="").strip()
    if not url and embedded_socket().exists():
        url = redis_url()
    if url.startswith("redis+socket://"):
        url = "unix://" + url.removeprefix("redis+socket://").replace("virtual_host=", "db=")
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": [url],
        "KEY_PREFIX": "kubegraf",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5, **broker_tls()},
    }


def checked_rate(variable: str, default: str) -> str:
    """A rate such as `600/min`. Raises ImproperlyConfigured."""
    text: str = env.str(variable, default=default)
    try:
        rate(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable}: {error}") from None
    return text


def whole_number(variable: str, *, default: int, at_least: int) -> int:
    """A whole number; the default where nothing is said. Raises ImproperlyConfigured."""
    text: str = env.str(variable, default="").strip() or str(default)
    try:
        found = int(text)
    except ValueError:
        found = at_least - 1
    if found < at_least:
        raise ImproperlyConfigured(f"{variable} is {text!r}; it must be a whole number, {at_least} or more.")
    return found


def seconds(variable: str, *, default: float) -> float:
    """A number of seconds above 0; the default where nothing is said. Raises ImproperlyConfigured."""
    text: str = env.str(variable, default="").strip() or str(default)
    found = _numbers(text)
    if len(found) != 1 or not (math.isfinite(found[0]) and found[0] > 0):
        raise ImproperlyConfigured(f"{variable} is {text!r}; it must be seconds, such as 60 or 0.5.")
    return found[0]


def waits(variable: str, *, default: Sequence[float]) -> list[float]:
    """Numbers of seconds, with commas; the default where nothing is said. Raises ImproperlyConfigured."""
    text: str = env.str(variable, default="").strip()
    if not text:
        return [*default]
    found = _numbers(text)
    if not found or not all(math.isfinite(one) and one >= 0 for one in found):
        raise ImproperlyConfigured(f"{variable} is {text!r}; it must be seconds with commas, such as 5,300.")
    return found


def _numbers(text: str) -> list[float]:
    """Those that stand there with commas between them; none if one of them is no number."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def options(variable: str) -> dict[str, dict[str, Any]]:
    """Options by name, as JSON: `{"pod_restarted": {"enabled": false}}`. Raises ImproperlyConfigured."""
    text: str = env.str(variable, default="").strip() or "{}"
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ImproperlyConfigured(
            f'{variable} must be JSON such as {{"pod_restarted": {{"enabled": false}}}}, and is {text!r}.'
        )
    return found
