"""Leads conversations over libcurl: hundreds of exchanges at once in the thread that asks for them.

What is not HTTP, and the look-up of names, is left to a few threads beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeAlias, TypeVar

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
_Led: TypeAlias = tuple[K, Dialogue]

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
            now = time.monotonic()
            if self._ended:
                hand_on_at = hand_on_at or now + GATHER_SECONDS
                if now >= hand_on_at or len(self._ended) == self._missing:
                    together, self._ended, hand_on_at = self._ended, [], 0.0
                    self._missing -= len(together)
                    yield together
                    continue
            if self._under_way:
                for exchange, outcome in self._loop.turn(hand_on_at - now if hand_on_at else None):
                    self._take(exchange.whose, outcome)

    def close(self) -> None:
        """Cuts off what is under way; nothing more is begun."""
        self._loop.abandon()
        if self._helpers is not None:
            self._helpers.shutdown(cancel_futures=True)

    def _begin(self) -> None:
        for key, conversation in islice(self._waiting, self._bounds.concurrency - self._under_way):
            self._under_way += 1
            dialogue = Dialogue(conversation, self._scribe, time.monotonic() + self._bounds.total)
            self._go_on((key, dialogue), dialogue.begin())

    def _take(self, led: _Led[K], outcome: Response | SendError) -> None:
        self._go_on(led, led[1].answer(outcome))

    def _go_on(self, led: _Led[K], asked: Request | Call | None) -> None:
        """Starts what a dialogue asks for, or ends with it."""
        key, dialogue = led
        while asked is not None:
            try:
                self._start(led, asked)
                return
            except SendError as error:
                outcome = error
            except Exception as error:  # noqa: BLE001 - whatever happens must end on record
                outcome = internal_error(error, self._redactor)
            asked = dialogue.answer(outcome)
        self._under_way -= 1
        self._ended.append((key, dialogue.outcome))

    def _start(self, led: _Led[K], asked: Request | Call) -> None:
        now = time.monotonic()
        at = min(now + self._bounds.timeout, led[1].ends_at)
        if not isinstance(asked, Request):
            call = self._helper().submit(threads.perform, asked, at, requests_driver.exchange, self._redactor)
            call.add_done_callback(lambda done: self._loop.call_soon(lambda: self._take(led, done.result())))
            return
        header_lines = self._inspection.header_lines(asked)
        target = self._targets.get(asked.url)
        if target is None:
            target = self._targets[asked.url] = target_of(asked.url)
        exchange = Exchange(asked, header_lines, target, now, at, led)
        if not target.is_address:
            found = self._look_up(target, at - now)
            if not found.done():
                found.add_done_callback(
                    lambda found: self._loop.call_soon(lambda: self._start_at(exchange, found))
                )
                return
            exchange.addresses = found.result()
        self._loop.start(exchange)

    def _start_at(self, exchange: Exchange, found: Future[list[str]]) -> None:
        try:
            exchange.addresses = found.result()
        except SendError as error:
            self._take(exchange.whose, error)
        except Exception as error:  # noqa: BLE001 - as above
            self._take(exchange.whose, internal_error(error, self._redactor))
        else:
            self._loop.start(exchange)

    def _look_up(self, target: Target, seconds: float) -> Future[list[str]]:
        where = (target.host, target.port)
        found = self._addresses.get(where)
        if found is None or (found.done() and found.exception() is not None):
            found = self._helper().submit(egress.resolve, target.host, target.port, seconds)
            self._addresses[where] = found
        return found

    def _helper(self) -> ThreadPoolExecutor:
        if self._helpers is None:
            threads_at_most = min(self._bounds.concurrency, _HELPERS)
            self._helpers = ThreadPoolExecutor(threads_at_most, thread_name_prefix="beside curl")
        return self._helpers
