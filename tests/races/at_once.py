"""Doing something at the very moment at which something else waits, without sleeping and hoping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest
from django.db import connection

from tests.waiting import PATIENCE, until

T = TypeVar("T")


class Meanwhile(Generic[T]):
    """Work in a thread, and so in a transaction, of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._ended: list[T] = []
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._ended.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where its result is asked for
            self._failed.append(error)
        finally:
            connection.close()

    @property
    def over(self) -> bool:
        """Whether it has ended, well or badly."""
        return not self._thread.is_alive()

    def result(self) -> T:
        """What came of it. Raises what it raised."""
        self._thread.join(PATIENCE)
        assert self.over, "it has not ended"
        if self._failed:
            raise self._failed[0]
        return self._ended[0]


def waiting() -> int:
    """How many others wait for what our transaction has locked."""
    with connection.cursor() as cursor:
        # Not pg_stat_activity, which stays the same throughout a transaction.
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        (count,) = cursor.fetchone()
    return int(count)


def until_it_waits(other: Meanwhile[Any]) -> None:
    """Until that other one waits for us, or has ended without having to."""
    until(lambda: waiting() or other.over, what="that the other one waits")


def interrupt(patch: pytest.MonkeyPatch, place: Any, name: str, work: Callable[[], T]) -> Callable[[], T]:
    """Has `work` begin in the middle of a transaction of ours: before it first calls `place.name`.

    We go on when that work waits for us, or is done. The answer tells what came of it.
    """
    started: list[Meanwhile[T]] = []
    original = getattr(place, name)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if not started:
            started.append(Meanwhile(work))
            until_it_waits(started[0])
        return original(*args, **kwargs)

    patch.setattr(place, name, interrupted)

    def result() -> T:
        assert started, f"{name} was not called"
        return started[0].result()

    return result
