"""Leading single conversations, in tests of the driver."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import trustme

from connectors.conversation import Call, Conversation, Receipt, Request
from connectors.errors import SendError
from connectors.transport.drive import Result

Drive: TypeAlias = Callable[..., Iterator[list[tuple[Any, Result]]]]


def once(step: Request | Call) -> Conversation:
    """Asks once; the answer is the receipt's remote, where it redirects to the receipt's note."""
    response = yield step
    return Receipt(
        {"status": response.status, "body": response.text, "truncated": response.truncated},
        note=response.headers.get("location", ""),
    )


def lead(driver: Drive, conversation: Conversation, **options: Any) -> Result:
    """The result of one conversation."""
    [[(_, result)]] = driver({"only": conversation}, **options)
    return result


def lead_to_error(driver: Drive, conversation: Conversation, **options: Any) -> SendError:
    """The error that one conversation ends in; AssertionError if it does not."""
    result = lead(driver, conversation, **options)
    assert result.receipt is None
    assert result.error is not None
    return result.error


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS for a server whose certificate is made out to these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
