"""One repository on a GitHub of our own, which judges every request by GitHub's published models."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from connectors.conversation import Conversation, Receipt, Request, Response
from tests.connectors.providers.github_models import OPERATIONS, completed, judge

API = "https://api.github.com"


def _problem(status: int, message: str, *errors: dict[str, str]) -> Response:
    return _answer(status, {"message": message, "errors": list(errors)})


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(status, headers or {}, b"" if body is None else json.dumps(body).encode())


@dataclass
class FakeGitHub:
    """Issues, comments, branches with files, and pull requests of `myorg/my-repo`."""

    repo: str = "myorg/my-repo"
    has_issues: bool = True
    archived: bool = False
    can_push: bool = True
    private: bool = True
    scopes: str | None = "repo, read:org"
    people: tuple[str, ...] = ("octocat",)
    labels: tuple[str, ...] = ()
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: list[dict[str, Any]] = field(default_factory=list)
    branches: dict[str, dict[str, str]] = field(default_factory=lambda: {"main": {"README.md": "# Hi\n"}})
    requests: list[tuple[str, str]] = field(default_factory=list)
    page_size: int = 100
    deliveries: int = 0

    def hold(self, conversation: Conversation, *, at_most: int | None = None) -> Receipt | None:
        """Answers a conversation to its end and returns its receipt.

        Or does what `at_most` requests ask for and drops the last answer, as a crash would; returns None.
        """
        response: Response | None = None
        while True:
            try:
                request = conversation.send(response) if response else next(conversation)
            except StopIteration as end:
                receipt: Receipt = end.value
                return receipt
            assert isinstance(request, Request)
            response = self.answer(request)
            at_most = None if at_most is None else at_most - 1
            if at_most == 0:
                conversation.close()
                return None

    def receipt(self, conversation: Conversation) -> Receipt:
        """The receipt at the end of a conversation."""
        receipt = self.hold(conversation)
        assert receipt is not None
        return receipt

    def answer(self, request: Request) -> Response:
        """Does what is asked, and answers as GitHub documents it."""
        assert request.headers["Authorization"] == "Bearer ghp_madeUpTokenForTheDocs0123456789abcd"
        assert request.headers["X-GitHub-Api-Version"] == "2022-11-28"
        parts = urlsplit(request.url)
        prefix = f"/repos/{self.repo}"
        path = parts.path.removeprefix("/api/v3")
        assert path.startswith(prefix), request.url
        path = path.removeprefix(prefix)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = json.loads(request.body) if request.body else {}
        self.requests.append((request.method, path))
        for (method, shape), (asked, answered) in OPERATIONS.items():
            pattern = shape.replace("{n}", r"(\d+)").replace("{name}", "(.+)")
            found = re.fullmatch(pattern, path)
            if method == request.method and found:
                if asked:
                    judge(asked, body)
                name = re.sub(r"\W+", "_", f"{method} {shape}".replace("{n}", "N").replace("{name}", "X"))
                response: Response = getattr(self, f"_{name.strip('_')}")(
                    query, body, *map(unquote, found.groups())
                )
                return self._complete(response, answered)
        raise AssertionError(f"GitHub has no {request.method} {path}")

    def _complete(self, response: Response, model: str | None) -> Response:
        """The answer with all that GitHub's has, which its model judges."""
        if model is None or response.status >= 300:
            return response
        value = response.json
        if model.startswith("list "):
            value = [completed(model.removeprefix("list "), item) for item in value]
        else:
            value = completed(model, value)
        return _answer(response.status, value, dict(response.headers))

    # --- Issues and comments ----------------------------------------------------------------------------

    def _GET(self, query: Any, body: Any) -> Response:
        owner, _, name = self.repo.partition("/")
        known = {
            "name": name,
            "full_name": self.repo,
            "owner": {"login": owner},
            "private": self.private,
            "default_branch": "main",
            "has_issues": self.has_issues,
            "archived": self.archived,
            "permissions": {"admin": False, "push": self.can_push, "pull": True},
        }
        return _answer(200, known, {} if self.scopes is None else {"x-oauth-scopes": self.scopes})

    def _GET_issues(self, query: Any, body: Any) -> Response:
        found = [
            issue
            for issue in self.issues.values()
            if issue["state"] == query["state"]
            and query["labels"] in [label["name"].lower() for label in issue["labels"]]
        ]
        return _answer(200, self._page(found, query))

    def _page(self, items: list[Any], query: Any) -> list[Any]:
        assert query["per_page"] == "100"
        start = (int(query["page"]) - 1) * self.page_size
        return items[start : start + self.page_size]

    def _POST_issues(self, query: Any, body: Any) -> Response:
        if not self.has_issues:
            return _problem(410, "Issues has been disabled in this repository.")
        assert len(body["title"]) <= 256
        assert len(body["body"]) <= 65_536
        return _answer(201, self._new(body["title"], body["body"], body["labels"], body.get("assignees", [])))

    def _new(self, title: str, text: str, labels: list[str], assignees: list[str]) -> dict[str, Any]:
        number = len(self.issues) + 1
        url = f"{API}/repos/{self.repo}/issues/{number}"
        self.issues[number] = {
            "number": number,
            "url": url,
            "html_url": f"https://github.com/{self.repo}/issues/{number}",
            "state": "open",
            "title": title,
            "body": text,
            "labels": [{"name": self._label(label)} for label in labels if self.can_push],
            "assignees": [completed("SimpleUser", {"login": login}) for login in assignees if self.can_push],
        }
        return self.issues[number]

    def _label(self, name: str) -> str:
        """As it is written where there is one already: GitHub does not tell upper from lower case."""
        return next((known for known in self.labels if known.lower() == name.lower()), name)

    def _GET_issues_N(self, query: Any, body: Any, number: str) -> Response:
        issue = self.issues.get(int(number))
        return _answer(200, issue) if issue else _problem(404, "Not Found")

    def _PATCH_issues_N(self, query: Any, body: Any, number: str) -> Response:
        issue = self.issues[int(number)]
        changes = dict(body)
        if "labels" in changes:
            changes["labels"] = [{"name": label} for label in changes["labels"]]
        if "assignees" in changes:
            changes["assignees"] = [completed("SimpleUser", {"login": name}) for name in body["assignees"]]
        issue.update(changes)
        return _answer(200, {name: value for name, value in issue.items() if name != "pull"})

    def _GET_issues_N_comments(self, query: Any, body: Any, number: str) -> Response:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", query["since"])
        found = [comment for comment in self.comments if comment["issue_url"].endswith(f"/{number}")]
        return _answer(200, self._page(found, query))

    def _POST_issues_N_comments(self, query: Any, body: Any, number: str) -> Response:
        if int(number) not in self.issues:
            return _problem(404, "Not Found")
        assert len(body["body"]) <= 65_536
        issue = self.issues[int(number)]
        identity = len(self.comments) + 1
        comment = {
            "id": identity,
            "html_url": f"{issue['html_url']}#issuecomment-{identity}",
            "issue_url": f"{API}/repos/{self.repo}/issues/{number}",
            "body": body["body"],
        }
        self.comments.append(comment)
        return _answer(201, comment)

    def _GET_assignees_X(self, query: Any, body: Any, login: str) -> Response:
        return _answer(204, None) if login in self.people else _problem(404, "Not Found")

    # --- Branches, files and pull requests --------------------------------------------------------------

    def _sha(self, branch: str) -> str:
        return hashlib.sha1(json.dumps(self.branches[branch]).encode(), usedforsecurity=False).hexdigest()

    def _at(self, ref: str) -> dict[str, str] | None:
        """The files at a branch or commit."""
        if ref in self.branches:
            return self.branches[ref]
        return next((files for name, files in self.branches.items() if self._sha(name) == ref), None)

    def _ref(self, status: int, branch: str) -> Response:
        sha = {"sha": self._sha(branch), "type": "commit"}
        return _answer(status, {"ref": f"refs/heads/{branch}", "object": sha})

    def _GET_git_ref_heads_X(self, query: Any, body: Any, branch: str) -> Response:
        if not self.branches:
            return _problem(409, "Git Repository is empty.")
        return self._ref(200, branch) if branch in self.branches else _problem(404, "Not Found")

    def _POST_git_refs(self, query: Any, body: Any) -> Response:
        branch = body["ref"].removeprefix("refs/heads/")
        if branch in self.branches:
            return _problem(422, "Reference already exists")
        files = self._at(body["sha"])
        assert files is not None
        self.branches[branch] = dict(files)
        return self._ref(201, branch)

    def _PATCH_git_refs_heads_X(self, query: Any, body: Any, branch: str) -> Response:
        assert body["force"] is False
        files = self._at(body["sha"])
        assert files is not None
        if not self.branches[branch].items() <= files.items():
            return _problem(422, "Update is not a fast forward")
        self.branches[branch] = dict(files)
        return self._ref(200, branch)

    def _DELETE_git_refs_heads_X(self, query: Any, body: Any, branch: str) -> Response:
        return (
            _answer(204, None)
            if self.branches.pop(branch, None)
            else _problem(422, "Reference does not exist")
        )

    def _GET_contents_X(self, query: Any, body: Any, path: str) -> Response:
        files = self._at(query["ref"])
        if files is None or path not in files:
            return _problem(404, "Not Found")
        return _answer(200, {"type": "file", "path": path, "encoding": "base64", **_blob(files[path])})

    def _PUT_contents_X(self, query: Any, body: Any, path: str) -> Response:
        files = self.branches[body["branch"]]
        if path in files and body.get("sha") != _blob(files[path])["sha"]:
            return _problem(409, f"{path} does not match")
        assert path in files or "sha" not in body
        files[path] = base64.b64decode(body["content"]).decode()
        return _answer(201, {"content": {"path": path}, "commit": {"message": body["message"]}})

    def _pull(self, issue: dict[str, Any]) -> dict[str, Any]:
        kept = {name: issue[name] for name in ("number", "state", "title", "body")}
        branch = issue["pull"]["head"]
        return {
            **kept,
            "url": f"{API}/repos/{self.repo}/pulls/{issue['number']}",
            "html_url": f"https://github.com/{self.repo}/pull/{issue['number']}",
            "head": {"ref": branch, "label": f"myorg:{branch}"},
            "base": {"ref": issue["pull"]["base"]},
        }

    def _GET_pulls(self, query: Any, body: Any) -> Response:
        found = [
            self._pull(issue)
            for issue in self.issues.values()
            if "pull" in issue
            and issue["state"] == query["state"]
            and f"myorg:{issue['pull']['head']}" == query["head"]
        ]
        return _answer(200, self._page(found, query))

    def _POST_pulls(self, query: Any, body: Any) -> Response:
        head, base = body["head"], body["base"]
        if any(
            issue.get("pull", {}).get("head") == head and issue["state"] == "open"
            for issue in self.issues.values()
        ):
            problem = {"resource": "PullRequest", "code": "custom"}
            return _problem(
                422, "Validation Failed", {**problem, "message": f"A pull request already exists for {head}."}
            )
        if self.branches[head] == self.branches[base]:
            problem = {"resource": "PullRequest", "code": "custom"}
            return _problem(
                422, "Validation Failed", {**problem, "message": f"No commits between {base} and {head}"}
            )
        issue = self._new(body["title"], body["body"], [], [])
        issue["pull"] = {"head": head, "base": base}
        return _answer(201, self._pull(issue))

    def _GET_pulls_N(self, query: Any, body: Any, number: str) -> Response:
        issue = self.issues.get(int(number))
        return _answer(200, self._pull(issue)) if issue and "pull" in issue else _problem(404, "Not Found")

    def _PATCH_pulls_N(self, query: Any, body: Any, number: str) -> Response:
        self.issues[int(number)].update(body)
        return _answer(200, self._pull(self.issues[int(number)]))

    def merge(self, number: int) -> None:
        """What a person does: the branch goes into its base, and the pull request is closed."""
        issue = self.issues[number]
        self.branches[issue["pull"]["base"]] |= self.branches[issue["pull"]["head"]]
        issue["state"] = "closed"


def _blob(text: str) -> dict[str, Any]:
    """A file as the contents API has it: base64 in lines of 60."""
    encoded = base64.encodebytes(text.encode()).decode()
    return {"content": encoded, "sha": hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}
