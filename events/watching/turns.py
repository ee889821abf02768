"""Turns: how many clusters are taken in at a time, and how many connections to the database that takes.

A process watches any number of clusters, each in threads of its own. One interpreter gains nothing by judging
and writing for all of them at once, and a database server allows a hundred connections for everybody.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from connectors import pool

AT_WORK = 8
"""Clusters whose observations are judged and written at a time."""
CONNECTIONS = AT_WORK + 4
"""To the database, for all clusters together: leases are renewed and heartbeats written besides."""
PATIENCE = 2.0
"""Seconds for which a turn, or a connection, is waited for: less than a stop may take, and a lease lasts."""

_turns = threading.BoundedSemaphore(AT_WORK)


class Crowded(Exception):
    """Others are at work, and none of them has ended for a while."""


@contextmanager
def turn() -> Iterator[None]:
    """A turn among those who judge and write, with a connection for as long. Raises Crowded."""
    if not _turns.acquire(timeout=PATIENCE):
        raise Crowded
    try:
        yield
    finally:
        pool.give_back()
        _turns.release()
