"""A database that is away, or a broker that takes nothing: told in one line, not by every task that meets it.

All that beat asks for looks for what is so now. What a task could not do is found by the next one, seconds
later, so that it is no fault of the task's, and there is nothing in it for anybody to look into.
"""

from __future__ import annotations

import logging
import threading
import time
from math import inf
from typing import Any

import celery
import kombu.exceptions
from django.db import InterfaceError, OperationalError
from redis.exceptions import OutOfMemoryError

logger = logging.getLogger(__name__)

AGAIN = 60.0
"""Seconds after which it is told again that the database is still away."""

# The classes of PostgreSQL's errors that are about itself: connections, resources, shutdown, its disk.
_CLASSES = ("08", "53", "57", "58")
# The same of SQLite, which calls what was asked wrongly by the same name as these otherwise.
_SQLITE = tuple(f"SQLITE_{name}" for name in ("BUSY", "LOCKED", "READONLY", "IOERR", "FULL", "CANTOPEN"))


def is_away(error: BaseException | None) -> bool:
    """Whether the database cannot be had, rather than that it was asked for something wrong."""
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    if name := getattr(error.__cause__, "sqlite_errorname", ""):
        return str(name).startswith(_SQLITE)
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(_CLASSES)


class Outage:
    """Whether the database is away, as far as this process knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told_at: float | None = None

    def met(self, error: BaseException) -> None:
        """Somebody could not work because of it."""
        with self._lock:
            now = time.monotonic()
            ago = inf if self._told_at is None else now - self._told_at
            if ago < AGAIN:
                return
            self._told_at = now
        words = " ".join(str(error).split())
        # Not everybody who meets it tells when it is over.
        logger.error("the database is %s: %s", "still away" if ago < 2 * AGAIN + 1 else "away", words)

    def over(self) -> None:
        """Somebody could work."""
        if self._told_at is None:
            return
        with self._lock:
            was_away, self._told_at = self._told_at is not None, None
        if was_away:
            logger.info("the database is back")


outage = Outage()


class Task(celery.Task):  # type: ignore[type-arg]  # the library's own types are no classes at run time
    """A task that ends quietly where the database is away; what it was to do is found by the next one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it. Whoever calls it himself, rather than a worker, gets the error."""
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        try:
            done = self.run(*args, **kwargs)
        except Exception as error:
            if not is_away(error):
                raise
            outage.met(error)
            return None
        outage.over()
        return done


class NoFault(logging.Filter):
    """Has requests that failed because the database is away told of as tasks are, in place of a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it failed for another reason."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not is_away(error):
            return True
        outage.met(error)
        return False


class Seldom(logging.Filter):
    """Lets one record through in a minute: of a logger that says the same again and again."""

    _last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is the first for a while."""
        if record.created - self._last < AGAIN:
            return False
        self._last = record.created
        return True


class NotTaken(Seldom):
    """Has it told in one line a minute that the broker takes no tasks, in place of tracebacks.

    Beat meets that with every task that it is to send, and a worker every five seconds.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is about something else, or the first for a while; then in these words."""
        why = _refusal(record.exc_info[1] if record.exc_info else None)
        if not why:
            return True
        record.msg, record.args, record.exc_info = _NOT_TAKEN, (why,), None
        return super().filter(record)


_NOT_TAKEN = "the broker takes no tasks (%s): what is to be sent waits until it does"


def _refusal(error: BaseException | None) -> str:
    """Why the broker does not take a task, if that is what it comes from."""
    while error is not None:
        if isinstance(error, OutOfMemoryError):
            return "its memory is full"
        if isinstance(error, kombu.exceptions.OperationalError):
            return str(error)
        error = error.__cause__ or error.__context__
    return ""
