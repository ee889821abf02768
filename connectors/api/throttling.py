"""How often one caller may call. Counted in Django's cache, so that processes share it where they share that.

A count belongs to a token, else to a person; those who did not sign in are counted by their address, and only
their refusals are limited, so that nobody can shut out the others behind one address. Where the cache is
away, everybody is let in: what is watched matters more than who asks too often.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.cache import cache
from django.db.models import Model
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from connectors.api.rates import rate

if TYPE_CHECKING:  # whose class names its throttles, so that it cannot be imported first
    from rest_framework.views import APIView

QUIET = 10.0
"""Seconds for which a cache that failed is not asked again."""

log = logging.getLogger(__name__)


class Throttle(BaseThrottle):
    """So many calls in each minute (or what the rate says), by the clock.

    A view's `ingest` names the actions that have the rate of ingest, which is counted apart.
    """

    _asked_again_at: ClassVar[float] = 0.0
    _wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Counts the call, and says whether it is one of those that are allowed."""
        ingest = getattr(view, "action", None) in getattr(view, "ingest", ())
        scope, limit = ("ingest", settings.INGEST_RATE) if ingest else ("api", settings.API_RATE)
        return self._count(scope, limit, _caller(request))

    def refuse(self, request: Request) -> bool:
        """Counts a call of somebody who is not signed in, and says whether there were too many of them."""
        address = str(request.META.get("REMOTE_ADDR", ""))
        return not self._count("anonymous", settings.API_RATE, address)

    def wait(self) -> float | None:
        """Seconds until calls are allowed again."""
        return self._wait

    def _count(self, scope: str, limit: str, caller: str) -> bool:
        allowed = rate(limit)
        if allowed is None or time.monotonic() < Throttle._asked_again_at:
            return True
        number, seconds = allowed
        now = time.time()
        window = int(now // seconds)
        self._wait = (window + 1) * seconds - now
        try:
            return _counted(f"rate:{scope}:{caller}:{window}", 2 * seconds) <= number
        except (RedisError, OSError) as error:
            Throttle._asked_again_at = time.monotonic() + QUIET
            # The address of a cache can hold its password, and some errors repeat it.
            log.warning("Calls of the API are not limited: the cache is away (%s).", type(error).__name__)
            return True


def _caller(request: Request) -> str:
    """Who calls, as it may stand in a key: of a token the hash alone."""
    if isinstance(request.auth, Model):
        return hashlib.sha256(f"{request.auth._meta.label}:{request.auth.pk}".encode()).hexdigest()
    return f"user:{request.user.pk}"


def _counted(key: str, timeout: int) -> int:
    """How many there are with this one."""
    try:
        return cache.incr(key)
    except ValueError:  # the first, unless another process was just as quick
        return 1 if cache.add(key, 1, timeout) else cache.incr(key)
