"""GitHub's REST API as connectors use it: the headers, what each refusal means, repositories that moved.

https://docs.github.com/en/rest/using-the-rest-api; rate limits: .../rate-limits-for-the-rest-api
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from connectors.conversation import Request, Response, request
from connectors.errors import Reason, SendError
from connectors.message import JSONDict
from connectors.text import one_line
from connectors.verdict import failure, retry_after

T = TypeVar("T")
Exchange: TypeAlias = Generator[Request, Response, T]
"""A part of a conversation, which ends in a T."""

REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
"""owner/repo"""

_MOVED = {301, 302, 307, 308}
_MOST_MOVES = 3
_MOST_PAGES = 10
_PER_PAGE = 100
_WITHOUT_WORD = 60.0  # seconds to wait where GitHub does not say how long

RENEW = (
    "GitHub does not accept the token: it is wrong, expired or revoked. Create a new one under Settings →"
    " Developer settings → Personal access tokens, with the `repo` scope, and enter it here."
)
RIGHTS = (
    "The token may not do this: check that it has the `repo` scope, or, if it is fine-grained, read and write"
    " access to Issues (for pull requests: to Contents and Pull requests)."
)


@dataclass(frozen=True)
class Api:
    """One repository, as one token sees it.

    `chosen_elsewhere` says that the repository is not the connector's own setting but the workload's wish:
    what is wrong with it is then no reason to pause the connector.
    """

    base_url: str
    repo: str
    token: str = field(repr=False)
    chosen_elsewhere: bool = False

    def call(
        self, method: str, path: str, payload: JSONDict | None = None, *, handled: Collection[int] = ()
    ) -> Exchange[Response]:
        """One call below the repository; a move within the same host is followed.

        Returns a 2xx or a status in `handled`. Raises SendError for everything else.
        """
        return (yield from self.call_url(method, f"{self._root}{path}", payload, handled=handled))

    def call_url(
        self, method: str, url: str, payload: JSONDict | None = None, *, handled: Collection[int] = ()
    ) -> Exchange[Response]:
        """The same for a whole address."""
        for _ in range(1 + _MOST_MOVES):
            response = yield request(method, url, payload=payload, headers=self._headers)
            moved_to = _location(response, url)
            if response.status not in _MOVED or moved_to == url:
                break
            if urlsplit(moved_to)[:2] != urlsplit(url)[:2]:
                raise SendError(
                    Reason.REDIRECT,
                    f"GitHub points to another host, {urlsplit(moved_to).hostname}, where the token is not"
                    " sent. Check the API address.",
                )
            url = moved_to
        error = None if response.status in handled else self.verdict(response)
        if error is not None:
            raise error
        return response

    def object(
        self, method: str, path: str, payload: JSONDict | None = None, *, handled: Collection[int] = ()
    ) -> Exchange[JSONDict]:
        """The JSON object that a call answers; empty for a status in `handled`."""
        response = yield from self.call(method, path, payload, handled=handled)
        return {} if response.status in handled else response.object

    def listed(self, path: str) -> Exchange[list[JSONDict]]:
        """The objects of a list, of up to ten pages. `path` has a query already."""
        found: list[JSONDict] = []
        for page in range(1, _MOST_PAGES + 1):
            response = yield from self.call("GET", f"{path}&per_page={_PER_PAGE}&page={page}")
            items = response.json
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise SendError(Reason.BAD_ANSWER, "GitHub's list is not a list of objects", retry=True)
            found += items
            if len(items) < _PER_PAGE:
                break
        return found

    @property
    def _root(self) -> str:
        return f"{self.base_url}/repos/{quote(self.repo)}"

    @property
    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            # What both github.com and the Enterprise servers still in use know.
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def verdict(self, response: Response) -> SendError | None:
        """What a status means; None for 2xx."""
        status = response.status
        said = _said(response)
        quoted = f" GitHub says: {said}" if said else ""
        own = not self.chosen_elsewhere
        if status == 401:
            return SendError(Reason.AUTH, RENEW + quoted, disable=True)
        if status == 429 or (status in (403, 422) and _is_limit(response, said)):
            return SendError(
                Reason.RATE_LIMITED,
                f"GitHub's API rate limit is exceeded.{quoted}",
                retry=True,
                retry_after=wait(response),
            )
        if status == 403 and "archived" in said:
            return SendError(
                Reason.GONE, f"{self.repo} is archived: unarchive it or choose another.{quoted}", disable=own
            )
        if status == 451 or (status == 403 and "access blocked" in said):
            return SendError(
                Reason.GONE,
                f"GitHub has blocked {self.repo}: its page says why. Choose another.{quoted}",
                disable=own,
            )
        if status == 403 and re.search(r"\blocked\b", said):
            return SendError(Reason.INVALID_MESSAGE, f"The conversation is locked: unlock it.{quoted}")
        if status == 403:
            needed = one_line(response.headers.get("x-accepted-github-permissions", ""))[:200]
            asks = f" GitHub asks for: {needed}." if needed else ""
            return SendError(Reason.AUTH, RIGHTS + asks + quoted, disable=own)
        if status == 404:
            return SendError(
                Reason.GONE,
                f"{self.repo}, or what was asked for in it, was not found: check its name, and that the token"
                f" has access to the repository.{quoted}",
                disable=own,
            )
        if status == 410:
            return SendError(
                Reason.GONE,
                f"Issues are disabled in {self.repo}: enable them under Settings → General → Features."
                + quoted,
                disable=own,
            )
        if status == 422:
            return self._invalid(response, quoted)
        return failure(response)

    def _invalid(self, response: Response, quoted: str) -> SendError:
        """A 422: final; where it speaks of labels or assignees, which are settings, so is the connector."""
        errors = [f"{item['field']}: {item['code']}" for item in problems(response) if "field" in item]
        settings = any(line.startswith(("labels:", "assignee")) for line in errors)
        listed = f" ({'; '.join(errors)[:300]})" if errors else ""
        if settings:
            text = f"GitHub does not take the labels or assignees: check them{listed}.{quoted}"
            return SendError(Reason.MISCONFIGURED, text, disable=not self.chosen_elsewhere)
        return SendError(Reason.INVALID_MESSAGE, f"GitHub does not take this{listed}.{quoted}")


def _location(response: Response, url: str) -> str:
    """Where `url` has moved to; `url` itself where the answer does not say so in a way that can be read."""
    try:
        moved_to = urljoin(url, response.headers.get("location", ""))
        urlsplit(moved_to)
    except ValueError:
        return url
    return moved_to


def _said(response: Response) -> str:
    """GitHub's own words, on one line."""
    try:
        decoded = response.json
    except SendError:
        return ""
    message = decoded.get("message") if isinstance(decoded, dict) else None
    return one_line(message)[:300] if isinstance(message, str) else ""


