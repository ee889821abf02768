"""What a test message does before it is said: it asks the service whether this can work."""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.conversation import Conversation, Dispatch
from connectors.message import Status
from connectors.provider import Config, Provider


def conversation(provider: Provider[Any], config: Config, dispatch: Dispatch) -> Conversation:
    """How the provider says this message.

    A test begins with the provider's check, so that what is wrong is said before anything is posted; what the
    check found stands in the receipt's note.
    """
    if dispatch.message.test and dispatch.message.status is not Status.RESOLVED:
        return _rehearse(provider, config, dispatch)
    return provider.send(config, dispatch)


def _rehearse(provider: Provider[Any], config: Config, dispatch: Dispatch) -> Conversation:
    check = provider.check(config)
    found = "" if check is None else (yield from check).note
    receipt = yield from provider.send(config, dispatch)
    return msgspec.structs.replace(receipt, note=" ".join(filter(None, (found, receipt.note))))
