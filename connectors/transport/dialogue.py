"""Leads one conversation from its first request to its result; the I/O is left to a driver around it."""

from __future__ import annotations

import logging
import time
import traceback
from math import isfinite
from typing import Any

import msgspec

from connectors.conversation import Call, Conversation, Receipt, Request, Response
from connectors.errors import Reason, SendError
from connectors.message import JSONDict
from connectors.secrets import Redactor
from connectors.text import clean
from connectors.transport.transcript import Scribe

logger = logging.getLogger(__name__)


class Result(msgspec.Struct, frozen=True):
    """How a conversation ended: with a receipt or with an error, never both; and each exchange, on record.

    No secret is in it.
    """

    receipt: Receipt | None
    error: SendError | None
    exchanges: list[JSONDict] = []

    @property
    def http_status(self) -> int | None:
        """The status of the last answer; None if the last exchange brought none."""
        response = self.exchanges[-1].get("response") if self.exchanges else None
        return response["status"] if response else None


class Dialogue:
    """A conversation under way: what it asks for next, until `result` is there.

    A driver performs what `begin` returns, hands the outcome to `answer`, performs what that returns, and so
    on until it gets None. Whatever the provider's code does, it ends in a result.
    """

    def __init__(self, conversation: Conversation, scribe: Scribe, ends_at: float) -> None:
        """`ends_at`, by time.monotonic(), is when the whole conversation has to be over."""
        self.result: Result | None = None
        self.ends_at = ends_at
        self._conversation = conversation
        self._scribe = scribe
        self._exchanges: list[JSONDict] = []
        self._asked: Request | Call | None = None
        self._asked_at = 0.0

    @property
    def outcome(self) -> Result:
        """The result of a dialogue that has ended."""
        if self.result is None:
            raise RuntimeError("The dialogue has not ended.")
        return self.result

    def begin(self) -> Request | Call | None:
        """The first thing to perform."""
        return self._continue(None)

    def answer(self, answer: Response | SendError) -> Request | Call | None:
        """Takes the outcome of what was asked for; returns the next thing to perform, or None at the end."""
        if self._asked is None:
            raise RuntimeError("Nothing was asked for.")
        took = time.monotonic() - self._asked_at
        self._exchanges.append(self._scribe.exchange(self._asked, answer, took))
        return self._continue(answer)

    def _continue(self, answer: Any) -> Request | Call | None:
        conversation = self._conversation
        try:
            asked: object = (
                conversation.throw(answer) if isinstance(answer, SendError) else conversation.send(answer)
            )
        except StopIteration as end:
            self._end(end.value)
        except SendError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - whatever a provider does must end on record
            self._end(internal_error(error, self._scribe.redactor))
        else:
            if isinstance(asked, (Request, Call)):
                return self._ask(asked)
            self._abandon(Reason.INTERNAL, f"The connector's code asked for a {type(asked).__name__}.")
        return None

    def _ask(self, asked: Request | Call) -> Request | Call | None:
        self._asked, self._asked_at = asked, time.monotonic()
        if self._asked_at < self.ends_at:
            return asked
        self._abandon(Reason.TIMEOUT, f"The exchange with {asked.host} took too long altogether.")
        return None

    def _abandon(self, reason: Reason, text: str) -> None:
        try:
            self._conversation.close()
        except Exception as error:  # noqa: BLE001 - as above
            internal_error(error, self._scribe.redactor)
        self._end(SendError(reason, text, retry=True))

    def _end(self, outcome: object) -> None:
        self._asked = None
        if isinstance(outcome, Receipt):
            self.result = Result(self._storable(outcome), None, self._exchanges)
            return
        if not isinstance(outcome, SendError):
            outcome = SendError(Reason.INTERNAL, "The connector's code ended without a receipt.", retry=True)
        error = SendError(
            outcome.reason,
            self._scribe.presentable(outcome.text),
            retry=outcome.retry,
            retry_after=outcome.retry_after,
            disable=outcome.disable,
        )
        self.result = Result(None, error, self._exchanges)

    def _storable(self, receipt: Receipt) -> Receipt:
        """The receipt as the database takes it: parts of it are the receiver's words."""
        if receipt == _PLAIN:
            return receipt
        return Receipt(
            remote=_cleaned(dict(receipt.remote)),
            url=self._scribe.presentable(receipt.url),
            accepted=receipt.accepted,
            note=self._scribe.presentable(receipt.note),
        )


_PLAIN = Receipt()


def internal_error(error: Exception, redactor: Redactor) -> SendError:
    """Logs a fault of our own, without secrets, and returns what to put on record for it."""
    trace = "".join(traceback.format_exception(error))
    logger.error("A fault of our own while sending:\n%s", redactor.blank(trace))
    return SendError(
        Reason.INTERNAL, f"A fault of our own: {type(error).__name__}. The log says more.", retry=True
    )


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(name)): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return clean(str(value))  # what JSON does not know