def problems(response: Response) -> list[dict[str, str]]:
    """The `errors` of a 422, each with `code`, `field` and `message` as far as they are there, as text."""
    try:
        decoded = response.json
    except SendError:
        return []
    errors = decoded.get("errors") if isinstance(decoded, dict) else None
    found = []
    for item in errors if isinstance(errors, list) else []:
        if isinstance(item, str):
            found.append({"code": "custom", "message": one_line(item)})
        elif isinstance(item, dict):
            named = {name: one_line(str(item[name])) for name in ("field", "message") if item.get(name)}
            found.append({"code": one_line(str(item.get("code", "invalid"))), **named})
    return found


def _is_limit(response: Response, said: str) -> bool:
    if response.status == 422:  # how what is created too fast is refused at times
        return any("too quickly" in item.get("message", "") for item in problems(response))
    return (
        response.headers.get("x-ratelimit-remaining", "").strip() == "0"
        or "retry-after" in response.headers
        or "rate limit" in said.lower()
        or "abuse" in said.lower()
    )


def wait(response: Response) -> float:
    """Seconds until a limit lets calls through again: until its reset, else as GitHub says, else a minute.

    Counted from the answer's own Date, so that this machine's clock does not matter.
    """
    reset = response.headers.get("x-ratelimit-reset", "").strip()
    if response.headers.get("x-ratelimit-remaining", "").strip() == "0" and _is_number(reset):
        return max(1.0, float(reset) - _now(response))
    said = retry_after(response.headers)
    return _WITHOUT_WORD if said is None else said


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12


def _now(response: Response) -> float:
    try:
        moment: datetime = parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return time.time()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def number_of(answer: JSONDict, name: str = "number") -> int:
    """The number in an answer. Raises SendError(BAD_ANSWER) where there is none: nothing is known then."""
    value = answer.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unexpected(name)
    return value


def text_of(answer: JSONDict, *path: str) -> str:
    """The text at `path` in an answer. Raises like `number_of`."""
    value: Any = answer
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise _unexpected(".".join(path))
    return value


def address_of(answer: JSONDict) -> str:
    """Where a person can look at it."""
    url = answer.get("html_url")
    return url if isinstance(url, str) and url.startswith("https://") else ""


def _unexpected(name: str) -> SendError:
    return SendError(Reason.BAD_ANSWER, f"GitHub's answer has no {name!r}", retry=True)
