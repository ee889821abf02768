"""GitHub: an issue for each problem, comments on a given issue, or pull requests.

Who may do what, and the limits: https://docs.github.com/en/rest/issues and
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, model_validator

from connectors import body_template, markdown, text
from connectors.config_values import StringList, allowed, blank_is_absent, reveal, secret, web_address
from connectors.conversation import Conversation, Dispatch, Receipt
from connectors.errors import Reason, SendError
from connectors.message import Message
from connectors.provider import Config, Preview, Provider, Rate
from connectors.services.github import manifest
from connectors.services.github.api import REPOSITORY, Api, Exchange
from connectors.services.github.check import Needs, inspect
from connectors.services.github.issue import Manner, report
from connectors.services.github.pull_request import DEFAULT_PATH, Plan, propose, record
from connectors.services.github.thread import LABEL, LONGEST_BODY, LONGEST_TITLE, Thread, with_ours

GITHUB = "https://api.github.com"
ROUTING = "github-repo"


# Where a browser shows it, and what “Code” offers for copying; what stands behind it names a page of it.
_COPIED = re.compile(
    r"(?:(?:https?://|ssh://git@)?(?:www\.)?github\.com/|git@github\.com:)([^/\s]+/[^/?#\s]+)(?:[/?#]\S*)?",
    re.IGNORECASE,
)


def _named(address: str) -> str:
    """owner/repo in what may be an address of it; anything else as it is."""
    copied = _COPIED.fullmatch(address)
    return (copied[1] if copied else address).removesuffix("/").removesuffix(".git")


def _repository(name: str) -> str:
    name = _named(name)
    if not REPOSITORY.fullmatch(name):
        raise ValueError("Enter the repository as owner/repo, for instance myorg/my-repo")
    return name


def _repositories(names: list[str]) -> list[str]:
    return [_named(name) for name in names]


def _token(token: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{20,}", token):
        raise ValueError("A token begins with ghp_ or github_pat_ and has no spaces: was it copied whole?")
    return token


def _base_url(address: str) -> str:
    parts = urlsplit(web_address(address.rstrip("/")))
    host = parts.hostname or ""
    if parts.query or parts.fragment:
        raise ValueError("The API address ends before any ? or #")
    if host in ("github.com", "www.github.com"):
        raise ValueError(f"The API of github.com is at {GITHUB}")
    expected = "" if host.startswith("api.") else "/api/v3"
    if parts.path != expected:
        raise ValueError(
            f"The API of GitHub Enterprise Server is at https://HOST/api/v3, that of github.com at {GITHUB}"
        )
    return address.rstrip("/")


_MOST_LABELS = 100  # of one issue or pull request


def _labels(labels: list[str]) -> list[str]:
    if len(with_ours(labels)) > _MOST_LABELS:
        raise ValueError(f"GitHub takes at most {_MOST_LABELS} labels, of which {LABEL} is one")
    if any(len(label) > 50 for label in labels):
        raise ValueError("A label has at most 50 characters")
    return labels


def _assignees(logins: list[str]) -> list[str]:
    logins = [login.removeprefix("@") for login in logins]
    if len(logins) > 10:
        raise ValueError("GitHub takes at most ten assignees")
    if not all(re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\[|\]){0,59}", login) for login in logins):
        raise ValueError("Enter the login names of people, not their full names or e-mail addresses")
    return logins


def _branch(name: str) -> str:
    if not re.fullmatch(r"(?!.*\.\.)[^\s~^:?*\[\\\x00-\x1f]{0,200}", name):
        raise ValueError("This is not the name of a branch")
    return name


def _template(template: str) -> str:
    if template:
        body_template.check(template, is_json=False)
    return template


class GitHubConfig(Config):
    """A repository, a token, and what is to be made of an event."""

    token: Annotated[SecretStr, secret(_token)] = Field(
        title="Token",
        description="Personal access token with the `repo` scope, or a fine-grained one with read and write"
        " access to Issues (for pull requests also to Contents and Pull requests).",
    )
    repo: Annotated[str, AfterValidator(_repository)] = Field(
        validation_alias=AliasChoices("repo", "repository"),
        title="Repository",
        description="owner/repo, for instance myorg/my-repo.",
    )
    action: Literal["issue", "comment", "pull_request"] = Field(
        default="issue",
        title="Action",
        description="issue opens one per problem; comment writes on a given issue or pull request;"
        " pull_request proposes a file.",
    )
    labels: Annotated[StringList, AfterValidator(_labels)] = Field(
        default_factory=list,
        title="Labels",
        description=f"Separated by commas. The label {LABEL} is always added.",
    )
    assignees: Annotated[StringList, AfterValidator(_assignees)] = Field(
        default_factory=list, title="Assignees", description="Login names, separated by commas."
    )
    close_on_resolve: bool = Field(
        default=True,
        title="Close when resolved",
        description="Closes the issue when the event is over. If the problem comes back, it is reopened.",
    )
    number: Annotated[int | None, BeforeValidator(blank_is_absent)] = Field(
        default=None, ge=1, title="Issue number", description="For comment: the issue or pull request."
    )
    base_branch: Annotated[str, AfterValidator(_branch)] = Field(
        default="",
        title="Base branch",
        description="For pull_request: where it is to be merged. Empty for the repository's default branch.",
    )
    path_template: Annotated[str, AfterValidator(_template)] = Field(
        default=DEFAULT_PATH,
        title="Path template",
        description="For pull_request: the file to write, or the manifest to change, with fields such as"
        " {{namespace}}.",
    )
    content_template: Annotated[str, AfterValidator(_template)] = Field(
        default="",
        title="Content template",
        description="For pull_request: what the file says. Empty for a report in Markdown.",
        json_schema_extra={"multiline": True},
    )
    manifest_change: Annotated[manifest.Change | None, BeforeValidator(blank_is_absent)] = Field(
        default=None,
        title="Change in the manifest",
        description="For pull_request: raises a number in the manifest of the event's workload, instead of"
        " writing a file.",
    )
    manifest_factor: float = Field(
        default=1.5, gt=1, le=10, title="Factor", description="By how much the number is raised."
    )
    manifest_maximum: str = Field(
        default="", title="Maximum", description="The highest value to propose, such as 4Gi or 20."
    )
    allow_routing: bool = Field(
        default=False,
        title="Let workloads choose the repository",
        description="Heeds the annotation kubegraf.io/github-repo, within the list below.",
    )
    routing_repos: Annotated[StringList, AfterValidator(_repositories)] = Field(
        default_factory=list,
        title="Repositories that workloads may choose",
        description="Names or patterns such as myorg/*, separated by commas.",
    )
    base_url: Annotated[str, AfterValidator(_base_url)] = Field(
        default=GITHUB,
        title="API address",
        description=f"Other than {GITHUB} only for GitHub Enterprise Server: https://HOST/api/v3.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.action == "comment" and self.number is None:
            raise ValueError("Enter the number of the issue or pull request to comment on")
        if self.manifest_change and self.path_template == DEFAULT_PATH:
            raise ValueError("Enter the path of the manifest to change in Path template")
        if self.manifest_change and self.content_template:
            raise ValueError("Choose one of the two: a change in the manifest, or a content template")
        if self.manifest_change and self.manifest_maximum:
            read = manifest.memory if self.manifest_change == "memory_limit" else manifest.replicas
            read(self.manifest_maximum)
        return self

    @property
    def plan(self) -> Plan:
        """What a pull request is to propose."""
        change = self.manifest_change
        raises = manifest.Raise(change, self.manifest_factor, self.manifest_maximum) if change else None
        return Plan(
            self.base_branch, self.path_template, self.content_template, raises, self.labels, self.assignees
        )


def destination(config: GitHubConfig, message: Message) -> tuple[str, str]:
    """The repository the message goes to, and a remark where the workload's wish was not granted."""
    wish = text.one_line(message.routing.get(ROUTING, ""))
    if not wish or not config.allow_routing or config.action == "comment":
        return config.repo, ""
    named = _named(wish)
    if REPOSITORY.fullmatch(named) and allowed(named, config.routing_repos):
        return named, ""
    return config.repo, (
        f"The workload asks for the repository {wish[:140]}, which is not among those that workloads may"
        " choose; the connector's own was used."
    )


