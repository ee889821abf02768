"""What a provider and the engine say to each other: requests out, responses back, a receipt at the end.

A provider does no I/O. Its `send` is a generator that yields requests and is handed responses, so that a
five-call exchange reads from top to bottom, is tested without mocks, and can be driven by any client, one at
a time or hundreds at once. The types are our own rather than an HTTP library's: what is signed is exactly
what is sent, no driver pays for another's objects, and a request never shows its secrets when printed.
"""

from __future__ import annotations

import json
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from connectors.encodable import json_bytes
from connectors.errors import Reason, SendError
from connectors.message import JSONDict, Message


class Dispatch(msgspec.Struct, frozen=True):
    """One delivery, as its provider sees it.

    `id` is the delivery's and stays the same over retries. `remote` is what the last successful delivery of
    the same key left as its reference (a Slack ts, an issue number); empty when there was none.
    """

    id: str
    message: Message
    remote: Mapping[str, Any] = {}


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, ready to go. `url` and headers may hold secrets, so neither is in its repr."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request(method={self.method!r})"

    @property
    def host(self) -> str:
        """The receiver's name, for people: never the path, which may be the secret."""
        return urlsplit(self.url).hostname or ""


class Response(msgspec.Struct, frozen=True):
    """What came back: the status, headers with lower-case names, and the body up to the size cap.

    `truncated` says that the body was longer than the cap and that the rest was not read.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    truncated: bool = False

    def __repr__(self) -> str:
        return f"Response(status={self.status})"

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 become replacement characters."""
        return self.body.decode("utf-8", errors="replace")

    @property
    def json(self) -> Any:
        """The body decoded.

        Raises SendError(BAD_ANSWER), to be tried again, when it is not JSON: a proxy's error page, say.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise SendError(
                Reason.BAD_ANSWER,
                f"HTTP {self.status} with a body that is not JSON: {self.text[:200]!r}",
                retry=True,
            ) from None

    @property
    def object(self) -> JSONDict:
        """The body decoded, which must be a JSON object. Raises SendError(BAD_ANSWER) like `json`."""
        value = self.json
        if not isinstance(value, dict):
            raise SendError(
                Reason.BAD_ANSWER, f"HTTP {self.status} with JSON that is not an object", retry=True
            )
        return value


class Receipt(msgspec.Struct, frozen=True):
    """A delivery that worked.

    `remote` is the reference by which a later update or resolve finds the thing again; it is stored with the
    delivery. `url` is where a person can look at it. `accepted` says that the service took the message but
    gives no proof that it was posted. `note` is a remark for the record.
    """

    remote: Mapping[str, Any] = {}
    url: str = ""
    accepted: bool = False
    note: str = ""


Connect: TypeAlias = Callable[[str, int, float], socket.socket]
"""(host, port, seconds) -> a TCP connection to an address that the egress policy allows. Raises SendError."""


class Call(ABC):
    """An exchange that is not HTTP, such as a mail submission; the driver performs it in a thread."""

    @property
    @abstractmethod
    def host(self) -> str:
        """The receiver's name, for people."""

    @abstractmethod
    def perform(self, connect: Connect, deadline: float) -> Response:
        """Does it, over a connection made by `connect`, before `deadline` (of time.monotonic()).

        The answer is put as a Response. Raises SendError.
        """


Conversation: TypeAlias = Generator[Request | Call, Response, Receipt]
"""Yields requests, is sent their responses, returns a Receipt, or raises SendError."""


def request(
    method: str, url: str, *, payload: object = None, headers: Mapping[str, str] | None = None
) -> Request:
    """A request whose body is `payload` as compact JSON; without a payload it has no body."""
    if payload is None:
        return Request(method, url, dict(headers or {}))
    return Request(method, url, {"Content-Type": "application/json", **(headers or {})}, json_bytes(payload))


def get(url: str, *, headers: Mapping[str, str] | None = None) -> Request:
    """A GET request."""
    return request("GET", url, headers=headers)


def post(url: str, *, payload: object, headers: Mapping[str, str] | None = None) -> Request:
    """A POST request with a JSON body."""
    return request("POST", url, payload=payload, headers=headers)
