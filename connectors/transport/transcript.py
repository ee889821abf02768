"""What of an exchange is put on record: enough to see what went wrong, and no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
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
_REMEMBERED = 128  # headers, in one run
_HEADERS = 30
_HEADER = 256

# Headers whose value is a secret, or as good as one, whoever they are sent to or come from.
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|key|signature|password|credential", re.IGNORECASE)


class Scribe:
    """Puts the exchanges of one run on record, and blanks the secrets in what is quoted from them."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        # Addresses, and most headers, are the same from one exchange of a run to the next.
        self._addresses: dict[str, str] = {}
        self._names: dict[str, tuple[str, bool]] = {}
        self._headers: dict[tuple[str, str], tuple[str, str]] = {}
        self._last: Mapping[str, str] | None = None
        self._last_shown: dict[str, str] = {}

    def exchange(self, step: Request | Call, answer: Response | SendError, seconds: float) -> JSONDict:
        """One exchange as JSON: `request`, then `response` or `error`, and `duration_ms`.

        The request has `method`, `url`, `headers` and `body`; the response `status`, `headers`, `body` and,
        where it was longer than what is read, `truncated`; the error `reason` and `text`.
        """
        record: JSONDict = {"request": self._request(step), "duration_ms": round(seconds * 1000)}
        if isinstance(answer, Response):
            record["response"] = self._response(answer)
        else:
            record["error"] = {"reason": answer.reason.value, "text": self.presentable(answer.text)}
        return record

    def presentable(self, text: str, limit: int = 2000) -> str:
        """`text` without secrets and without what no database or page takes, cut at `limit` characters."""
        # Blanked before it is cut: half a secret would not be recognised.
        text = self.redactor.blank(clean(text))
        return text if len(text) <= limit else text[: limit - 1] + "…"

    def _request(self, step: Request | Call) -> JSONDict:
        if not isinstance(step, Request):
            return {"method": type(step).__name__, "url": step.host}
        url = self._addresses.get(step.url)
        if url is None:
            url = self._addresses[step.url] = self._address(step.url)
        record: JSONDict = {"method": step.method, "url": url, "headers": self._all(step.headers)}
        if step.body:
            text = step.body[:_CONSIDERED].decode(errors="replace")
            record["body"] = self.presentable(text, REQUEST_BODY)
        return record

    def _response(self, response: Response) -> JSONDict:
        record: JSONDict = {
            "status": response.status,
            "headers": self._answered(response.headers),
            "body": self.presentable(response.text, RESPONSE_BODY),
        }
        if response.truncated:
            record["truncated"] = True
        return record

    def _address(self, url: str) -> str:
        """The address with its secrets blanked; of a query only that there is one."""
        try:
            parts = urlsplit(url)
            port = f":{parts.port}" if parts.port is not None else ""
        except ValueError:
            return ""
        host = parts.hostname or ""
        origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
        shown = self.presentable(f"{origin}{parts.path}")
        path = shown.removeprefix(origin) if shown.startswith(origin) else f"/{MASK}"
        return origin + path + (f"?{MASK}" if parts.query else "")

    def _answered(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of an answer; those of the last one need no second look."""
        if headers is not self._last:
            self._last, self._last_shown = headers, self._all(headers)
        return self._last_shown

    def _all(self, headers: Mapping[str, str]) -> dict[str, str]:
        shown: dict[str, str] = {}
        for item in islice(headers.items(), _HEADERS):
            pair = self._headers.get(item)
            if pair is None:
                pair = self._header(*item)
                if len(self._headers) < _REMEMBERED:
                    self._headers[item] = pair
            shown[pair[0]] = pair[1]
        return shown

    def _header(self, name: str, value: str) -> tuple[str, str]:
        known = self._names.get(name)
        if known is None:
            known = self.presentable(name, _HEADER), _SECRET_HEADER.search(name) is not None
            if len(self._names) < _REMEMBERED:
                self._names[name] = known
        shown, hidden = known
        return shown, MASK if hidden else self.presentable(value, _HEADER)
