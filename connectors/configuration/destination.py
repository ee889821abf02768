"""Keeps a stored secret from being sent to a new address by someone who could not read it.

Whoever may change a connector, but not see its secrets, could otherwise point a webhook at a server of
their own and read the secrets from what arrives. So with a new address the secrets that would go there must
be entered again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from connectors.conversation import Dispatch, Request
from connectors.errors import SendError
from connectors.message import Message, Severity
from connectors.provider import Config, Provider

_ANY_MESSAGE = Message(
    id="0",
    key="0",
    event_type="none",
    title="none",
    severity=Severity.INFO,
    timestamp=datetime(2025, 1, 1, tzinfo=UTC),
)


def origin(provider: Provider[Any], config: Config) -> str:
    """Where a delivery would go first: scheme, host and port, or the host of what is not HTTP.

    Empty where that cannot be told from the configuration alone, because the address is a reference.
    The provider itself is asked, by beginning a conversation that is never sent.
    """
    conversation = provider.send(config, Dispatch("0", _ANY_MESSAGE))
    try:
        first = next(conversation)
    except (SendError, StopIteration):
        return ""
    finally:
        conversation.close()
    if isinstance(first, Request):
        parts = urlsplit(first.url)
        return f"{parts.scheme}://{parts.netloc}"
    return first.host


def secrets_to_repeat(
    provider: Provider[Any], before: Config | None, after: Config, kept: Collection[str]
) -> dict[str, str]:
    """Of the secrets `kept` as they were stored, those that must be entered again, and why, in words.

    Empty where the address stays the same. `before` is None where there was no configuration that worked.
    """
    if not kept:
        return {}
    old, new = origin(provider, before) if before else "", origin(provider, after)
    if old == new:
        return {}
    reason = (
        f"Enter this again: messages would go to {new or 'another address'} instead of"
        f" {old or 'the address before'}, and a stored secret is not sent to a new address."
    )
    return dict.fromkeys(kept, reason)
