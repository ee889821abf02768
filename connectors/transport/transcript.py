"""What of an exchange is put on record: enough to see what went wrong, and no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from connectors.conversation import Call, Request, Response
from connectors.errors import SendError
from connectors.message import JSONDict
from connectors.secrets import MASK, Redactor
from connectors.text import clean

REQUEST_BODY = 2048
"""Characters of a request's body that are kept."""
RESPONSE_BODY = 1024
"""Characters of a response's body that are kept."""
_CONSIDERED = 64 * 1024  # bytes of a body that are looked at at all
_HEADERS = 30
_HEADER = 256

# Headers whose value is a secret, or as good as one, whoever they are sent to or come from.
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|key|signature|password|credential", re.IGNORECASE)


def exchange_record(
    step: Request | Call, answer: Response | SendError, seconds: float, redactor: Redactor
) -> JSONDict:
    """One exchange as JSON: `request`, then `response` or `error`, and `duration_ms`.

    The request has `method`, `url`, `headers` and `body`; the response `status`, `headers`, `body` and, where
    it was longer than what is read, `truncated`; the error `reason` and `text`.
    """
    record: JSONDict = {"request": _request(step, redactor), "duration_ms": round(seconds * 1000)}
    if isinstance(answer, Response):
        record["response"] = _response(answer, redactor)
    else:
        record["error"] = {"reason": answer.reason.value, "text": presentable(answer.text, redactor)}
    return record


def presentable(text: str, redactor: Redactor, limit: int = 2000) -> str:
    """`text` without secrets and without what no database or page takes, cut at `limit` characters."""
    # Blanked before it is cut: half a secret would not be recognised.
    text = redactor.blank(clean(text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _request(step: Request | Call, redactor: Redactor) -> JSONDict:
    if isinstance(step, Call):
        return {"method": type(step).__name__, "url": step.host}
    record: JSONDict = {
        "method": step.method,
        "url": _url(step.url, redactor),
        "headers": _headers(step.headers, redactor),
    }
    if step.body:
        record["body"] = presentable(step.body[:_CONSIDERED].decode(errors="replace"), redactor, REQUEST_BODY)
    return record


def _response(response: Response, redactor: Redactor) -> JSONDict:
    record: JSONDict = {
        "status": response.status,
        "headers": _headers(response.headers, redactor),
        "body": presentable(response.text, redactor, RESPONSE_BODY),
    }
    if response.truncated:
        record["truncated"] = True
    return record


def _url(url: str, redactor: Redactor) -> str:
    """The address with its secrets blanked; of a query only that there is one."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return ""
    host = parts.hostname or ""
    origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
    shown = presentable(f"{origin}{parts.path}", redactor)
    path = shown.removeprefix(origin) if shown.startswith(origin) else f"/{MASK}"
    return origin + path + (f"?{MASK}" if parts.query else "")


def _headers(headers: Mapping[str, str], redactor: Redactor) -> dict[str, str]:
    return {
        presentable(name, redactor, _HEADER): (
            MASK if _SECRET_HEADER.search(name) else presentable(str(value), redactor, _HEADER)
        )
        for name, value in list(headers.items())[:_HEADERS]
    }
