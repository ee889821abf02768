"""One HTTP exchange by way of `requests`, over connections that the egress policy has allowed.

Of `requests` only the adapter is used. A Session would add what must not happen here: cookies, redirects,
.netrc, and proxies from the environment.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connectors.conversation import Request, Response
from connectors.errors import SendError
from connectors.transport import bounds, egress, failures, trust
from connectors.transport.bounds import BODY_LIMIT, CONNECT_SECONDS
from connectors.transport.deadline import Deadline
from connectors.transport.outgoing import unreadable_address

_deadline: ContextVar[Deadline] = ContextVar("deadline")
"""That of the exchange under way, for the connections that are opened or used for it."""


def exchange(request: Request, deadline: Deadline) -> Response:
    """Sends a request, once, and reads the answer. Raises SendError.

    Redirects are answers like any other. Nothing is tried a second time. `deadline` must be entered.
    """
    host = request.host
    token = _deadline.set(deadline)
    started = time.monotonic()
    remaining = max(deadline.remaining, 0.001)  # 0 is no time-out that urllib3 takes
    try:
        answer = _adapter().send(
            _prepared(request),
            stream=True,
            timeout=(min(CONNECT_SECONDS, remaining), remaining),
        )
        with answer:
            return _response(answer)
    except SendError:
        raise
    except Exception as error:
        translated = _translated(error, host, started)
        if translated is None:
            raise
        raise translated from None
    finally:
        _deadline.reset(token)


def _prepared(request: Request) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.prepare(
        method=request.method,
        url=request.url,
        headers=dict(request.headers),
        data=request.body or None,
    )
    return prepared


def _response(answer: requests.Response) -> Response:
    body = b""
    while len(body) <= BODY_LIMIT:
        # The limit holds for what is unpacked, too: a small body may unpack to gigabytes.
        piece = answer.raw.read(BODY_LIMIT + 1 - len(body), decode_content=True)
        if not piece:
            break
        body += piece
    return Response(
        status=answer.status_code,
        headers={name.lower(): value for name, value in answer.headers.items()},
        body=body[:BODY_LIMIT],
        truncated=len(body) > BODY_LIMIT,
    )


# --- Connections ----------------------------------------------------------------------------------------


class _Lines:
    """A file of which the last line that was read is remembered."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.file.readline(limit)
        return self.last

    def close(self) -> None:
        self.file.close()


class _Answer(http.client.HTTPResponse):
    """Notices when an answer breaks off among its headers; http.client takes it for a whole one."""

    fp: Any

    def begin(self) -> None:
        lines = self.fp = _Lines(self.fp)
        super().begin()
        self.fp = lines.file
        if not lines.last:
            self.close()
            raise http.client.IncompleteRead(b"")


class _Connection(HTTPConnection):
    """Opens its connection by the egress policy, and is cut at the deadline of each exchange it serves."""

    response_class = _Answer
    idle_since = 0.0

    def _new_conn(self) -> socket.socket:
        timeout = float(self.timeout or CONNECT_SECONDS)
        connection = egress.connect(self._dns_host, self.port, timeout)
        connection.settimeout(timeout)
        _deadline.get().hold(connection)
        return connection

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _deadline.get().hold(self.sock)
        super().request(*args, **kwargs)


class _TLSConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLCertVerificationError as error:
            raise failures.untrusted(self.host, error.verify_message.rstrip(".")) from None
        except ssl.SSLError as error:
            raise failures.no_tls(self.host, error.reason or "") from None


class _Pool(HTTPConnectionPool):
    """Keeps connections for the next exchange with the same host, for a short while."""

    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.sock is not None and time.monotonic() - connection.idle_since > bounds.IDLE_SECONDS:
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    """The transport of `requests`, with our connections and our trust store, and without a second try."""

    def __init__(self) -> None:
        super().__init__(pool_connections=64, pool_maxsize=64, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**pool, "ssl_context": trust.context()}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: certificates are verified by that context, which this would add to."""


@cache
def _adapter() -> _Adapter:
    return _Adapter()


# A forked process must not write to the connections of its parent.
os.register_at_fork(after_in_child=_adapter.cache_clear)


# --- Errors ---------------------------------------------------------------------------------------------


def _translated(error: Exception, host: str, started: float) -> SendError | None:
    """The error as a SendError; None if it is none that an exchange is known to end in."""
    for cause in _causes(error):
        known = _verdict(cause, host, started)
        if known is not None:
            return known
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What led to an error, beginning with the first cause: the libraries wrap it several times."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return reversed(chain)


def _verdict(cause: BaseException, host: str, started: float) -> SendError | None:
    match cause:
        case TimeoutError() | urllib3.exceptions.TimeoutError():
            return failures.too_late(host, time.monotonic() - started)
        case http.client.RemoteDisconnected() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return failures.unanswered(host)
        case ConnectionError():
            return failures.reset(host)
        case ssl.SSLError():
            return failures.no_tls(host, cause.reason or "")
        case http.client.IncompleteRead() | urllib3.exceptions.IncompleteRead():
            return failures.broken_off(host)
        case http.client.BadStatusLine():
            return failures.improper(host, failures.NO_STATUS_LINE)
        case urllib3.exceptions.DecodeError():
            return failures.improper(host, failures.BADLY_PACKED)
        case http.client.LineTooLong():
            return failures.improper(host, failures.TOO_MANY_HEADERS)
        case http.client.HTTPException() if str(cause).startswith("got more than"):
            return failures.improper(host, failures.TOO_MANY_HEADERS)
        case http.client.HTTPException():
            return failures.improper(host, failures.INCOHERENT)
        case requests.exceptions.InvalidURL() | urllib3.exceptions.LocationParseError():
            return unreadable_address()
        case OSError() if cause.strerror:
            return failures.connection_failed(host, cause.strerror)
    return None
