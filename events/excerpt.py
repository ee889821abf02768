"""What of a log, and of a cluster's warnings, goes into a message: little, of any log whatever. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.text import one_line, shorten
from events.cluster.evidence import Warned
from events.masking import mask

LAST_LOGS = "last_logs"
RECENT_WARNINGS = "warnings"
ADDED = (LAST_LOGS, RECENT_WARNINGS)
"""The details that are added to what a detector found; they stay when it finds something else."""

LINES = 20
"""How many lines of a log are shown at most."""

_LONGEST_LINE = 500
_LONGEST_LOG = 4096  # bytes of UTF-8
# Nothing beyond is looked at: masking takes its time, and of a line no more than the beginning is shown.
_LOOKED_AT = 2048
_MOST_WARNINGS = 5
_LONGEST_WARNING = 300


def log_excerpt(text: str) -> str:
    """The end of a log as it is shown: a few lines, masked, none of them long, and 4 KiB at most."""
    lines = [line[:_LOOKED_AT] for line in text.replace("\r", "\n").split("\n") if line.strip()]
    shown: list[str] = []
    left = _LONGEST_LOG
    for line in reversed(mask("\n".join(lines[-LINES:])).split("\n")):
        line = shorten(line.rstrip(), _LONGEST_LINE)
        left -= len(line.encode()) + 1
        if left < 0 or len(shown) == LINES:
            break
        if line:
            shown.append(line)
    return "\n".join(reversed(shown))


def warnings_excerpt(warned: Iterable[Warned]) -> list[str]:
    """Warnings as they are shown, masked: `BackOff: Back-off restarting failed container (x12)`."""
    times: dict[str, int] = {}
    for warning in warned:
        reason, message = one_line(warning.reason), one_line(mask(warning.message))
        text = shorten(f"{reason}: {message}" if message else reason, _LONGEST_WARNING)
        times[text] = times.get(text, 0) + warning.times
    return [
        f"{text} (x{number})" if number > 1 else text for text, number in list(times.items())[:_MOST_WARNINGS]
    ]
