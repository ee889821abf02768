"""Connections to PostgreSQL that the threads of a process take turns with.

A server allows a hundred by default, for all processes together, and to open one takes longer than what is
mostly asked. What has not been used for a minute is closed.
"""

from __future__ import annotations

from django.db import close_old_connections, connections

_IDLE = 60.0
"""Seconds after which a connection that nobody uses is closed."""
_TRY_AGAIN = 1.0
"""Seconds, at most, between two tries to reach a server that is away."""


def share(at_most: int, patience: float) -> None:
    """Has the threads of this process share so many connections; to be called before other threads start.

    Who finds none free waits for `patience` seconds, and then it is an OperationalError, as when the server
    is away. On SQLite, a file, nothing is shared.
    """
    database = connections.settings["default"]
    if database["ENGINE"] != "django.db.backends.postgresql":
        return
    connections.close_all()  # what is open was not opened for sharing
    database["CONN_MAX_AGE"] = 0
    database["OPTIONS"]["pool"] = {
        "min_size": 0,
        "max_size": at_most,
        "max_idle": _IDLE,
        "timeout": patience,
        "reconnect_timeout": _TRY_AGAIN,
    }


def give_back() -> None:
    """Lets other threads have this one's connection, where they are shared; not within a transaction."""
    close_old_connections()
