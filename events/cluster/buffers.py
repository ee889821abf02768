"""Connections that read what has come in one go, rather than 8 kB at a time.

An object is some 5 kB, so that with the standard library's buffer a busy watch would cost a system call for
every line.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

SIZE = 128 * 1024
"""Bytes, for each connection."""


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()  # nothing has been read by it yet; the socket stays open
        self.fp = cast(io.BufferedReader, sock.makefile("rb", SIZE))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def enlarge(manager: urllib3.PoolManager) -> None:
    """Have the connections that it will make read so."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
