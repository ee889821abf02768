"""Whether a repository and a token can serve a connector, found out without writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from connectors.conversation import Receipt
from connectors.errors import Reason, SendError
from connectors.message import JSONDict
from connectors.services.github.api import Api, Exchange
from connectors.text import one_line


@dataclass(frozen=True, slots=True)
class Needs:
    """What the connector will want to do: its action, the issue it comments on, and whom it assigns."""

    action: str
    number: int | None
    assignees: Sequence[str]


def inspect(api: Api, needs: Needs) -> Exchange[Receipt]:
    """Asks for the repository, and for what is needed of it; the note says what was found.

    Raises SendError, saying what to do, where it would not work.
    """
    answer = yield from api.call("GET", "")
    notes = [f"The repository {api.repo} is there and the token has access to it."]
    notes += _fit(api, needs, answer.object, answer.headers.get("x-oauth-scopes"))
    if needs.action == "comment":
        issue = yield from api.object("GET", f"/issues/{needs.number}", handled=(404, 410))
        if not issue:
            raise _broken(f"There is no issue or pull request {needs.number} in {api.repo}.")
    for login in needs.assignees:
        found = yield from api.call("GET", f"/assignees/{quote(login, safe='')}", handled=(404,))
        if found.status == 404:
            raise _broken(f"{login} cannot be assigned in {api.repo}: check the name.")
    return Receipt(note=" ".join(notes))


def _fit(api: Api, needs: Needs, repository: JSONDict, scopes: str | None) -> list[str]:
    """Remarks on the repository and the token. Raises SendError where they do not serve the action."""
    if repository.get("archived") is True:
        raise _broken(f"{api.repo} is archived: unarchive it or choose another.")
    if needs.action == "issue" and repository.get("has_issues") is False:
        raise _broken(f"Issues are disabled in {api.repo}: enable them under Settings → General → Features.")
    notes = []
    if scopes is None:
        notes.append("A fine-grained token's rights cannot be asked for: the test message will show them.")
    else:
        granted = {scope.strip() for scope in scopes.split(",")}
        needed = {"repo"} if repository.get("private") else {"repo", "public_repo"}
        if not granted & needed:
            raise SendError(
                Reason.AUTH, "The token lacks the `repo` scope: add it to the token's scopes.", disable=True
            )
        notes.append(f"Its scopes are: {one_line(scopes)[:200]}.")
    permissions = repository.get("permissions")
    if isinstance(permissions, dict) and permissions.get("push") is False:
        if needs.action == "pull_request":
            raise SendError(
                Reason.AUTH,
                "Whoever the token belongs to has no write access to the code: a pull request needs it.",
                disable=True,
            )
        if needs.action == "issue":
            notes.append("Without write access to the code, GitHub leaves out labels and assignees.")
    return notes


def _broken(text: str) -> SendError:
    return SendError(Reason.MISCONFIGURED, text, disable=True)
