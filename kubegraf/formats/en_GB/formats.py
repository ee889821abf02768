"""25 Nov 2026, 20:09:09 UTC. Everything is shown in UTC, as in the messages and in the logs."""

from __future__ import annotations

DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = r"j M Y, H:i:s \U\T\C"
