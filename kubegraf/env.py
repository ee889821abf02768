"""What the environment says, read before Django is there: the data directory, keys and embedded defaults.

`kubegraf.settings` and `kubegraf.up` both need these answers, and must get the same ones.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

import environ

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
