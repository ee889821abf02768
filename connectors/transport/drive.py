"""Drives conversations: the only way by which the engine reaches the world outside.

What a provider's conversation asks for is performed under rules that no provider can relax: where we may
connect to, how long it may take, how much is read, what may be sent in the clear, and what is put on record.

Two drivers keep these rules, and differ only in speed. `curl` performs hundreds of exchanges at once in one
thread, `requests` one in each of sixteen threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connectors.conversation import Conversation
from connectors.secrets import Redactor
from connectors.transport import requests_driver, threads
from connectors.transport.bounds import Bounds
from connectors.transport.dialogue import Result

__all__ = ["Result", "capacity", "drive"]

K = TypeVar("K")

AUTOMATIC = ""
CURL = "curl"
REQUESTS = "requests"

_AT_A_TIME = {CURL: 128, REQUESTS: 16}


def drive(
    conversations: Mapping[K, Conversation],
    *,
    redactor: Redactor | None = None,
    concurrency: int | None = None,
    timeout: float = 15.0,
    total: float = 45.0,
) -> Iterator[list[tuple[K, Result]]]:
    """Leads conversations to their ends, `concurrency` at a time (by default `capacity()`).

    Yields the results in lists, each of them what has ended since the last one: no result waits for another
    that takes longer. One exchange takes at most `timeout` seconds, from the look-up of the name to the last
    byte; one conversation `total` seconds. Given up half-way, nothing more is begun.
    """
    if not conversations:
        return
    bounds = Bounds(concurrency or capacity(), timeout, total)
    yield from _driver(_chosen())(conversations, redactor or Redactor(), bounds)


def capacity() -> int:
    """How many conversations are led at a time."""
    return _AT_A_TIME[_chosen()]


def _chosen() -> str:
    """What KUBEGRAF_HTTP_DRIVER says; if nothing, the faster one that there is."""
    chosen: str = settings.HTTP_DRIVER
    if chosen == AUTOMATIC:
        return CURL if _curl_is_there() else REQUESTS
    return chosen


_Driver: TypeAlias = Callable[[Mapping[Any, Conversation], Redactor, Bounds], Iterator[list[Any]]]


@cache
def _driver(name: str) -> _Driver:
    if name == REQUESTS:
        return partial(threads.drive, requests_driver.exchange)
    try:
        from connectors.transport import curl_driver
    except ImportError as error:
        raise ImproperlyConfigured(f"KUBEGRAF_HTTP_DRIVER=curl needs pycurl, which fails: {error}") from error
    return curl_driver.drive


@cache
def _curl_is_there() -> bool:
    try:
        from connectors.transport import curl_driver  # noqa: F401 - whether it can be is the question
    except ImportError:
        return False
    return True
