"""Leads conversations in threads, one for each: for clients that can do one exchange at a time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar

from django.views.decorators.debug import sensitive_variables

from connectors.conversation import Call, Conversation, Request, Response
from connectors.errors import Reason, SendError
from connectors.secrets import Redactor
from connectors.transport import egress, failures
from connectors.transport.bounds import GATHER_SECONDS, Bounds
from connectors.transport.deadline import Deadline
from connectors.transport.dialogue import Dialogue, Result, internal_error
from connectors.transport.outgoing import fit_to_send
from connectors.transport.transcript import Scribe

K = TypeVar("K")
Exchange: TypeAlias = Callable[[Request, Deadline], Response]
"""Sends a request and reads the answer before the deadline, which is entered. Raises SendError."""


def drive(
    exchange: Exchange, conversations: Mapping[K, Conversation], redactor: Redactor, bounds: Bounds
) -> Iterator[list[tuple[K, Result]]]:
    """As `connectors.transport.drive.drive`. Given up half-way, it waits for what is under way."""
    threads = ThreadPoolExecutor(min(bounds.concurrency, len(conversations)), thread_name_prefix="sending")
    ended: SimpleQueue[tuple[K, Future[Result]]] = SimpleQueue()
    scribe = Scribe(redactor)
    try:
        for key, conversation in conversations.items():
            future = threads.submit(_lead, exchange, conversation, scribe, bounds)
            future.add_done_callback(lambda done, key=key: ended.put((key, done)))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        missing = len(conversations)
        while missing:
            together = [ended.get(), *_more(ended, missing - 1)]
            missing -= len(together)
            yield [(key, future.result()) for key, future in together]
    finally:
        threads.shutdown(cancel_futures=True)


def _more(ended: SimpleQueue[tuple[K, Future[Result]]], limit: int) -> Iterator[tuple[K, Future[Result]]]:
    """What else ends within a moment from now, `limit` at most."""
    until = time.monotonic() + GATHER_SECONDS
    for _ in range(limit):
        try:
            yield ended.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            return


@sensitive_variables()
def _lead(exchange: Exchange, conversation: Conversation, scribe: Scribe, bounds: Bounds) -> Result:
    dialogue = Dialogue(conversation, scribe, time.monotonic() + bounds.total)
    asked = dialogue.begin()
    while asked is not None:
        at = min(time.monotonic() + bounds.timeout, dialogue.ends_at)
        asked = dialogue.answer(perform(asked, at, exchange, scribe.redactor))
    return dialogue.outcome


@sensitive_variables()
def perform(asked: Request | Call, at: float, exchange: Exchange, redactor: Redactor) -> Response | SendError:
    """Performs one step of a conversation, in this thread, before `at` (of time.monotonic())."""
    try:
        return _perform(asked, at, exchange)
    except SendError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever happens must end on record
        return internal_error(error, redactor)


@sensitive_variables()
def _perform(asked: Request | Call, at: float, exchange: Exchange) -> Response:
    started = time.monotonic()
    with Deadline(at) as deadline:
        try:
            if not isinstance(asked, Request):
                return asked.perform(partial(_connect, deadline), at)
            response = exchange(fit_to_send(asked), deadline)
            # An answer without a length ends with its connection: one that was cut may look whole.
            if not deadline.passed:
                return response
        except Exception as error:
            if not deadline.passed or not _may_come_of_a_cut(error):
                raise
    raise failures.too_late(asked.host, time.monotonic() - started)


def _may_come_of_a_cut(error: Exception) -> bool:
    """Whether an error may be what someone noticed of a connection that was cut at the deadline."""
    return not isinstance(error, SendError) or error.reason in (Reason.NETWORK, Reason.TLS, Reason.INTERNAL)


def _connect(deadline: Deadline, host: str, port: int, seconds: float) -> socket.socket:
    """For calls: a connection that is allowed, and that is cut at the deadline."""
    connection = egress.connect(host, port, min(seconds, deadline.remaining))
    deadline.hold(connection)
    return connection
