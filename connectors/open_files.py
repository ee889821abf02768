"""How many files and connections this process may have open at a time.

The soft limit is 1024 on most machines, for the sake of programs that use select(2); the hard one, up to
which any process may go by itself, is far above. A watch takes a connection for each kind of object of each
cluster, and a worker up to 128 for each connector it serves.
"""

from __future__ import annotations

import contextlib
import resource

_ENOUGH = 65_536


def allow_many() -> None:
    """Raises the soft limit, as far as the system lets it; one that is higher stays as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(
            ValueError, OSError
        ):  # some systems have limits that getrlimit does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
