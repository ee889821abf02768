"""One HTTP exchange by way of libcurl: how its options are set, and what its end means.

libcurl adds nothing that must not happen here: no redirects, no cookies, no .netrc, and no proxy from the
environment. Where a kept connection turns out to be dead before a byte was answered, it sends the request
over a new one.
"""

from __future__ import annotations

import ipaddress
import math
import os
import socket
import time
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
import pycurl

from connectors.conversation import Request, Response
from connectors.errors import SendError
from connectors.transport import bounds, egress, failures
from connectors.transport.outgoing import unreadable_address
from connectors.transport.trust import bundle

_NO_SOCKET: int = pycurl.SOCKET_BAD
_KEPT_IN_URL = "!#$%&'()*+,/:;=?@[]~"
_NOT_OF_ITS_OWN = [b"Expect:", b"Content-Type:"]
"""Headers that libcurl would add to a body; one that a request has is sent nevertheless."""


class Target(msgspec.Struct, frozen=True):
    """Where a request goes: the address as it is written on the line, the host and port connected to."""

    url: str
    host: str
    port: int
    is_address: bool
    encrypted: bool


def target_of(url: str) -> Target:
    """The target of an address, made of what curl and we cannot read differently.

    Raises SendError for one that cannot be read.
    """
    try:
        parts = urlsplit(url)
        given = (parts.hostname or "").rstrip(".")
        host = given if given.isascii() else given.encode("idna").decode()
        port = parts.port
    except ValueError:  # UnicodeError is one
        raise unreadable_address() from None
    labels = host.split(".")
    if ":" not in host and (not all(labels) or any(len(label) > 63 for label in labels)):
        raise unreadable_address()
    encrypted = parts.scheme == "https"
    where = f"[{host}]" if ":" in host else host
    netloc = where if port is None else f"{where}:{port}"
    path, query = (quote(part, safe=_KEPT_IN_URL) for part in (parts.path or "/", parts.query))
    return Target(
        url=urlunsplit((parts.scheme, netloc, path, query, "")),
        host=host,
        port=port or (443 if encrypted else 80),
        is_address=_is_address(host),
        encrypted=encrypted,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Exchange(msgspec.Struct):
    """A request, from when it `started` to when it must be over (`at`, both of time.monotonic())."""

    request: Request
    header_lines: list[bytes]
    target: Target
    started: float
    at: float
    whose: Any
    """Of whoever asked for it, to know it by."""
    addresses: list[str] = []
    """Those of a host that is given by name."""


_NOTHING = Exchange(Request("", ""), [], target_of("http://-/"), 0.0, 0.0, None)


class Handle(pycurl.Curl):  # type: ignore[misc]  # pycurl has no types
    """A handle of libcurl's: performs one exchange after another, and keeps its options in between."""

    def __init__(self) -> None:
        self._exchange = _NOTHING
        self._kind: tuple[Target, str, bool] | None = None  # of requests that it is set up for
        self._timeout = 0  # milliseconds
        self._tried: list[str] = []
        self._opened: list[socket.socket] = []
        self._refused: SendError | None = None
        self._lines: list[bytes] = []
        self._body: list[bytes] = []
        self._length = 0
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.NOPROGRESS, 1),
            (pycurl.PROXY, ""),
            (pycurl.NOPROXY, "*"),
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.HTTP09_ALLOWED, 0),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.SSL_VERIFYPEER, 1),
            (pycurl.SSL_VERIFYHOST, 2),
            (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
            # Has what is packed unpacked; that we ask for it as it is stands in the request's own header.
            (pycurl.ACCEPT_ENCODING, "identity"),
            (pycurl.OPENSOCKETFUNCTION, self._open),
            (pycurl.HEADERFUNCTION, self._lines.append),
            (pycurl.WRITEFUNCTION, self._write),
        ):
            self.setopt(option, value)

    @property
    def _host(self) -> str:
        return self._exchange.request.host

    def begin(self, exchange: Exchange) -> None:
        """Sets itself up for an exchange."""
        self._exchange = exchange
        request, target = exchange.request, exchange.target
        has_body = request.method != "HEAD" and (bool(request.body) or request.method != "GET")
        kind = (target, request.method, has_body)
        if self._kind != kind:
            self._set_kind(*kind)
        if has_body:
            self.setopt(pycurl.POSTFIELDS, request.body)
            self.setopt(pycurl.HTTPHEADER, exchange.header_lines + _NOT_OF_ITS_OWN)
        else:
            self.setopt(pycurl.HTTPHEADER, exchange.header_lines)
        timeout = max(math.ceil((exchange.at - time.monotonic()) * 1000), 1)
        if self._timeout != timeout:
            self._timeout = timeout
            self.setopt(pycurl.TIMEOUT_MS, timeout)
            self.setopt(pycurl.CONNECTTIMEOUT_MS, math.ceil(self._seconds * 1000))
        if exchange.addresses:
            # These and no others: what was checked is what is connected to.
            shown = (f"[{address}]" if ":" in address else address for address in exchange.addresses)
            self.setopt(pycurl.RESOLVE, [f"{target.host}:{target.port}:{','.join(shown)}"])

    @property
    def _seconds(self) -> float:
        """For the connection."""
        return min(bounds.CONNECT_SECONDS, self._timeout / 1000)

    def _set_kind(self, target: Target, method: str, has_body: bool) -> None:
        if method == "HEAD":
            self.setopt(pycurl.NOBODY, 1)
        elif has_body:
            self.setopt(pycurl.POST, 1)
        else:
            self.setopt(pycurl.HTTPGET, 1)
        self.setopt(pycurl.CUSTOMREQUEST, method)
        self.setopt(pycurl.URL, target.url)
        # Whole seconds; a loop that was unused for longer is not used again anyway.
        self.setopt(pycurl.MAXAGE_CONN, max(1, int(bounds.IDLE_SECONDS)))
        self.unsetopt(pycurl.RESOLVE)
        if target.encrypted:
            self.setopt(pycurl.CAINFO, bundle())
        self._kind = (target, method, has_body)

    # --- Called by libcurl: exceptions cannot leave these ---

    def _open(self, purpose: int, address: Any) -> socket.socket | int:
        family, kind, protocol, (found, *_) = address
        found = found.decode() if isinstance(found, bytes) else found
        try:
            egress.require_allowed(self._exchange.target.host, found)
            self._tried.append(found)
            # libcurl uses a duplicate; ours is closed when it has been made, which is after this returns.
            self._opened.append(socket.socket(family, kind, protocol))
            return self._opened[-1]
        except SendError as error:
            self._refused = error
        except Exception as error:  # noqa: BLE001 - told as the failure of the connection
            self._refused = failures.connection_failed(self._host, str(error))
        return _NO_SOCKET

    def _write(self, piece: bytes) -> int | None:
        self._body.append(piece)
        self._length += len(piece)
        return None if self._length <= bounds.BODY_LIMIT else 0

    # --- Its end ---

    def release(self) -> Exchange:
        """Closes and forgets what belongs to this exchange, which it returns."""
        if self._tried:
            for opened in self._opened:
                opened.close()
            self._opened.clear()
            self._tried.clear()
        self._lines.clear()
        self._body.clear()
        self._length, self._refused = 0, None
        exchange, self._exchange = self._exchange, _NOTHING
        return exchange

    def answer(self) -> Response | SendError:
        """What has come, if all of it has."""
        lines = self._lines
        if not lines or lines[-1].strip():
            return failures.broken_off(self._host) if lines else failures.unanswered(self._host)
        headers = _headers(b"".join(lines))
        if headers is None:
            return failures.improper(self._host, failures.TOO_MANY_HEADERS)
        return Response(
            status=self.getinfo(pycurl.RESPONSE_CODE),
            headers=headers,
            body=b"".join(self._body)[: bounds.BODY_LIMIT],
            truncated=self._length > bounds.BODY_LIMIT,
        )

    def failure(self, code: int, text: str) -> Response | SendError:
        """What an error of libcurl's means. One that we caused ourselves by having enough is an answer."""
        if self._refused is not None:
            return self._refused
        if self._length > bounds.BODY_LIMIT:
            return self.answer()
        host = self._host
        reason = os.strerror(number) if (number := self.getinfo(pycurl.OS_ERRNO)) else ""
        match code:
            case pycurl.E_OPERATION_TIMEDOUT:
                if self._tried and not self.getinfo(pycurl.CONNECT_TIME):
                    return self._no_connection(TimeoutError())
                return failures.too_late(host, time.monotonic() - self._exchange.started)
            case pycurl.E_COULDNT_CONNECT | pycurl.E_COULDNT_RESOLVE_HOST:
                return self._no_connection(OSError(number, reason or text))
            case pycurl.E_PEER_FAILED_VERIFICATION:
                return failures.untrusted(host, _mistrust(text, host))
            case pycurl.E_SSL_CONNECT_ERROR:
                return self._without_tls(text)
            case pycurl.E_GOT_NOTHING:
                return failures.unanswered(host)
            case pycurl.E_PARTIAL_FILE:
                return failures.broken_off(host)
            case pycurl.E_RECV_ERROR | pycurl.E_SEND_ERROR:
                return failures.reset(host)
            case pycurl.E_BAD_CONTENT_ENCODING | pycurl.E_WRITE_ERROR:
                return failures.improper(host, failures.BADLY_PACKED)
            case pycurl.E_UNSUPPORTED_PROTOCOL:
                return failures.improper(host, failures.NO_STATUS_LINE)
            case pycurl.E_URL_MALFORMAT:
                return unreadable_address()
            case 8:  # CURLE_WEIRD_SERVER_REPLY
                return failures.improper(host, failures.INCOHERENT)
            case 100:  # CURLE_TOO_LARGE
                return failures.improper(host, failures.TOO_MANY_HEADERS)
        return failures.connection_failed(host, reason or f"libcurl's error {code}")

    def _no_connection(self, error: OSError) -> SendError:
        failed = [(address, error) for address in self._tried]
        return egress.no_connection(
            self._exchange.target.host, self._exchange.target.port, self._seconds, failed
        )

    def _without_tls(self, text: str) -> SendError:
        if "unexpected eof" in text.lower():
            return failures.unanswered(self._host)
        if "SSL_ERROR_SYSCALL" in text or "errno" in text:
            return failures.reset(self._host)
        return failures.no_tls(self._host, text.rpartition("::")[2].strip())


@lru_cache(maxsize=16)  # what one receiver answers is often the same to the byte
def _headers(lines: bytes) -> Mapping[str, str] | None:
    """The headers of an answer, to be read only; None where there are too many."""
    # What came before the last status line was only interim: 100 Continue, 103 Early Hints.
    head = lines.rpartition(b"\nHTTP/")[2].decode("latin-1").split("\n")
    # libcurl itself has stopped reading where all of them together are too long.
    if len(head) > bounds.HEADER_LIMIT + 3 or max(map(len, head)) >= bounds.HEADER_BYTES:
        return None
    headers: dict[str, str] = {}
    for line in head[1:]:
        name, colon, value = line.partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return MappingProxyType(headers)


def _mistrust(text: str, host: str) -> str:
    """OpenSSL's words for what is wrong with a certificate, out of curl's."""
    if "subject name" in text:
        return f"Hostname mismatch, certificate is not valid for '{host}'"
    return text.rpartition(": ")[2].strip(" .") or "it cannot be verified"
