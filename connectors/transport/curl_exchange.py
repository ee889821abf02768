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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import pycurl

from connectors.conversation import Request, Response
from connectors.errors import SendError
from connectors.transport import bounds, egress, failures
from connectors.transport.outgoing import unreadable_address
from connectors.transport.trust import bundle

_NO_SOCKET: int = pycurl.SOCKET_BAD
_KEPT_IN_URL = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class Target:
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


def _has_body(request: Request) -> bool:
    """Whether one is sent, be it empty."""
    return request.method != "HEAD" and (bool(request.body) or request.method != "GET")


class Handle(pycurl.Curl):  # type: ignore[misc]  # pycurl has no types
    """A handle of libcurl's, which keeps its options from one exchange to the next."""

    kind: tuple[Target, str, bool] | None
    """The target and the method it is set up for, and whether there is a body."""


def new_handle() -> Handle:
    """A handle with everything set that holds for all exchanges."""
    handle = Handle()
    handle.kind = None
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
    ):
        handle.setopt(option, value)
    return handle


class Exchange:
    """A request under way. `take` is called with its outcome."""

    def __init__(
        self,
        request: Request,
        target: Target,
        started: float,
        at: float,
        take: Callable[[Response | SendError], None],
    ) -> None:
        """It began at `started` and must be over `at` (both of time.monotonic())."""
        self.take = take
        self.addresses: list[str] = []
        self._request = request
        self._target = target
        self._started = started
        self._at = at
        self._seconds = 0.0  # for the connection
        self._tried: list[str] = []
        self._opened: list[socket.socket] = []
        self._refused: SendError | None = None
        self._headers: list[bytes] = []
        self._body: list[bytes] = []
        self._length = 0

    @property
    def _host(self) -> str:
        return self._request.host

    def attach(self, handle: Handle) -> None:
        """Sets the handle up for this exchange."""
        request, set_ = self._request, handle.setopt
        kind = (self._target, request.method, bool(request.body))
        if handle.kind != kind:
            self._set_kind(handle)
            handle.kind = kind
        remaining = max(self._at - time.monotonic(), 0.001)
        self._seconds = min(bounds.CONNECT_SECONDS, remaining)
        lines = [
            f"{name}: {value}".encode("latin-1") if value else f"{name};".encode("latin-1")
            for name, value in request.headers.items()
        ]
        if _has_body(request):
            set_(pycurl.POSTFIELDS, request.body)
            lines.append(b"Expect:")
            if not any(line[:13].lower() == b"content-type:" for line in lines):
                lines.append(b"Content-Type:")
        set_(pycurl.HTTPHEADER, lines)
        set_(pycurl.TIMEOUT_MS, math.ceil(remaining * 1000))
        set_(pycurl.CONNECTTIMEOUT_MS, math.ceil(self._seconds * 1000))
        set_(pycurl.OPENSOCKETFUNCTION, self._open)
        set_(pycurl.HEADERFUNCTION, self._headers.append)
        set_(pycurl.WRITEFUNCTION, self._write)
        if self.addresses:
            # These and no others: what was checked is what is connected to.
            shown = (f"[{address}]" if ":" in address else address for address in self.addresses)
            set_(pycurl.RESOLVE, [f"{self._target.host}:{self._target.port}:{','.join(shown)}"])

    def _set_kind(self, handle: Handle) -> None:
        request, target, set_ = self._request, self._target, handle.setopt
        if request.method == "HEAD":
            set_(pycurl.NOBODY, 1)
        elif _has_body(request):
            set_(pycurl.POST, 1)
        else:
            set_(pycurl.HTTPGET, 1)
        set_(pycurl.CUSTOMREQUEST, request.method)
        set_(pycurl.URL, target.url)
        # Whole seconds; a loop that was unused for longer is not used again anyway.
        set_(pycurl.MAXAGE_CONN, max(1, int(bounds.IDLE_SECONDS)))
        handle.unsetopt(pycurl.RESOLVE)
        if target.encrypted:
            set_(pycurl.CAINFO, bundle())

    # --- Called by libcurl: exceptions cannot leave these ---

    def _open(self, purpose: int, address: Any) -> socket.socket | int:
        family, kind, protocol, (found, *_) = address
        found = found.decode() if isinstance(found, bytes) else found
        try:
            egress.require_allowed(self._target.host, found)
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

    def release(self) -> None:
        """Closes what it no longer needs."""
        for opened in self._opened:
            opened.close()
        self._opened.clear()

    def answer(self, handle: pycurl.Curl) -> Response | SendError:
        """What has come, if all of it has."""
        lines = self._headers
        if not lines or lines[-1].strip():
            return failures.broken_off(self._host) if lines else failures.unanswered(self._host)
        # What came before the last status line was only interim: 100 Continue, 103 Early Hints.
        final = max((number for number, line in enumerate(lines) if line.startswith(b"HTTP/")), default=0)
        del lines[:final]
        # libcurl itself has stopped reading where all of them together are too long.
        if len(lines) > bounds.HEADER_LIMIT + 2 or any(len(line) > bounds.HEADER_BYTES for line in lines):
            return failures.improper(self._host, failures.TOO_MANY_HEADERS)
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                name, value = name.strip().lower(), value.strip()
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return Response(
            status=handle.getinfo(pycurl.RESPONSE_CODE),
            headers=headers,
            body=b"".join(self._body)[: bounds.BODY_LIMIT],
            truncated=self._length > bounds.BODY_LIMIT,
        )

    def failure(self, handle: pycurl.Curl, code: int, text: str) -> Response | SendError:
        """What an error of libcurl's means. One that we caused ourselves by having enough is an answer."""
        if self._refused is not None:
            return self._refused
        if self._length > bounds.BODY_LIMIT:
            return self.answer(handle)
        host = self._host
        reason = os.strerror(number) if (number := handle.getinfo(pycurl.OS_ERRNO)) else ""
        match code:
            case pycurl.E_OPERATION_TIMEDOUT:
                if self._tried and not handle.getinfo(pycurl.CONNECT_TIME):
                    return self._no_connection(TimeoutError())
                return failures.too_late(host, time.monotonic() - self._started)
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
        return egress.no_connection(self._target.host, self._target.port, self._seconds, failed)

    def _without_tls(self, text: str) -> SendError:
        if "unexpected eof" in text.lower():
            return failures.unanswered(self._host)
        if "SSL_ERROR_SYSCALL" in text or "errno" in text:
            return failures.reset(self._host)
        return failures.no_tls(self._host, text.rpartition("::")[2].strip())


def _mistrust(text: str, host: str) -> str:
    """OpenSSL's words for what is wrong with a certificate, out of curl's."""
    if "subject name" in text:
        return f"Hostname mismatch, certificate is not valid for '{host}'"
    return text.rpartition(": ")[2].strip(" .") or "it cannot be verified"
