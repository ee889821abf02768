"""What a request must be like to leave this house, whoever asked for it. Pure but for the settings."""

from __future__ import annotations

import re
import tomllib
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
# RFC 9110, sections 5.6.2 and 5.5
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@sensitive_variables()
def fit_to_send(request: Request) -> Request:
    """The request with the headers that all have. Raises SendError if it must not leave at all."""
    try:
        address = urlsplit(request.url)
        credentials = address.username is not None or address.password is not None
    except ValueError:
        raise unreadable_address() from None
    if address.scheme not in ("https", "http"):
        raise SendError(Reason.BLOCKED, "Only https addresses are called.")
    if not address.hostname:
        raise _misconfigured("The address has no host name.")
    if address.scheme == "http" and not settings.ALLOW_HTTP:
        raise SendError(
            Reason.BLOCKED,
            f"{address.hostname} would be sent everything in the clear. Use https, or set"
            " KUBEGRAF_ALLOW_HTTP=1 where the network can be trusted.",
        )
    if credentials:
        raise _misconfigured("The address has a user name or password in it; put them into a header.")
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name):
            raise _misconfigured("A header's name has characters that are not allowed in one.")
        if name.lower() in _RESERVED:
            raise _misconfigured(f"The header {name} cannot be set.")
        if not _VALUE.fullmatch(value):
            raise _misconfigured(
                f"The header {name} has a line break or a character in it that HTTP cannot carry."
            )
    given = {name.lower() for name in request.headers}
    headers = {name: value for name, value in _every_request().items() if name.lower() not in given}
    headers |= {name: value.strip() for name, value in request.headers.items()}
    return Request(request.method, request.url, headers, request.body)


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
