"""How log lines look: for people, or as one JSON object each for whatever collects them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from connectors.secrets import Redactor

FORMATS = ("line", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

# What every record has; anything else was given by whoever logged, as `extra`.
_OWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "color_message", "taskName"))
# What a line has of its own; no `extra` stands in for that.
_LINE = ("time", "level", "logger", "message")
_TAKEN = _OWN.union(_LINE)


def without_origins() -> None:
    """Has log records of this process not say by which line of code, thread and process they were made.

    No format shows it, and to find it out takes as long as to write the line
    (https://docs.python.org/3/howto/logging.html#optimization).
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def chosen(name: str) -> str:
    """The format of that name. Raises ImproperlyConfigured, with the names there are."""
    if name not in FORMATS:
        raise ImproperlyConfigured(f"KUBEGRAF_LOG_FORMAT is {name!r}; it can be {' or '.join(FORMATS)}.")
    return name


def level(name: str) -> str:
    """The level of that name, in small letters, too. Raises ImproperlyConfigured with the names there are."""
    if name.upper() not in LEVELS:
        raise ImproperlyConfigured(f"KUBEGRAF_LOG_LEVEL is {name!r}; it can be {', '.join(LEVELS)}.")
    return name.upper()


class _Formatter(logging.Formatter):
    """Puts a second into words once: lines come many to a second."""

    _last = 0, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """When the record was made: 2025-01-15 10:30:00,000 in local time."""
        return f"{self._words(int(record.created))},{int(record.msecs):03}"

    def _words(self, second: int) -> str:
        last, words = self._last
        if second != last:
            words = self._put(second)
            self._last = second, words
        return words

    def _put(self, second: int) -> str:
        return f"{datetime.fromtimestamp(second):%Y-%m-%d %H:%M:%S}"  # noqa: DTZ006 - for who sits beside it


class LineFormatter(_Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class JSONFormatter(_Formatter):
    """One object a line: `time` (RFC 3339, UTC), `level`, `logger`, `message`, and what came as `extra`.

    An exception's traceback is in `exception`. `connectors.secrets.RedactingFilter` has hidden secrets in
    message and traceback before; in what came as `extra` they are hidden here. Of that, only plain values
    are taken: some libraries put whole requests there.
    """

    _redactor = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        own = (self.formatTime(record), record.levelname, record.name, record.getMessage())
        line: dict[str, Any] = dict(zip(_LINE, own, strict=True))
        for name, value in vars(record).items():
            if name not in _TAKEN and (plain := self._plain(value)) is not None:
                line[name] = plain
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        # ASCII, so that no lone surrogate from elsewhere can break the stream.
        return json.dumps(line)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """When the record was made: 2025-01-15T10:30:00.000Z."""
        return f"{self._words(int(record.created))}.{int(record.msecs):03}Z"

    def _put(self, second: int) -> str:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"

    def _plain(self, value: object) -> str | int | float | bool | None:
        if type(value) is UUID:
            return str(value)
        if isinstance(value, (str, date)):
            return self._redactor.blank(str(value))
        return value if isinstance(value, (bool, int, float)) else None
