"""Leads conversations over libcurl: hundreds of exchanges at once in the thread that asks for them.

What is not HTTP, and the look-up of names, is left to a few threads beside it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from connectors.conversation import Call, Conversation, Request, Response
from connectors.errors import SendError
from connectors.secrets import Redactor
from connectors.transport import curl_loop, egress, requests_driver, threads
from connectors.transport.bounds import GATHER_SECONDS, Bounds
from connectors.transport.curl_exchange import Exchange, Target, target_of
from connectors.transport.dialogue import Dialogue, Result, internal_error
from connectors.transport.outgoing import Inspection
from connectors.transport.transcript import Scribe

K = TypeVar("K")

_HELPERS = 16
"""Threads, at most, for calls and look-ups of one run."""


def drive(
    conversations: Mapping[K, Conversation], redactor: Redactor, bounds: Bounds
) -> Iterator[list[tuple[K, Result]]]:
    """As `connectors.transport.drive.drive`. Given up half-way, it cuts off what is under way."""
    with curl_loop.borrowed() as loop:
        run = _Run(loop, conversations, redactor, bounds)
        try:
            yield from run.results()
        finally:
            run.close()


class _Run(Generic[K]):
    """One call of `drive`."""

    def __init__(
        self,
        loop: curl_loop.Loop,
        conversations: Mapping[K, Conversation],
        redactor: Redactor,
        bounds: Bounds,
    ) -> None:
        self._loop = loop
        self._waiting = iter(conversations.items())
        self._redactor = redactor
        self._scribe = Scribe(redactor)
        self._bounds = bounds
        self._missing = len(conversations)
        self._under_way = 0
        self._ended: list[tuple[K, Result]] = []
        # Steps whose outcome has come in, from whichever thread.
        self._outcomes: deque[tuple[K, Dialogue, Response | SendError]] = deque()
        self._helpers: ThreadPoolExecutor | None = None
        self._inspection = Inspection()
        self._targets: dict[str, Target] = {}
        # By host and port: all addresses of a name, which is looked up once in a run.
        self._addresses: dict[tuple[str, int], Future[list[str]]] = {}

    def results(self) -> Iterator[list[tuple[K, Result]]]:
        """The results, as they come in."""
        hand_on_at = 0.0
        while self._missing:
            self._begin()
            self._continue()
            now = time.monotonic()
            if self._ended:
                hand_on_at = hand_on_at or now + GATHER_SECONDS
                if now >= hand_on_at or len(self._ended) == self._missing:
                    together, self._ended, hand_on_at = self._ended, [], 0.0
                    self._missing -= len(together)
                    yield together
                    continue
            if not self._outcomes and self._under_way:
                self._loop.turn(hand_on_at - now if hand_on_at else None)

    def close(self) -> None:
        """Cuts off what is under way; nothing more is begun."""
        self._loop.abandon()
        if self._helpers is not None:
            self._helpers.shutdown(cancel_futures=True)

    def _begin(self) -> None:
        for key, conversation in islice(self._waiting, self._bounds.concurrency - self._under_way):
            self._under_way += 1
            dialogue = Dialogue(conversation, self._scribe, time.monotonic() + self._bounds.total)
            self._perform(key, dialogue, dialogue.begin())

    def _continue(self) -> None:
        while self._outcomes:
            key, dialogue, outcome = self._outcomes.popleft()
            self._perform(key, dialogue, dialogue.answer(outcome))

    def _perform(self, key: K, dialogue: Dialogue, asked: Request | Call | None) -> None:
        """Starts what a dialogue asks for."""
        if asked is None:
            self._under_way -= 1
            self._ended.append((key, dialogue.outcome))
            return
        now = time.monotonic()
        at = min(now + self._bounds.timeout, dialogue.ends_at)
        take = partial(self._take, key, dialogue)
        try:
            if isinstance(asked, Request):
                self._send(self._inspection.fit_to_send(asked), now, at, take)
            else:
                call = self._helper().submit(
                    threads.perform, asked, at, requests_driver.exchange, self._redactor
                )
                call.add_done_callback(lambda done: take(done.result()))
        except SendError as error:
            take(error)
        except Exception as error:  # noqa: BLE001 - whatever happens must end on record
            take(internal_error(error, self._redactor))

    def _send(self, request: Request, now: float, at: float, take: Any) -> None:
        target = self._targets.get(request.url)
        if target is None:
            target = self._targets[request.url] = target_of(request.url)
        exchange = Exchange(request, target, now, at, take)
        if target.is_address:
            self._loop.start(exchange)
            return
        found = self._look_up(target, at - now)
        if not found.done():
            found.add_done_callback(lambda _: self._loop.call_soon(lambda: self._send_to(exchange, found)))
            return
        self._send_to(exchange, found)

    def _send_to(self, exchange: Exchange, found: Future[list[str]]) -> None:
        try:
            exchange.addresses = found.result()
        except SendError as error:
            exchange.take(error)
        except Exception as error:  # noqa: BLE001 - as above
            exchange.take(internal_error(error, self._redactor))
        else:
            self._loop.start(exchange)

    def _look_up(self, target: Target, seconds: float) -> Future[list[str]]:
        where = (target.host, target.port)
        found = self._addresses.get(where)
        if found is None or (found.done() and found.exception() is not None):
            found = self._helper().submit(egress.resolve, target.host, target.port, seconds)
            self._addresses[where] = found
        return found

    def _take(self, key: K, dialogue: Dialogue, outcome: Response | SendError) -> None:
        self._outcomes.append((key, dialogue, outcome))
        self._loop.wake()

    def _helper(self) -> ThreadPoolExecutor:
        if self._helpers is None:
            threads_at_most = min(self._bounds.concurrency, _HELPERS)
            self._helpers = ThreadPoolExecutor(threads_at_most, thread_name_prefix="beside curl")
        return self._helpers
