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

# What every record has; anything else was given by whoever logged, as `extra`.
_OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message", "taskName"}


def chosen(name: str) -> str:
    """The format of that name. Raises ImproperlyConfigured, with the names there are."""
    if name not in FORMATS:
        raise ImproperlyConfigured(f"KUBEGRAF_LOG_FORMAT is {name!r}; it can be {' or '.join(FORMATS)}.")
    return name


class JSONFormatter(logging.Formatter):
    """One object a line: `time` (RFC 3339, UTC), `level`, `logger`, `message`, and what came as `extra`.

    An exception's traceback is in `exception`. `connectors.secrets.RedactingFilter` has hidden secrets in
    message and traceback before; in what came as `extra` they are hidden here. Of that, only plain values
    are taken: some libraries put whole requests there.
    """

    _redactor = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _OWN and name not in line and (plain := self._plain(value)) is not None:
                line[name] = plain
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        # ASCII, so that no lone surrogate from elsewhere can break the stream.
        return json.dumps(line)

    def _plain(self, value: object) -> str | int | float | bool | None:
        if isinstance(value, bool | int | float):
            return value
        if isinstance(value, str | UUID | date):
            return self._redactor.blank(str(value))
        return None
