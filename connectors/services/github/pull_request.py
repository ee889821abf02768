"""A pull request that records an incident in a file, or proposes a change in a manifest.

Every step finds what an earlier attempt has done already: the branch is named after the problem's key, and
its file, its pull request and its comments are looked at before they are written.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from connectors import body_template, markdown
from connectors.conversation import Dispatch, Receipt, Response
from connectors.errors import Reason, SendError
from connectors.message import FOLLOW_UPS, JSONDict, Message, Status
from connectors.services.github import manifest
from connectors.services.github.api import Api, Exchange, number_of, problems, text_of
from connectors.services.github.thread import (
    LONGEST_TITLE,
    Thread,
    bears,
    comes_back,
    delivery_mark,
    key_hash,
    nothing_to_change,
    opening,
    stored_number,
    with_ours,
)
from connectors.text import one_line, shorten

KIND = "pull_request"
DEFAULT_PATH = (
    'incidents/{{ timestamp | date: "%Y-%m-%d" }}-{{ event_type }}-{{ resource | replace: "/", "-" }}.md'
)
_LONGEST_PATH = 400
_LONGEST_FILE = 200_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to propose: a record rendered from the templates, or a raised number in the file at `path`.

    `base` is the branch to merge into, empty for the repository's default; `content` is empty for a report
    of the event in Markdown.
    """

    base: str
    path: str
    content: str
    raises: manifest.Raise | None
    labels: Sequence[str]
    assignees: Sequence[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One file as it should be, and what people are told about it."""

    path: str
    text: str
    title: str
    lead: str
    commit: str


def path_of(template: str, message: Message) -> str:
    """The file's path. What the message fills in keeps only letters, digits and `. _ - /`.

    Raises SendError(INVALID_MESSAGE) for a path that leads out of the repository, or to what GitHub obeys.
    """
    try:
        named = body_template.values(message)
        path = one_line(body_template.render(template, {name: _slug(value) for name, value in named.items()}))
    except body_template.TemplateError as error:
        raise _cannot(f"Path: {error}") from None
    parts = path.split("/")
    if len(path) > _LONGEST_PATH or any(part.strip(". ") == "" or part.lower() == ".git" for part in parts):
        raise _cannot(f"Path: “{path[:100]}” is not a path inside the repository")
    if parts[0].lower() == ".github":
        raise _cannot("Path: KubeGraf writes nothing below .github, which holds what GitHub itself runs")
    return path


def _slug(value: Any) -> Any:
    if isinstance(value, str):
        # A timestamp stays one, so that its date can be taken.
        return value if _TIMESTAMP.fullmatch(value) else re.sub(r"[^A-Za-z0-9._/-]+", "-", value)
    if isinstance(value, dict):
        return type(value)({name: _slug(item) for name, item in value.items()})
    return [_slug(item) for item in value] if isinstance(value, list) else value


_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def record(plan: Plan, message: Message) -> Proposal:
    """A file that tells of the event."""
    path = path_of(plan.path, message)
    try:
        content = (
            body_template.render(plan.content, body_template.values(message))
            if plan.content
            else markdown.report(message, _LONGEST_FILE) + "\n"
        )
    except body_template.TemplateError as error:
        raise _cannot(f"Content: {error}") from None
    lead = f"This records the event in {markdown.code(path)}."
    return Proposal(path, content, markdown.title(message, LONGEST_TITLE), lead, f"Record {path}")


def change(raises: manifest.Raise, path: str, text: str, message: Message) -> Proposal:
    """The manifest `text` with its number raised. Raises SendError(INVALID_MESSAGE) where it is refused."""
    try:
        done = manifest.raised(text, raises, workload_of(message), str(message.details.get("container", "")))
    except manifest.Refusal as refusal:
        raise _cannot(f"{path}: {refusal}") from None
    title = f"Raise the {done.what} from {done.before} to {done.after}"
    lead = (
        f"This raises the {markdown.prose(one_line(done.what))} from {markdown.code(done.before)} to"
        f" {markdown.code(done.after)} in {markdown.code(path)}."
    )
    title = shorten(markdown.unlinked(one_line(title)), LONGEST_TITLE)
    return Proposal(path, done.text, title, lead, f"Change {path}: {raises.change}")


def workload_of(message: Message) -> str:
    """What the manifest declares: the owner of a pod, else the resource itself."""
    owner = message.details.get("owner")
    return owner if isinstance(owner, str) and "/" in owner else message.resource


def propose(api: Api, plan: Plan, dispatch: Dispatch) -> Exchange[Receipt]:
    """Opens a pull request, or comments on the one that is open for the same key."""
    message = dispatch.message
    repository = yield from api.object("GET", "")
    branch = branch_of(message)
    found = yield from _present(api, repository, branch, dispatch)
    if found is None:
        if message.status in FOLLOW_UPS:
            return nothing_to_change(dispatch)
        return (yield from _open(api, repository, branch, plan, dispatch))
    thread = Thread(api, number_of(found), KIND)
    if bears(found, delivery_mark(dispatch)):
        return (yield from _label(thread, plan, dispatch, found))
    comment = yield from thread.comment(dispatch)
    if message.test and message.status == Status.RESOLVED:
        yield from api.object("PATCH", f"/pulls/{thread.number}", {"state": "closed"})
        yield from api.call("DELETE", f"/git/refs/heads/{branch}", handled=(404, 422))
    return thread.receipt(dispatch, comment)


def branch_of(message: Message) -> str:
    """The branch of a problem: the same whenever it comes back."""
    return (
        f"kubegraf/{re.sub(r'[^a-z0-9_-]+', '-', message.event_type.lower())[:60]}-{key_hash(message)[:12]}"
    )


def _present(api: Api, repository: JSONDict, branch: str, dispatch: Dispatch) -> Exchange[JSONDict | None]:
    """The pull request to comment on: the one of this occurrence, whatever its state, else an open one."""
    number = stored_number(dispatch, KIND, api.repo)
    if number is not None:
        stored = yield from api.object("GET", f"/pulls/{number}", handled=(404, 410))
        if stored and (stored.get("state") == "open" or not comes_back(dispatch)):
            return stored
    head = quote(f"{text_of(repository, 'owner', 'login')}:{branch}", safe="")
    open_ones = yield from api.listed(f"/pulls?state=open&head={head}")
    return open_ones[0] if open_ones else None


def _open(api: Api, repository: JSONDict, branch: str, plan: Plan, dispatch: Dispatch) -> Exchange[Receipt]:
    base = plan.base or text_of(repository, "default_branch")
    commit = yield from _commit_of(api, base)
    proposal = yield from _proposal(api, plan, dispatch.message, commit)
    yield from _make_branch(api, branch, commit)
    there = yield from _file(api, proposal.path, branch)
    if there is None or there[0] != proposal.text:
        content = base64.b64encode(proposal.text.encode()).decode()
        put: JSONDict = {"message": proposal.commit, "content": content, "branch": branch}
        if there is not None:
            put["sha"] = there[1]
        yield from api.call("PUT", f"/contents/{quote(proposal.path)}", put)
    body = opening(dispatch, proposal.lead)
    wanted = {"title": proposal.title, "head": branch, "base": base, "body": body}
    answer = yield from api.call("POST", "/pulls", wanted, handled=(422,))
    if answer.status != 422:
        made = answer.object
        return (yield from _label(Thread(api, number_of(made), KIND), plan, dispatch, made))
    if _says(answer, "no commits between"):
        return Receipt(
            remote=dict(dispatch.remote), note=f"{base} has this already: there is nothing to propose."
        )
    if _says(answer, "already exists"):
        raise SendError(Reason.BAD_ANSWER, "The pull request exists but is not listed yet", retry=True)
    raise api.verdict(answer) or _cannot("GitHub does not take the pull request")


def _commit_of(api: Api, base: str) -> Exchange[str]:
    answer = yield from api.call("GET", f"/git/ref/heads/{quote(base)}", handled=(404, 409))
    if answer.status == 409:
        text = f"{api.repo} is empty: push a first commit"
        raise SendError(Reason.MISCONFIGURED, text, disable=not api.chosen_elsewhere)
    if answer.status == 404:
        text = f"{api.repo} has no branch {base}: check the base branch, and that the token may read contents"
        raise SendError(Reason.MISCONFIGURED, text, disable=not api.chosen_elsewhere)
    return text_of(answer.object, "object", "sha")


def _proposal(api: Api, plan: Plan, message: Message, commit: str) -> Exchange[Proposal]:
    """What to propose, always worked out from the base, so that a repeated attempt raises nothing twice.

    A test is about no workload, so it adds a record whatever the plan is.
    """
    if plan.raises is None:
        return record(plan, message)
    if message.test:
        return record(Plan(plan.base, "kubegraf-test.md", "", None, (), ()), message)
    path = path_of(plan.path, message)
    there = yield from _file(api, path, commit)
    if there is None:
        raise _cannot(f"There is no {path} in {api.repo}")
    return change(plan.raises, path, there[0], message)


def _make_branch(api: Api, branch: str, commit: str) -> Exchange[None]:
    """The branch, from `commit`. One left from before is brought forward if that loses nothing."""
    wanted = {"ref": f"refs/heads/{branch}", "sha": commit}
    answer = yield from api.call("POST", "/git/refs", wanted, handled=(422,))
    if answer.status != 422:
        return
    if not _says(answer, "already exists"):
        raise api.verdict(answer) or _cannot("GitHub does not make the branch")
    yield from api.call("PATCH", f"/git/refs/heads/{branch}", {"sha": commit, "force": False}, handled=(422,))


def _file(api: Api, path: str, ref: str) -> Exchange[tuple[str, str] | None]:
    """Text and blob of a file; None where there is none."""
    answer = yield from api.call("GET", f"/contents/{quote(path)}?ref={quote(ref, safe='')}", handled=(404,))
    if answer.status == 404:
        return None
    decoded = answer.json
    if isinstance(decoded, list):
        raise _cannot(f"{path} is a folder in {api.repo}, not a file")
    file = answer.object
    if file.get("encoding") != "base64" or not isinstance(file.get("content"), str):
        raise _cannot(f"{path} in {api.repo} is not a file of text, or too large")
    try:
        return base64.b64decode(file["content"]).decode(), text_of(file, "sha")
    except (binascii.Error, UnicodeDecodeError):
        raise _cannot(f"{path} in {api.repo} is not text in UTF-8") from None


def _label(thread: Thread, plan: Plan, dispatch: Dispatch, shown: JSONDict) -> Exchange[Receipt]:
    """Labels and assignees. They are no reason for a pull request that is there to count as failed."""
    note = ""
    try:
        assignees = {"assignees": list(plan.assignees)} if plan.assignees else {}
        yield from thread.change({"labels": with_ours(plan.labels), **assignees})
    except SendError as error:
        if error.retry:
            raise
        note = f"The pull request is open, but labels and assignees could not be set. {error.text}"
    return thread.receipt(dispatch, shown, note)


def _says(answer: Response, words: str) -> bool:
    """Whether a 422 says so, in its message or in one of its errors."""
    decoded = answer.json
    message = decoded.get("message") if isinstance(decoded, dict) else ""
    said = [str(message), *(item.get("message", "") for item in problems(answer))]
    return any(words in text.lower() for text in said)


def _cannot(text: str) -> SendError:
    return SendError(Reason.INVALID_MESSAGE, text)
