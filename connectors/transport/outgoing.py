"""What a request must be like to leave this house, whoever asked for it. Pure but for the settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from connectors.conversation import Request
from connectors.errors import Reason, SendError

# What describes the transmission itself is ours to set: with these a request could be made to look, to the
# receiver, like two, or like one for somebody else.
_RESERVED = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect")
)
_REMEMBERED = 64  # headers, and combinations of them, in one run
# RFC 9110, sections 5.6.2 and 5.5
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@sensitive_variables()
def fit_to_send(request: Request) -> Request:
    """The request with the headers that all have. Raises SendError if it must not leave at all."""
    _inspect_address(request.url)
    headers = _added_to(request.headers)
    for name, value in request.headers.items():
        headers[name] = _proper(name, value)
    return Request(request.method, request.url, headers, request.body)


class Inspection:
    """The same for all that is to leave in one run. What was found fit once is not looked at again."""

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        # By the names of a request's own headers: the lines of those that are sent beside them.
        self._added: dict[tuple[str, ...], list[bytes]] = {}
        self._lines: dict[tuple[str, str], bytes] = {}

    def header_lines(self, request: Request) -> list[bytes]:
        """What `fit_to_send` makes of the headers, written as libcurl takes them. Raises SendError, too."""
        if request.url not in self._addresses:
            _inspect_address(request.url)
            self._addresses.add(request.url)
        names = tuple(request.headers)
        added = self._added.get(names)
        if added is None:
            added = [_line(name, value) for name, value in _added_to(names).items()]
            if len(self._added) < _REMEMBERED:
                self._added[names] = added
        return added + [self._lines.get(item) or self._line(item) for item in request.headers.items()]

    def _line(self, item: tuple[str, str]) -> bytes:
        line = _line(*item)
        if len(self._lines) < _REMEMBERED:
            self._lines[item] = line
        return line


@sensitive_variables()
def refusal_of_plain_http(url: str) -> str:
    """Why nothing is sent to an address without encryption; "" where it may be, or the address has some."""
    address = urlsplit(url)
    if address.scheme != "http" or settings.ALLOW_HTTP:
        return ""
    return (
        f"{address.hostname} would be sent everything in the clear. Use https, or set"
        " KUBEGRAF_ALLOW_HTTP=1 where the network can be trusted."
    )


@sensitive_variables()
def _inspect_address(url: str) -> None:
    try:
        address = urlsplit(url)
        credentials = address.username is not None or address.password is not None
    except ValueError:
        raise unreadable_address() from None
    if address.scheme not in ("https", "http"):
        raise SendError(Reason.BLOCKED, "Only https addresses are called.")
    if not address.hostname:
        raise _misconfigured("The address has no host name.")
    if refusal := refusal_of_plain_http(url):
        raise SendError(Reason.BLOCKED, refusal)
    if credentials:
        raise _misconfigured("The address has a user name or password in it; put them into a header.")


@sensitive_variables()
def _added_to(names: Iterable[str]) -> dict[str, str]:
    """What is sent beside headers of these names. Raises SendError if one must not be sent."""
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise _misconfigured("A header's name has characters that are not allowed in one.")
        if name.lower() in _RESERVED:
            raise _misconfigured(f"The header {name} cannot be set.")
    own = {name.lower() for name in names}
    return {name: value for name, value in _every_request().items() if name.lower() not in own}


@sensitive_variables()
def _proper(name: str, value: str) -> str:
    """A header's value without the space around it. Raises SendError if it must not be sent."""
    if not _VALUE.fullmatch(value):
        raise _misconfigured(
            f"The header {name} has a line break or a character in it that HTTP cannot carry."
        )
    return value.strip()


def _line(name: str, value: str) -> bytes:
    value = _proper(name, value)
    # To libcurl a colon with nothing after it means that the header is not sent.
    return (f"{name}: {value}" if value else f"{name};").encode("latin-1")


def unreadable_address() -> SendError:
    """The verdict on an address that is none."""
    return _misconfigured("The address cannot be read: is the host name right?")


def _misconfigured(text: str) -> SendError:
    return SendError(Reason.MISCONFIGURED, text, disable=True)


@cache
def _every_request() -> dict[str, str]:
    project = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())["project"]
    # Unpacked, a small answer may be a very large one; so we ask for it as it is.
    return {"User-Agent": f"KubeGraf/{project['version']}", "Accept-Encoding": "identity", "Accept": "*/*"}
