"""A sign of life for whoever supervises a process: a file whose time of change keeps up with the clock.

For processes that answer no requests. Reading the file's age costs a supervisor nothing, where asking the
process through the broker would cost an interpreter's start and fail with the broker, which is no fault of
the process.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "KUBEGRAF_HEARTBEAT_FILE"
INTERVAL = 5.0
"""Seconds between two beats."""


def file() -> Path | None:
    """The file to touch; None where nobody asked for one."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def beat() -> None:
    """Show that the caller goes round. Raises OSError if the file cannot be written."""
    path = file()
    if path:
        path.touch()