_OF_REPOSITORY = {Reason.AUTH, Reason.GONE, Reason.MISCONFIGURED}
"""Why a repository does not take a message, for which another may do."""


def _written(api: Api, config: GitHubConfig, dispatch: Dispatch) -> Exchange[Receipt]:
    """The issue, comment or pull request that the connector makes of a message."""
    if config.action == "issue":
        manner = Manner(config.labels, config.assignees, config.close_on_resolve)
        return (yield from report(api, manner, dispatch))
    if config.action == "comment" and config.number is not None:
        thread = Thread(api, config.number, "comment")
        return thread.receipt(dispatch, (yield from thread.comment(dispatch)))
    return (yield from propose(api, config.plan, dispatch))


class GitHub(Provider[GitHubConfig]):
    """Issues, comments and pull requests."""

    slug = "github"
    label = "GitHub"
    summary = "An issue per problem, comments on a given one, or pull requests."
    needs = "A token with access to the repository, and the repository's name."
    icon = "code"
    config_class = GitHubConfig
    # It lets 500 be created in an hour: a full bucket, and what flows into it in that time.
    rates = (Rate(1), Rate(100, 900))
    example = {
        "token": "ghp_madeUpTokenForTheDocs0123456789abcd",
        "repo": "myorg/my-repo",
        "labels": ["kubernetes", "incident"],
    }

    def send(self, config: GitHubConfig, dispatch: Dispatch) -> Conversation:
        """Looks for what is there already, then writes at most what is new."""
        token = reveal(config.token, "Token", _token)
        repo, note = destination(config, dispatch.message)
        opened_in = dispatch.remote.get("repo")
        continues = dispatch.remote.get("event") == dispatch.message.id
        if continues and isinstance(opened_in, str):
            # An occurrence stays where it was opened, wherever the next one is to go.
            repo = config.repo if config.action == "comment" else opened_in
        api = Api(config.base_url, repo, token, chosen_elsewhere=repo != config.repo)
        try:
            receipt = yield from _written(api, config, dispatch)
        except SendError as error:
            # A workload's mistake must not lose its message.
            if not api.chosen_elsewhere or continues or error.disable or error.reason not in _OF_REPOSITORY:
                raise
            note = f"Written in {config.repo}: {repo}, which the workload asks for, failed. {error.text}"
            api = replace(api, repo=config.repo, chosen_elsewhere=False)
            receipt = yield from _written(api, config, dispatch)
        return msgspec.structs.replace(receipt, note=" ".join(filter(None, (receipt.note, note))))

    def preview(self, config: GitHubConfig, message: Message) -> Preview:
        """The issue or comment, or what a pull request adds."""
        repo, _ = destination(config, message)
        title = markdown.title(message, LONGEST_TITLE)
        if config.action == "comment":
            body = markdown.update(message, LONGEST_BODY)
            return Preview("markdown", f"{repo}#{config.number}", {"title": title, "body": body})
        body = markdown.report(message, LONGEST_BODY)
        if config.action == "pull_request":
            body = f"{_proposed(config, message)}\n\n{body}"
        where = f"{repo}, new {config.action.replace('_', ' ')}"
        return Preview("markdown", where, {"title": title, "body": body})

    def check(self, config: GitHubConfig) -> Conversation:
        """Asks for the repository, and for what the action needs of it."""
        api = Api(config.base_url, config.repo, reveal(config.token, "Token", _token))
        return (yield from inspect(api, Needs(config.action, config.number, config.assignees)))

    def warnings(self, config: GitHubConfig) -> list[str]:
        """Settings without effect."""
        found = []
        if config.allow_routing and config.action == "comment":
            found.append("Workloads cannot choose the repository of a given issue.")
        elif config.allow_routing and not config.routing_repos:
            found.append("Workloads may choose a repository, but the list of those they may is empty.")
        if config.routing_repos and not config.allow_routing:
            found.append("The list of repositories for workloads has no effect while they may not choose.")
        if config.number is not None and config.action != "comment":
            found.append("The issue number has no effect: only the action comment writes on a given issue.")
        if config.manifest_change and config.action != "pull_request":
            found.append("The change in the manifest has no effect: that needs the action pull_request.")
        return found


def _proposed(config: GitHubConfig, message: Message) -> str:
    """What a pull request would do, in words; a manifest is not known before it is read."""
    if config.manifest_change:
        return f"This raises `{config.manifest_change}` by the factor {config.manifest_factor:g}."
    try:
        return record(config.plan, message).lead
    except SendError as error:
        return markdown.prose(error.text)
