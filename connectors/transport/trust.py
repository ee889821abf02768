"""Whose certificates are believed: SSL_CERT_FILE and SSL_CERT_DIR where set, as everywhere else.

Otherwise the system's authorities and those that come with certifi, since a small image has none.
"""

from __future__ import annotations

import os
import re
import ssl
import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO

import certifi

# Two threads that make the file at the same time would make two, and the one not kept is removed at once.
_one_at_a_time = threading.Lock()


def context() -> ssl.SSLContext:
    """For Python's own TLS."""
    return _context(*_named())


def bundle() -> str:
    """For clients that take one file: its path. The file lives as long as this process."""
    with _one_at_a_time:
        return _bundle(*_named()).name


def _named() -> tuple[str, str]:
    return os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")


@lru_cache(maxsize=4)
def _context(file: str, folder: str) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if not (file or folder):
        made.load_verify_locations(certifi.where())
    return made


@lru_cache(maxsize=4)
def _bundle(file: str, folder: str) -> IO[bytes]:
    made = tempfile.NamedTemporaryFile(prefix="kubegraf-trust-", suffix=".pem")  # noqa: SIM115 - kept open
    for path in _files(file, folder):
        made.write(path.read_bytes() + b"\n")
    made.flush()
    return made


def _files(file: str, folder: str) -> Iterator[Path]:
    # What OpenSSL looks into by default, the environment considered.
    places = ssl.get_default_verify_paths()
    if places.cafile:
        yield Path(places.cafile)
    # In a folder it finds authorities by the hash of their name.
    for place in (places.capath or "").split(os.pathsep):
        if place:
            yield from sorted(
                path for path in Path(place).iterdir() if re.fullmatch(r"[0-9a-f]{8}\.\d+", path.name)
            )
    if not (file or folder):
        yield Path(certifi.where())
