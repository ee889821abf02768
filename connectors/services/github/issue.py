"""One issue for each problem: opened, commented on, closed, reopened; never a twin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from connectors import markdown
from connectors.conversation import Dispatch, Receipt
from connectors.message import FOLLOW_UPS, JSONDict, Message, Status
from connectors.services.github.api import REPOSITORY, Api, Exchange, number_of
from connectors.services.github.thread import (
    LABEL,
    LONGEST_TITLE,
    Thread,
    bears,
    comes_back,
    delivery_mark,
    key_mark,
    nothing_to_change,
    opening,
    stored_number,
    with_ours,
)

KIND = "issue"


@dataclass(frozen=True, slots=True)
class Manner:
    """How issues are opened, and whether they are closed when it is over."""

    labels: Sequence[str]
    assignees: Sequence[str]
    close_on_resolve: bool


def report(api: Api, manner: Manner, dispatch: Dispatch) -> Exchange[Receipt]:
    """Opens the issue of a problem, or says what is new on the one there is, and closes or reopens it."""
    message = dispatch.message
    found = (yield from _stored(api, dispatch)) or (yield from _marked(api, message))
    if found is None:
        if message.status in FOLLOW_UPS:
            return nothing_to_change(dispatch)
        return (yield from _opened(api, manner, dispatch))
    thread = _thread(api, found)
    if bears(found, delivery_mark(dispatch)):
        return thread.receipt(dispatch, found)
    is_open = found.get("state") == "open"
    if not is_open and comes_back(dispatch):
        yield from thread.change({"state": "open"})
    comment = yield from thread.comment(dispatch)
    closes = manner.close_on_resolve or message.test
    if is_open and closes and message.status == Status.RESOLVED:
        yield from thread.change({"state": "closed", "state_reason": "completed"})
    return thread.receipt(dispatch, comment)


def _stored(api: Api, dispatch: Dispatch) -> Exchange[JSONDict | None]:
    """The issue that the last delivery left behind, unless it was deleted."""
    number = stored_number(dispatch, KIND, api.repo)
    if number is None:
        return None
    return (yield from api.object("GET", f"/issues/{number}", handled=(404, 410))) or None


def _marked(api: Api, message: Message) -> Exchange[JSONDict | None]:
    """The open issue that bears the mark of the message's key, by the list: the search lags behind."""
    for issue in (yield from api.listed(f"/issues?state=open&labels={LABEL}")):
        if "pull_request" not in issue and bears(issue, key_mark(message)):
            return issue
    return None


def _opened(api: Api, manner: Manner, dispatch: Dispatch) -> Exchange[Receipt]:
    wanted: JSONDict = {
        "title": markdown.title(dispatch.message, LONGEST_TITLE),
        "body": opening(dispatch),
        "labels": with_ours(manner.labels),
    }
    if manner.assignees:
        wanted["assignees"] = list(manner.assignees)
    issue = yield from api.object("POST", "/issues", wanted)
    note = ""
    labels = issue.get("labels")
    if isinstance(labels, list) and LABEL not in [
        str(label.get("name")).casefold() for label in labels if isinstance(label, dict)
    ]:
        note = "GitHub left the labels out: whoever the token belongs to has no write access to the code."
    return _thread(api, issue).receipt(dispatch, issue, note)


def _thread(api: Api, issue: JSONDict) -> Thread:
    """The issue where it is now: it may have been transferred, or its repository renamed."""
    url = str(issue.get("url", ""))
    here = re.fullmatch(re.escape(api.base_url) + r"/repos/([^/]+/[^/]+)/issues/\d+", url)
    repo = here[1] if here and REPOSITORY.fullmatch(here[1]) else api.repo
    return Thread(replace(api, repo=repo), number_of(issue), KIND)
