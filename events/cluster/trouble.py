"""What can go wrong between us and an API server, in words for people. Pure.

No text here quotes a header, a body that is not the API's own Status, or a credential.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TypeVar

import msgspec
from urllib3 import exceptions

from events.cluster.grant import grant, qualified
from events.cluster.objects import Resource

E = TypeVar("E", bound=BaseException)

_EXCERPT = 300
_LONGEST_RETRY_AFTER = 300.0
_USER = re.compile(r'User "([^"]+)" cannot')
_TO_GRANT = " To grant it: "
_THEN = " && "
_NOT_INSTALLED = ": not installed."
_ANONYMOUS = "system:anonymous"
# A line of the answer of /readyz for each check: "[+]ping ok", "[-]etcd failed: reason withheld".
_FAILED_CHECK = re.compile(rb"^\[-\]([\w./-]+)", re.MULTILINE | re.ASCII)


class Trouble(StrEnum):
    """The kinds of trouble that are handled differently."""

    CONFIG = "config"  # no way to reach the cluster is configured, or not a usable one
    UNREACHABLE = "unreachable"  # no connection, or one that broke or fell silent
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    GONE = "gone"  # the version, or the rest of a list, is no longer kept
    BUSY = "busy"  # come back later
    GARBLED = "garbled"  # what came is not what an API server says
    FAILED = "failed"  # any other answer that is no success


class ClusterError(Exception):
    """Something went wrong with a cluster. `text` says what, to a person; `retry_after` is in seconds."""

    def __init__(self, kind: Trouble, text: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.status = status
        self.retry_after = retry_after


class Status(msgspec.Struct):
    """The API's form of an error, the fields read here."""

    message: str = ""
    reason: str = ""
    code: int = 0


def from_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    server: str,
    resource: Resource | None = None,
    namespace: str = "",
) -> ClusterError:
    """What an answer that is no success means. `resource` is what was asked for."""
    try:
        message = msgspec.json.decode(body, type=Status).message
    except msgspec.DecodeError:
        failing = _FAILED_CHECK.findall(body)
        message = f"these checks fail: {', '.join(map(bytes.decode, failing))}." if failing else ""
    waits = retry_after(headers.get("Retry-After", ""))
    return from_status(
        Status(message, "", status), server=server, resource=resource, namespace=namespace, waits=waits
    )


def from_status(
    status: Status,
    *,
    server: str,
    resource: Resource | None = None,
    namespace: str = "",
    waits: float = 0.0,
) -> ClusterError:
    """What a Status means, whether it came as an answer or as a line of a watch."""
    code, said = status.code, _excerpt(status.message)
    kind = {401: Trouble.UNAUTHORIZED, 404: Trouble.NOT_FOUND, 410: Trouble.GONE, 429: Trouble.BUSY}.get(code)
    text = f"{server} answered {code}" + (f": {said}" if said else ".")
    if code == 401 or (code == 403 and f'"{_ANONYMOUS}"' in status.message):
        kind = Trouble.UNAUTHORIZED
        text = (
            f"{server} does not accept the credentials of this cluster ({code}):"
            " the token or certificate is missing, wrong or out of date."
        )
    elif code == 403:
        kind = Trouble.FORBIDDEN
        text = missing_right(resource, namespace, status.message) if resource else text
    elif code == 404 and resource:
        group = f"{resource.group}/{resource.version}" if resource.group else resource.version
        text = f"{server} does not know {resource.plural} ({group}){_NOT_INSTALLED}"
    elif 300 <= code < 400:
        text = f"{server} answered {code}, which an API server does not do. Is the address right?"
    return ClusterError(kind or Trouble.FAILED, text, status=code, retry_after=waits)


def missing_right(resource: Resource, namespace: str, message: str, verbs: str = "") -> str:
    """Which right is missing and the commands that grant it, from what the API server said about it."""
    match = _USER.search(message)
    user = match.group(1) if match else ""
    # A part of an object, such as its log, can be read and nothing else.
    verbs = verbs or ("get" if "/" in resource.plural else "get,list,watch")
    *first, last = verbs.split(",")
    words = f"{', '.join(first)} and {last}" if first else last
    who = f"{user} has" if user else "The account has"
    where = f" in the namespace {namespace}" if namespace else ""
    commands = _THEN.join(grant(resource, verbs, user, namespace))
    return f"{who} no right to {words} {qualified(resource)}{where}.{_TO_GRANT}{commands}"


def grants_in(text: str) -> tuple[str, list[str]]:
    """What a problem's text says, and apart from that the commands that grant the right which it misses.

    One that misses several rights is left whole.
    """
    words, _, commands = text.partition(_TO_GRANT)
    if not commands or _TO_GRANT in commands:
        return text, []
    return words, commands.split(_THEN)


def is_absence(text: str) -> bool:
    """Whether a problem's text says no more than that something is not installed in the cluster."""
    return text.endswith(_NOT_INSTALLED)


def from_exception(error: Exception, *, server: str, waited: float = 0.0) -> ClusterError:
    """What an exception of urllib3 or the system means. `waited`: seconds after which a read gave up."""
    if isinstance(error, exceptions.ProxyError):
        return ClusterError(Trouble.UNREACHABLE, f"{server} cannot be reached through the proxy that is set.")
    tls = _cause(error, ssl.SSLError)
    if isinstance(tls, ssl.SSLCertVerificationError):
        text = f"The certificate of {server} is not trusted: {tls.verify_message.rstrip('.')}."
    elif isinstance(tls, ssl.SSLError):
        reason = (tls.reason or "the handshake failed").replace("_", " ").lower()
        text = f"No secure connection to {server}: {reason}."
    elif isinstance(error, exceptions.NameResolutionError) or _cause(error, socket.gaierror):
        text = f"The name of {server} is not known: it cannot be resolved."
    elif _cause(error, ConnectionRefusedError):
        text = f"Nothing listens at {server}: the connection was refused."
    elif isinstance(error, exceptions.NewConnectionError):  # before its base, a time-out
        cause = _cause(error, OSError)
        text = f"No connection to {server}: {(cause and cause.strerror) or 'it failed'}."
    elif isinstance(error, exceptions.ConnectTimeoutError):
        text = f"{server} does not answer: no connection within the time allowed."
    elif isinstance(error, exceptions.ReadTimeoutError | TimeoutError):
        text = f"{server} has been silent for {waited:g} s."
    else:
        text = f"The connection to {server} broke."
    return ClusterError(Trouble.UNREACHABLE, text)


def retry_after(value: str) -> float:
    """Seconds to wait by a Retry-After header in either form (RFC 9110 §10.2.3); at most five minutes."""
    value = value.strip()
    if value.isdecimal():
        return min(float(value), _LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def _excerpt(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"


def _cause(error: BaseException, kind: type[E]) -> E | None:
    """The exception of that kind which an exception is, wraps or was raised for; None if there is none."""
    todo, seen = [error], {id(error)}
    while todo:
        at = todo.pop()
        if isinstance(at, kind):
            return at
        for inner in (*at.args, at.__cause__, at.__context__):
            if isinstance(inner, BaseException) and id(inner) not in seen:
                seen.add(id(inner))
                todo.append(inner)
    return None
