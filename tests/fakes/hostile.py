"""Receivers that do everything but answer properly, over real sockets on loopback."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from typing import Self, TypeAlias

from tests.waiting import until

DRIP = 0.05
"""Seconds between two pieces of those that drip."""


class Hostile:
    """Listens on a free loopback port and treats every connection as its behaviour says.

    A behaviour is a function of this receiver and a connection. It may take as long as it likes, if it ends
    once `over` is set. `requests` has what `read` read.
    """

    def __init__(
        self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self._behaviour = behaviour
        self._tls = tls
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self._open: list[socket.socket] = []
        self._callers: list[object] = []
        self._own: set[object] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """How many connections there were up to now."""
        if not self.over.is_set():
            # Connections are accepted in turn: once this one is, every earlier one has been counted.
            with socket.socket(self._listener.family) as last:
                last.connect(self._listener.getsockname())
                until(lambda: last.getsockname() in self._callers)
                self._own.add(last.getsockname())
        return sum(caller not in self._own for caller in self._callers)

    def wait_until_done(self) -> None:
        """Waits until every connection so far has been closed from this side."""
        until(lambda: not any(thread.is_alive() for thread in self._threads[1:]))

    @property
    def url(self) -> str:
        """Its address without a path, by the name that test certificates are made out to."""
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def read(self, connection: socket.socket) -> bytes:
        """One request, body included; b"" if the other side hung up."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return b""
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def drip(self, connection: socket.socket, pieces: Iterable[bytes]) -> None:
        """Sends the pieces, one every DRIP seconds."""
        for piece in pieces:
            if self.over.wait(DRIP):
                return
            connection.sendall(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, with all its connections. Does no harm a second time."""
        if self.over.is_set():
            return
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # of the connection beneath the TLS
        for thread in self._threads[1:]:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, caller = self._listener.accept()
            except OSError:
                return  # closed
            self._callers.append(caller)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            self._behaviour(self, connection)
        except OSError:
            pass  # whom it treats so may hang up at any moment
        finally:
            connection.close()


Behaviour: TypeAlias = Callable[[Hostile, socket.socket], None]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def answering(answer: bytes) -> Behaviour:
    """Answers each request with these bytes, and keeps the connection open for the next."""

    def behave(receiver: Hostile, connection: socket.socket) -> None:
        while receiver.read(connection):
            connection.sendall(answer)

    return behave


def redirecting(status: int, target: str) -> Behaviour:
    """Redirects to another address."""
    return answering(
        f"HTTP/1.1 {status} Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
    )


def friendly(receiver: Hostile, connection: socket.socket) -> None:
    """Not hostile at all: 200 "ok", over kept-alive connections."""
    answering(_HEAD + b"Content-Length: 2\r\n\r\nok")(receiver, connection)


def hangs(receiver: Hostile, connection: socket.socket) -> None:
    """Takes the request and never answers."""
    receiver.read(connection)
    receiver.over.wait()


def hangs_at_once(receiver: Hostile, connection: socket.socket) -> None:
    """Takes the connection and reads nothing: no TLS handshake, no big request."""
    receiver.over.wait()


def drips_head(receiver: Hostile, connection: socket.socket) -> None:
    """Answers byte by byte, never to the end of the headers."""
    receiver.read(connection)
    receiver.drip(connection, (b"H", b"TTP/1.1 200 OK\r\nX-Slow: ", *([b"a"] * 10_000)))


def drips_a_line(receiver: Hostile, connection: socket.socket) -> None:
    """Greets byte by byte, in one line that does not end."""
    receiver.drip(connection, [b"a"] * 10_000)


def speaks_first(receiver: Hostile, connection: socket.socket) -> None:
    """Refuses whatever comes in plain HTTP, as a server does that is asked for TLS on its other port."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def drips_body(receiver: Hostile, connection: socket.socket) -> None:
    """Answers with proper headers, and then byte by byte."""
    receiver.read(connection)
    receiver.drip(connection, (_HEAD + b"Content-Length: 100000\r\n\r\n", *([b"a"] * 10_000)))


def drips_handshake(receiver: Hostile, connection: socket.socket) -> None:
    """Begins a TLS record of 16 KiB and sends it byte by byte."""
    receiver.drip(connection, (b"\x16\x03\x03\x40\x00", *([b"a"] * 10_000)))


def huge_body(receiver: Hostile, connection: socket.socket) -> None:
    """Answers with 100 MB."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"Content-Length: 100000000\r\n\r\n")
    for _ in range(100):
        connection.sendall(bytes(1_000_000))


def gzip_bomb(receiver: Hostile, connection: socket.socket) -> None:
    """Answers with 100 KB that unpack to 100 MB."""
    receiver.read(connection)
    bomb = gzip.compress(bytes(100_000_000), compresslevel=9)
    connection.sendall(
        _HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb
    )


def huge_header(receiver: Hostile, connection: socket.socket) -> None:
    """Answers with a header of 1 MB."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"X-Huge: " + b"a" * 1_000_000 + b"\r\n\r\n")


def many_headers(receiver: Hostile, connection: socket.socket) -> None:
    """Answers with 10,000 headers."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"X-Many: a\r\n" * 10_000 + b"\r\n")


def closes_at_once(receiver: Hostile, connection: socket.socket) -> None:
    """Hangs up before the request."""


def closes_early(receiver: Hostile, connection: socket.socket) -> None:
    """Takes the request and hangs up."""
    receiver.read(connection)


def half_an_answer(receiver: Hostile, connection: socket.socket) -> None:
    """Announces 100 bytes, sends ten and hangs up."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"Content-Length: 100\r\n\r\n0123456789")


def half_a_head(receiver: Hostile, connection: socket.socket) -> None:
    """Hangs up among the headers."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"X-Half: a")


def half_a_chunk(receiver: Hostile, connection: socket.socket) -> None:
    """Begins a chunked answer and hangs up."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n0123456789")


def babbles(receiver: Hostile, connection: socket.socket) -> None:
    """Answers with what is not HTTP."""
    receiver.read(connection)
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


def not_gzip(receiver: Hostile, connection: socket.socket) -> None:
    """Says that its answer is packed, which it is not."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789")


def resets(receiver: Hostile, connection: socket.socket) -> None:
    """Takes the request and resets the connection."""
    receiver.read(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def one_per_connection(receiver: Hostile, connection: socket.socket) -> None:
    """Answers one request as if more were welcome, and hangs up."""
    receiver.read(connection)
    connection.sendall(_HEAD + b"Content-Length: 2\r\n\r\nok")
