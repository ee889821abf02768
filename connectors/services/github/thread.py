"""The conversation on an issue or pull request: hidden marks to know it by, and comments made only once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from connectors import markdown
from connectors.conversation import Dispatch, Receipt
from connectors.message import JSONDict, Message, Status, iso
from connectors.services.github.api import Api, Exchange, address_of, number_of

LABEL = "kubegraf"
"""Put on everything that is opened, so that it can be listed again."""

LONGEST_TITLE = 256
LONGEST_BODY = 65_536
_ROOM_FOR_MARKS = 300
# Comments are looked through from this long before the event on, in case the clocks differ.
_CLOCKS_DIFFER = timedelta(hours=1)


def with_ours(labels: Sequence[str]) -> list[str]:
    """The labels to set, ours first and each once: GitHub does not tell `Bug` from `bug`."""
    once: dict[str, str] = {}
    for label in (LABEL, *labels):
        once.setdefault(label.casefold(), label)
    return list(once.values())


def key_hash(message: Message) -> str:
    """What stands for the message's key in marks and branch names."""
    return hashlib.sha256(message.key.encode(errors="replace")).hexdigest()[:32]


def key_mark(message: Message) -> str:
    """The hidden comment by which the issue of a problem is found again."""
    return f"<!-- kubegraf:key={key_hash(message)} -->"


def delivery_mark(dispatch: Dispatch) -> str:
    """The hidden comment by which a repeated attempt sees that the one before it did arrive."""
    return f"<!-- kubegraf:delivery={dispatch.id} -->"


def opening(dispatch: Dispatch, lead: str = "") -> str:
    """The body of a new issue or pull request."""
    room = LONGEST_BODY - _ROOM_FOR_MARKS - len(lead)
    report = markdown.report(dispatch.message, room)
    marks = f"{key_mark(dispatch.message)}\n{delivery_mark(dispatch)}"
    return "\n\n".join(filter(None, (lead, report, marks)))


def bears(thing: JSONDict, mark: str) -> bool:
    """Whether the body of an issue, pull request or comment has that mark in it."""
    return mark in str(thing.get("body") or "")


@dataclass(frozen=True, slots=True)
class Thread:
    """One issue or pull request. `kind` says which, or that it is only commented on."""

    api: Api
    number: int
    kind: str

    def comment(self, dispatch: Dispatch) -> Exchange[JSONDict]:
        """Adds the message as a comment, unless this delivery has done so before; returns the comment."""
        mark = delivery_mark(dispatch)
        since = iso(dispatch.message.timestamp - _CLOCKS_DIFFER)
        for earlier in (yield from self.api.listed(f"/issues/{self.number}/comments?since={since}")):
            if bears(earlier, mark):
                return earlier
        body = markdown.update(dispatch.message, LONGEST_BODY - _ROOM_FOR_MARKS)
        made = yield from self.api.object(
            "POST", f"/issues/{self.number}/comments", {"body": f"{body}\n\n{mark}"}
        )
        number_of(made, "id")
        return made

    def change(self, changes: JSONDict) -> Exchange[JSONDict]:
        """Changes the issue, or what a pull request has in common with one."""
        changed = yield from self.api.object("PATCH", f"/issues/{self.number}", changes)
        number_of(changed)
        return changed

    def receipt(self, dispatch: Dispatch, shown: JSONDict, note: str = "") -> Receipt:
        """What is remembered, so that the next message of the same key finds this again."""
        return Receipt(
            remote={
                "kind": self.kind,
                "repo": self.api.repo,
                "number": self.number,
                "event": dispatch.message.id,
            },
            url=address_of(shown),
            note=note,
        )


def stored_number(dispatch: Dispatch, kind: str, repo: str) -> int | None:
    """The number that the last delivery of this key left behind, if it is of that kind and repository."""
    remote = dispatch.remote
    number = remote.get("number")
    ours = remote.get("kind") == kind and remote.get("repo") == repo
    return number if ours and isinstance(number, int) else None


def comes_back(dispatch: Dispatch) -> bool:
    """Whether the message opens a problem anew, rather than telling more about a known occurrence."""
    opens = dispatch.message.status in (Status.FIRING, Status.OCCURRED)
    return opens and dispatch.remote.get("event") != dispatch.message.id


def nothing_to_change(dispatch: Dispatch) -> Receipt:
    """For the end of something that was never opened here, or is there no more."""
    return Receipt(
        remote=dict(dispatch.remote),
        note=f"There is nothing open to be {dispatch.message.status.value}; nothing was written.",
    )
