"""GitHub: issues, comments and pull requests, on a GitHub of our own that judges every request."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.conversation import Dispatch, Receipt, Request, Response
from connectors.errors import Reason, SendError
from connectors.message import Message, Severity, Status
from connectors.providers.github import GitHub, GitHubConfig
from tests.connectors.providers.canary import CANARY_KEY
from tests.connectors.providers.conversing import a_message, answer, converse, failing, sent
from tests.connectors.providers.fake_github import FakeGitHub
from tests.connectors.transport.driving import Drive, lead
from tests.receiver import Answer, Received, Receiver

CANARIES = [{"token": f"ghp_{CANARY_KEY}0123"}]

TOKEN = "ghp_madeUpTokenForTheDocs0123456789abcd"
GITHUB = GitHub()


def a_config(**changes: Any) -> GitHubConfig:
    return GitHubConfig.model_validate({"token": TOKEN, "repo": "myorg/my-repo", **changes})


class Told:
    """A connector with a memory, as the engine gives it one: each delivery knows what the last one left."""

    def __init__(self, github: FakeGitHub, **changes: Any) -> None:
        self.github, self.config = github, a_config(**changes)
        self.remote: dict[str, Any] = {}

    def dispatch(self, message: Message) -> Dispatch:
        self.github.deliveries += 1
        return Dispatch(f"0199a0b0-1111-7000-8000-{self.github.deliveries:012}", message, dict(self.remote))

    def tell(self, **changes: Any) -> Receipt:
        return self.tell_again(self.dispatch(a_message(**changes)))

    def tell_again(self, dispatch: Dispatch) -> Receipt:
        receipt = self.github.receipt(GITHUB.send(self.config, dispatch))
        self.remote = dict(receipt.remote)
        return receipt


FIRST, SECOND = {"id": "event-1"}, {"id": "event-2"}
RESOLVED = {"status": Status.RESOLVED}

# --- Issues ---------------------------------------------------------------------------------------------


def test_an_issue_is_opened_with_everything_in_it() -> None:
    github = FakeGitHub()
    told = Told(github, labels="kubernetes, incident", assignees="octocat")
    receipt = told.tell(**FIRST)
    issue = github.issues[1]
    assert issue["title"] == "Pod my-app-123 in crash loop"
    assert [label["name"] for label in issue["labels"]] == ["kubegraf", "kubernetes", "incident"]
    assert [person["login"] for person in issue["assignees"]] == ["octocat"]
    assert "kubectl logs my-app-123 -n default" in issue["body"]
    assert "<!-- kubegraf:key=" in issue["body"]
    assert receipt.url == "https://github.com/myorg/my-repo/issues/1"
    assert receipt.remote == {"kind": "issue", "repo": "myorg/my-repo", "number": 1, "event": "event-1"}


def test_an_update_is_a_comment_and_no_twin() -> None:
    github = FakeGitHub()
    told = Told(github)
    told.tell(**FIRST)
    receipt = told.tell(**FIRST, count=7)
    assert len(github.issues) == 1
    assert "**Count:** `7`" in github.comments[0]["body"]
    assert receipt.url == "https://github.com/myorg/my-repo/issues/1#issuecomment-1"


def test_the_open_issue_is_found_by_its_mark_when_its_number_is_lost() -> None:
    github = FakeGitHub()
    Told(github).tell(**FIRST)
    Told(github).tell(**FIRST, count=2)
    assert (len(github.issues), len(github.comments)) == (1, 1)


def test_the_mark_is_looked_for_on_every_page() -> None:
    github = FakeGitHub()
    for number in range(130):
        Told(github).tell(key=f"key-{number}")
    Told(github).tell(key="key-129")
    assert len(github.issues) == 130
    assert github.comments[0]["issue_url"].endswith("/130")


def test_problems_with_different_keys_get_different_issues() -> None:
    github = FakeGitHub()
    Told(github).tell(key="a")
    Told(github).tell(key="b")
    assert len(github.issues) == 2


def test_a_resolve_comments_and_closes() -> None:
    github = FakeGitHub()
    told = Told(github)
    told.tell(**FIRST)
    told.tell(**FIRST, **RESOLVED)
    assert (github.issues[1]["state"], github.issues[1]["state_reason"]) == ("closed", "completed")
    assert github.comments[0]["body"].startswith("✅ **Resolved**")


def test_a_resolve_only_comments_where_that_is_chosen() -> None:
    github = FakeGitHub()
    told = Told(github, close_on_resolve=False)
    told.tell(**FIRST)
    told.tell(**FIRST, **RESOLVED)
    assert github.issues[1]["state"] == "open"
    assert len(github.comments) == 1


def test_a_test_closes_what_it_opened_in_any_case() -> None:
    github = FakeGitHub()
    told = Told(github, close_on_resolve=False)
    told.tell(**FIRST, test=True)
    told.tell(**FIRST, **RESOLVED, test=True)
    assert github.issues[1]["title"].startswith("[Test] ")
    assert github.issues[1]["state"] == "closed"


def test_a_recurrence_reopens_the_issue_with_a_comment() -> None:
    github = FakeGitHub()
    told = Told(github)
    told.tell(**FIRST)
    told.tell(**FIRST, **RESOLVED)
    told.tell(**SECOND)
    assert github.issues[1]["state"] == "open"
    assert (len(github.issues), len(github.comments)) == (1, 2)


def test_an_update_leaves_closed_what_a_person_closed() -> None:
    github = FakeGitHub()
    told = Told(github)
    told.tell(**FIRST)
    github.issues[1]["state"] = "closed"
    told.tell(**FIRST, count=9)
    assert github.issues[1]["state"] == "closed"
    assert len(github.comments) == 1


def test_a_deleted_issue_is_opened_anew() -> None:
    github = FakeGitHub()
    told = Told(github)
    told.tell(**FIRST)
    github.issues.clear()
    told.tell(**FIRST)
    assert list(github.issues) == [1]


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.ACKNOWLEDGED])
def test_the_end_of_what_was_never_opened_writes_nothing(status: Status) -> None:
    github = FakeGitHub()
    receipt = Told(github).tell(status=status)
    assert github.requests == [("GET", "/issues")]
    assert receipt.note == f"There is nothing open to be {status.value}; nothing was written."


def test_labels_that_github_leaves_out_are_remarked_upon() -> None:
    receipt = Told(FakeGitHub(can_push=False)).tell(**FIRST)
    assert receipt.note.startswith("GitHub left the labels out")


def test_labels_that_differ_in_case_alone_are_one_label() -> None:
    github = FakeGitHub(labels=("KubeGraf",))

    receipt = Told(github, labels="Bug, bug, KUBEGRAF").tell(**FIRST)

    assert [label["name"] for label in github.issues[1]["labels"]] == ["KubeGraf", "Bug"]
    assert receipt.note == ""


def test_an_occurrence_stays_where_it_was_opened_when_the_repository_is_changed() -> None:
    github = FakeGitHub()
    told = Told(github)
    told.tell(**FIRST)
    told.config = a_config(repo="myorg/other")
    told.tell(**FIRST, **RESOLVED)
    assert github.issues[1]["state"] == "closed"


def test_a_transferred_issue_is_followed() -> None:
    conversation = GITHUB.send(
        a_config(),
        Dispatch(
            "d", a_message(id="e"), {"kind": "issue", "repo": "myorg/my-repo", "number": 5, "event": "e"}
        ),
    )
    next(conversation)
    moved = {"location": "https://api.github.com/repositories/77/issues/2"}
    again = conversation.send(answer(301, {"message": "Moved"}, **moved))
    assert isinstance(again, Request)
    assert again.url == "https://api.github.com/repositories/77/issues/2"
    issue = {"number": 2, "state": "open", "url": "https://api.github.com/repos/myorg/new-home/issues/2"}
    listed = conversation.send(answer(200, issue))
    assert isinstance(listed, Request)
    assert listed.url.startswith("https://api.github.com/repos/myorg/new-home/issues/2/comments?")


@pytest.mark.usefixtures("loopback")
def test_over_real_connections_an_issue_is_opened_updated_and_closed(
    driver: Drive, receivers: Callable[..., Receiver]
) -> None:
    github = FakeGitHub()

    def serve(received: Received) -> Answer:
        assert received.headers["User-Agent"].startswith("KubeGraf/")  # GitHub refuses requests without one
        request = Request(received.method, received.path, dict(received.headers.items()), received.body)
        response = github.answer(request)
        return response.status, response.headers, response.body

    config = a_config(base_url=f"{receivers(serve).url}/api/v3")
    remote: dict[str, Any] = {}
    for number, status in enumerate((Status.FIRING, Status.FIRING, Status.RESOLVED)):
        dispatch = Dispatch(f"delivery-{number}", a_message(status=status), remote)
        result = lead(driver, GITHUB.send(config, dispatch))
        assert result.receipt is not None, result.error
        assert TOKEN not in repr(result)
        remote = dict(result.receipt.remote)
    assert github.issues[1]["state"] == "closed"
    assert len(github.comments) == 2


# --- Comments -------------------------------------------------------------------------------------------


def test_every_message_is_a_comment_on_the_given_issue() -> None:
    github = FakeGitHub()
    told = Told(github, action="comment", number=1)
    Told(github).tell(key="the issue itself")
    told.tell(**FIRST)
    told.tell(**FIRST, status=Status.ACKNOWLEDGED)
    told.tell(**FIRST, **RESOLVED)
    assert [comment["body"].split("**")[1] for comment in github.comments] == [
        "Critical",
        "Acknowledged",
        "Resolved",
    ]
    assert github.issues[1]["state"] == "open"


def test_a_given_issue_that_is_not_there_is_an_error_in_words() -> None:
    with pytest.raises(SendError, match="was not found: check its name") as error:
        Told(FakeGitHub(), action="comment", number=1).tell(**FIRST)
    assert error.value.disable


# --- Pull requests --------------------------------------------------------------------------------------

MANIFEST = """\
kind: Deployment
metadata: {name: my-app}
spec:
  template:
    spec:
      containers:
        - name: app
          resources: {limits: {memory: 256Mi}}  # measured in May
"""
RAISE = {
    "action": "pull_request",
    "path_template": "apps/{{namespace}}/{{ details.owner | split: '/' | last }}.yaml",
    "manifest_change": "memory_limit",
    "manifest_maximum": "512Mi",
}
OOM: dict[str, Any] = {
    "details": {"owner": "Deployment/my-app", "container": "app"},
    "event_type": "pod_oom_restart",
}


def with_manifest() -> FakeGitHub:
    return FakeGitHub(branches={"main": {"apps/default/my-app.yaml": MANIFEST}})


def test_a_pull_request_records_the_event_in_a_file() -> None:
    github = FakeGitHub()
    told = Told(github, action="pull_request", labels="incident")
    receipt = told.tell(**FIRST)
    (branch,) = github.branches.keys() - {"main"}
    assert branch.startswith("kubegraf/pod_crash_loop-")
    record = github.branches[branch]["incidents/2025-01-15-pod_crash_loop-Pod-my-app-123.md"]
    assert "kubectl logs my-app-123 -n default" in record
    assert github.branches["main"] == {"README.md": "# Hi\n"}
    assert github.issues[1]["title"] == "Pod my-app-123 in crash loop"
    assert [label["name"] for label in github.issues[1]["labels"]] == ["kubegraf", "incident"]
    assert receipt.url == "https://github.com/myorg/my-repo/pull/1"
    assert receipt.remote["kind"] == "pull_request"


def test_path_and_content_come_from_templates() -> None:
    github = FakeGitHub()
    told = Told(
        github,
        action="pull_request",
        path_template="log/{{cluster}}/{{title}}.txt",
        content_template="{{title}} at {{timestamp}}",
        base_branch="main",
    )
    told.tell(title="Über @all: <x>")
    (branch,) = github.branches.keys() - {"main"}
    assert (
        github.branches[branch]["log/production/-ber-all-x-.txt"] == "Über @all: <x> at 2025-01-15T10:30:00Z"
    )


def test_a_pull_request_raises_a_memory_limit_and_changes_nothing_else() -> None:
    github = with_manifest()
    Told(github, **RAISE).tell(**OOM)
    (branch,) = github.branches.keys() - {"main"}
    assert github.branches[branch] == {"apps/default/my-app.yaml": MANIFEST.replace("256Mi", "384Mi")}
    assert github.issues[1]["title"] == (
        "Raise the memory limit of container app of Deployment/my-app from 256Mi to 384Mi"
    )
    assert "from `256Mi` to `384Mi` in `apps/default/my-app.yaml`" in github.issues[1]["body"]


def test_after_a_merge_the_next_occurrence_raises_it_again_up_to_the_maximum() -> None:
    github = with_manifest()
    told = Told(github, **RAISE)
    told.tell(**OOM, **FIRST)
    github.merge(1)
    told.tell(**OOM, **SECOND)
    assert github.issues[2]["title"].endswith("from 384Mi to 512Mi")
    github.merge(2)
    with pytest.raises(SendError, match="at the maximum of 512Mi already") as error:
        told.tell(**OOM, id="event-3")
    assert (error.value.reason, error.value.retry, error.value.disable) == (
        Reason.INVALID_MESSAGE,
        False,
        False,
    )
    assert len(github.issues) == 2


def test_a_refused_change_leaves_no_branch_behind() -> None:
    github = with_manifest()
    with pytest.raises(SendError, match="must have one Deployment named other"):
        Told(github, **{**RAISE, "path_template": "apps/default/my-app.yaml"}).tell(
            details={"owner": "Deployment/other"}
        )
    assert list(github.branches) == ["main"]


def test_a_test_of_a_manifest_connector_proposes_a_record_and_cleans_up() -> None:
    github = with_manifest()
    told = Told(github, **RAISE)
    told.tell(**FIRST, test=True)
    assert any("kubegraf-test.md" in files for files in github.branches.values())
    told.tell(**FIRST, **RESOLVED, test=True)
    assert github.issues[1]["state"] == "closed"
    assert list(github.branches) == ["main"]


def test_an_open_pull_request_gets_a_comment_and_no_twin() -> None:
    github = FakeGitHub()
    told = Told(github, action="pull_request")
    told.tell(**FIRST)
    told.tell(**SECOND)
    told.tell(**SECOND, **RESOLVED)
    assert (len(github.issues), len(github.comments)) == (1, 2)
    assert github.issues[1]["state"] == "open"


def test_what_is_in_the_base_already_is_not_proposed() -> None:
    github = FakeGitHub()
    told = Told(github, action="pull_request", content_template="same", path_template="a.txt")
    github.branches["main"]["a.txt"] = "same"
    assert told.tell(**FIRST).note == "main has this already: there is nothing to propose."
    assert github.issues == {}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{title}}/x.md", "is not a path inside the repository"),
        ("{{namespace}}/workflows/x.yml", "writes nothing below .github"),
        ("a/{{cluster}}/b", "is not a path inside the repository"),
    ],
)
def test_a_path_that_leads_astray_is_refused_and_nothing_is_written(template: str, words: str) -> None:
    github = FakeGitHub()
    message = {"title": "..", "namespace": ".github", "cluster": ".git"}
    with pytest.raises(SendError, match=words):
        Told(github, action="pull_request", path_template=template).tell(**message)
    assert list(github.branches) == ["main"]


@pytest.mark.parametrize(
    ("github", "changes", "words"),
    [
        (FakeGitHub(branches={}), {}, "myorg/my-repo is empty: push a first commit"),
        (FakeGitHub(), {"base_branch": "develop"}, "myorg/my-repo has no branch develop"),
    ],
)
def test_a_base_that_is_not_there_pauses_the_connector(
    github: FakeGitHub, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(SendError, match=words) as error:
        Told(github, action="pull_request", **changes).tell(**FIRST)
    assert error.value.disable


# --- Repeated attempts ----------------------------------------------------------------------------------

STORIES: list[Callable[[Told], Any]] = [
    lambda told: told.dispatch(a_message(**FIRST)),
    lambda told: (told.tell(**FIRST), told.dispatch(a_message(**FIRST, count=2)))[-1],
    lambda told: (told.tell(**FIRST), told.dispatch(a_message(**FIRST, **RESOLVED)))[-1],
    lambda told: (told.tell(**FIRST), told.tell(**FIRST, **RESOLVED), told.dispatch(a_message(**SECOND)))[-1],
]


def state(github: FakeGitHub) -> Any:
    return json.dumps([github.issues, github.comments, github.branches], sort_keys=True)


@pytest.mark.parametrize("story", STORIES, ids=["opens", "updates", "resolves", "comes back"])
@pytest.mark.parametrize("action", ["issue", "comment", "pull_request"])
def test_an_attempt_that_dies_after_any_request_can_be_repeated_without_a_trace(
    story: Callable[[Told], Dispatch], action: str
) -> None:
    def begin() -> tuple[FakeGitHub, Told, Dispatch]:
        github = FakeGitHub()
        Told(github).tell(key="something else")
        told = Told(github, action=action, number=1)
        return github, told, story(told)

    github, told, dispatch = begin()
    before = len(github.requests)
    told.tell_again(dispatch)
    expected, steps = state(github), len(github.requests) - before
    for died_after in range(1, steps + 1):
        github, told, dispatch = begin()
        assert github.hold(GITHUB.send(told.config, dispatch), at_most=died_after) is None
        told.tell_again(dispatch)
        assert state(github) == expected, f"died after request {died_after} of {steps}"


# --- Routing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "wish", "repo", "noted"),
    [
        ({}, "myorg/team", "myorg/my-repo", False),
        ({"allow_routing": True, "routing_repos": "myorg/*"}, "myorg/team", "myorg/team", False),
        ({"allow_routing": True, "routing_repos": "MyOrg/*"}, "myorg/Team", "myorg/Team", False),
        ({"allow_routing": True, "routing_repos": "myorg/*"}, "evil/team", "myorg/my-repo", True),
        ({"allow_routing": True, "routing_repos": "*"}, "myorg/../../x", "myorg/my-repo", True),
        ({"allow_routing": True}, "myorg/team", "myorg/my-repo", True),
    ],
)
def test_a_workload_chooses_its_repository_within_the_list(
    changes: dict[str, Any], wish: str, repo: str, noted: bool
) -> None:
    github = FakeGitHub(repo=repo)
    receipt = Told(github, **changes).tell(routing={"github-repo": wish})
    assert list(github.issues) == [1]
    assert receipt.note.startswith("The workload asks for the repository") is noted


@pytest.mark.parametrize("wish", ["https://github.com/myorg/team", "git@github.com:myorg/team.git"])
def test_a_workload_may_name_its_repository_by_any_address_of_it(wish: str) -> None:
    github = FakeGitHub(repo="myorg/team")

    Told(github, allow_routing=True, routing_repos="myorg/*").tell(routing={"github-repo": wish})

    assert list(github.issues) == [1]


def test_the_repositories_that_workloads_may_choose_may_be_given_by_their_addresses() -> None:
    config = a_config(allow_routing=True, routing_repos="https://github.com/myorg/team, github.com/other/*")

    assert config.routing_repos == ["myorg/team", "other/*"]


ROUTED = {"routing": {"github-repo": "myorg/team"}}


@pytest.mark.parametrize(
    "refusals",
    [
        [answer(404, {"message": "Not Found"})],
        [answer(200, []), answer(403, {"message": "Resource not accessible by personal access token"})],
        [answer(200, []), answer(410, {"message": "Issues are disabled"})],
        [answer(200, []), answer(422, {"message": "Invalid", "errors": [{"field": "assignees"}]})],
    ],
)
def test_what_a_workloads_repository_does_not_take_goes_to_the_connectors_own(
    refusals: list[Response],
) -> None:
    config = a_config(allow_routing=True, routing_repos="myorg/*")
    opened = answer(201, {"number": 7, "labels": [{"name": "kubegraf"}]})
    conversation = GITHUB.send(config, Dispatch("d", a_message(**ROUTED)))

    requests, receipt = converse(conversation, *refusals, answer(200, []), opened)

    assert isinstance(requests[-1], Request)
    assert requests[-1].url == "https://api.github.com/repos/myorg/my-repo/issues"
    assert receipt.remote["repo"] == "myorg/my-repo"
    assert receipt.note.startswith("Written in myorg/my-repo: myorg/team, which the workload asks for,")


def test_what_was_opened_in_a_repository_that_only_a_workload_chose_ends_there_or_fails() -> None:
    config = a_config(allow_routing=True, routing_repos="myorg/*")
    remote = {"kind": "issue", "repo": "myorg/team", "number": 7, "event": a_message().id}
    dispatch = Dispatch("d", a_message(**ROUTED, **RESOLVED), remote)

    error = failing(GITHUB.send(config, dispatch), answer(403, NO_RIGHT))

    assert (error.reason, error.disable, error.retry) == (Reason.AUTH, False, False)


def test_a_token_that_is_revoked_pauses_the_connector_whoever_chose_the_repository() -> None:
    config = a_config(allow_routing=True, routing_repos="myorg/*")

    error = failing(GITHUB.send(config, Dispatch("d", a_message(**ROUTED))), answer(401, {}))

    assert (error.reason, error.disable) == (Reason.AUTH, True)


# --- What GitHub's refusals mean ------------------------------------------------------------------------

DATE = "Wed, 15 Jan 2025 10:30:00 GMT"
RESET = str(int(datetime(2025, 1, 15, 10, 40, tzinfo=UTC).timestamp()))
NO_RIGHT = {"message": "Resource not accessible by personal access token"}
SECONDARY = {"message": "You have exceeded a secondary rate limit."}
INVALID = {"message": "Validation Failed", "errors": [{"field": "title", "code": "missing_field"}]}
TOO_QUICKLY = {
    "message": "Validation Failed",
    "errors": [{"code": "custom", "field": "base", "message": "was submitted too quickly"}],
}
BLOCKED = {"message": "Repository access blocked", "block": {"reason": "tos"}}
LABELS = {"message": "Validation Failed", "errors": [{"field": "assignees", "code": "invalid", "value": "x"}]}


@pytest.mark.parametrize(
    ("status", "body", "headers", "reason", "retry", "disable", "wait", "words"),
    [
        (401, {"message": "Bad credentials"}, {}, Reason.AUTH, False, True, None, "Create a new one"),
        (403, NO_RIGHT, {"x_accepted_github_permissions": "issues=write"}, Reason.AUTH, False, True, None,
         "check that it has the `repo` scope"),
        (403, NO_RIGHT, {"x_accepted_github_permissions": "issues=write"}, Reason.AUTH, False, True, None,
         "GitHub asks for: issues=write"),
        (403, {"message": "API rate limit exceeded"},
         {"x_ratelimit_remaining": "0", "x_ratelimit_reset": RESET, "date": DATE},
         Reason.RATE_LIMITED, True, False, 600.0, "rate limit is exceeded"),
        (429, {}, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": RESET, "date": DATE},
         Reason.RATE_LIMITED, True, False, 600.0, "rate limit is exceeded"),
        (403, SECONDARY, {"retry_after": "30"}, Reason.RATE_LIMITED, True, False, 30.0, "secondary"),
        (403, SECONDARY, {}, Reason.RATE_LIMITED, True, False, 60.0, "secondary"),
        (429, {}, {}, Reason.RATE_LIMITED, True, False, 60.0, "rate limit"),
        (403, {"message": "Repository was archived so is read-only."}, {}, Reason.GONE, False, True, None,
         "unarchive"),
        (403, {"message": "Unable to create comment because issue is locked."}, {}, Reason.INVALID_MESSAGE,
         False, False, None, "unlock"),
        (403, BLOCKED, {}, Reason.GONE, False, True, None, "GitHub has blocked myorg/my-repo"),
        (451, BLOCKED, {}, Reason.GONE, False, True, None, "GitHub has blocked myorg/my-repo"),
        (404, {"message": "Not Found"}, {}, Reason.GONE, False, True, None, "has access to the repository"),
        (410, {"message": "Issues are disabled"}, {}, Reason.GONE, False, True, None, "enable them under"),
        (422, INVALID, {}, Reason.INVALID_MESSAGE, False, False, None, "title: missing_field"),
        (422, TOO_QUICKLY, {}, Reason.RATE_LIMITED, True, False, 60.0, "rate limit is exceeded"),
        (422, LABELS, {}, Reason.MISCONFIGURED, False, True, None, "assignees: invalid"),
        (500, "<html>", {}, Reason.SERVER_ERROR, True, False, None, "HTTP 500"),
        (502, "", {}, Reason.SERVER_ERROR, True, False, None, "HTTP 502"),
        (302, "", {"location": "https://evil.example.com/"}, Reason.REDIRECT, False, False, None,
         "evil.example.com, where the token is not sent"),
        (301, "", {}, Reason.REDIRECT, False, False, None, "HTTP 301"),
        (301, "", {"location": "https://[bad"}, Reason.REDIRECT, False, False, None, "HTTP 301"),
        (200, "[{]", {}, Reason.BAD_ANSWER, True, False, None, "not JSON"),
        (200, {"not": "a list"}, {}, Reason.BAD_ANSWER, True, False, None, "not a list"),
    ],
)  # fmt: skip
def test_every_refusal_has_a_verdict(
    status: int,
    body: Any,
    headers: dict[str, str],
    reason: Reason,
    retry: bool,
    disable: bool,
    wait: float | None,
    words: str,
) -> None:
    error = failing(GITHUB.send(a_config(), Dispatch("d", a_message())), answer(status, body, **headers))
    assert (error.reason, error.retry, error.disable, error.retry_after) == (reason, retry, disable, wait)
    assert words in error.text


def test_an_answer_without_a_number_is_no_success_and_is_tried_again() -> None:
    error = failing(
        GITHUB.send(a_config(), Dispatch("d", a_message())), answer(200, []), answer(201, {"ok": 1})
    )
    assert (error.reason, error.retry) == (Reason.BAD_ANSWER, True)
    assert error.text == "GitHub's answer has no 'number'"


def test_a_renamed_repository_is_followed_with_method_and_body() -> None:
    conversation = GITHUB.send(a_config(), Dispatch("d", a_message()))
    next(conversation)
    first = conversation.send(answer(200, []))
    moved = {"location": "https://api.github.com/repositories/77/issues"}
    again = conversation.send(answer(307, {"message": "Moved"}, **moved))
    assert isinstance(first, Request)
    assert isinstance(again, Request)
    assert (again.method, again.url) == ("POST", moved["location"])
    assert again.body == first.body


def test_a_circle_of_redirects_ends_after_three() -> None:
    conversation = GITHUB.send(a_config(), Dispatch("d", a_message()))
    places = [f"https://api.github.com/{number}" for number in range(4)]
    error = failing(conversation, *(answer(301, "", location=place) for place in places))
    assert error.reason == Reason.REDIRECT


# --- Checks, previews, warnings -------------------------------------------------------------------------


def test_a_check_says_what_it_found_and_writes_nothing() -> None:
    github = FakeGitHub()
    receipt = github.receipt(GITHUB.check(a_config(assignees="octocat")))
    assert receipt.note == (
        "The repository myorg/my-repo is there and the token has access to it."
        " Its scopes are: repo, read:org."
    )
    assert {method for method, _ in github.requests} == {"GET"}


@pytest.mark.parametrize(
    ("github", "changes", "reason", "words"),
    [
        (FakeGitHub(archived=True), {}, Reason.MISCONFIGURED, "is archived: unarchive it"),
        (FakeGitHub(has_issues=False), {}, Reason.MISCONFIGURED, "Issues are disabled in myorg/my-repo"),
        (FakeGitHub(scopes="gist, public_repo"), {}, Reason.AUTH, "The token lacks the `repo` scope"),
        (FakeGitHub(scopes=""), {}, Reason.AUTH, "The token lacks the `repo` scope"),
        (FakeGitHub(can_push=False), {"action": "pull_request"}, Reason.AUTH, "no write access to the code"),
        (
            FakeGitHub(),
            {"action": "comment", "number": 3},
            Reason.MISCONFIGURED,
            "no issue or pull request 3",
        ),
        (FakeGitHub(), {"assignees": "nobody"}, Reason.MISCONFIGURED, "nobody cannot be assigned"),
    ],
)
def test_a_check_says_what_is_wrong(
    github: FakeGitHub, changes: dict[str, Any], reason: Reason, words: str
) -> None:
    with pytest.raises(SendError, match=words) as error:
        github.hold(GITHUB.check(a_config(**changes)))
    assert (error.value.reason, error.value.disable) == (reason, True)


@pytest.mark.parametrize(
    ("github", "words"),
    [
        (FakeGitHub(scopes=None), "A fine-grained token's rights cannot be asked for"),
        (FakeGitHub(can_push=False), "GitHub leaves out labels and assignees"),
        (FakeGitHub(scopes="public_repo", private=False), "Its scopes are: public_repo."),
    ],
)
def test_a_check_remarks_on_what_is_only_doubtful(github: FakeGitHub, words: str) -> None:
    assert words in github.receipt(GITHUB.check(a_config())).note


def test_a_preview_is_what_is_sent() -> None:
    github = FakeGitHub()
    Told(github).tell(**FIRST)
    preview = GITHUB.preview(a_config(), a_message(**FIRST))
    assert (preview.format, preview.target) == ("markdown", "myorg/my-repo, new issue")
    assert preview.content["title"] == github.issues[1]["title"]
    assert github.issues[1]["body"].startswith(preview.content["body"])


def test_a_preview_of_a_pull_request_names_its_file() -> None:
    body = GITHUB.preview(a_config(action="pull_request"), a_message()).content["body"]
    assert body.startswith(
        "This records the event in `incidents/2025-01-15-pod_crash_loop-Pod-my-app-123.md`."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"allow_routing": True}, "the list of those they may is empty"),
        ({"routing_repos": "a/b"}, "has no effect while they may not choose"),
        ({"allow_routing": True, "action": "comment", "number": 1}, "cannot choose the repository"),
        ({"number": 4}, "The issue number has no effect"),
        ({"manifest_change": "max_replicas", "path_template": "a.yaml"}, "needs the action pull_request"),
    ],
)
def test_settings_without_effect_are_warned_about(changes: dict[str, Any], words: str) -> None:
    (warning,) = GITHUB.warnings(a_config(**changes))
    assert words in warning


# --- The configuration ----------------------------------------------------------------------------------


def test_the_documented_example_and_its_aliases_are_taken() -> None:
    config = GitHubConfig.model_validate(
        {
            "token": TOKEN,
            "repository": "https://github.com/myorg/my-repo.git",
            "labels": "kubernetes,incident",
        }
    )
    assert config.repo == "myorg/my-repo"
    assert config.labels == ["kubernetes", "incident"]


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/myorg/my-repo.git/",
        "http://github.com/myorg/my-repo",
        "https://www.github.com/myorg/my-repo/tree/main/apps?tab=readme#top",
        "github.com/myorg/my-repo/",
        "GitHub.com/myorg/my-repo",
        "git@github.com:myorg/my-repo.git",
        "ssh://git@github.com/myorg/my-repo.git",
    ],
)
def test_a_repository_may_be_given_by_any_address_that_github_shows(address: str) -> None:
    assert a_config(repo=address).repo == "myorg/my-repo"


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/myorg",
        "https://github.com.example.com/myorg/my-repo",
        "https://example.com/myorg/my-repo",
    ],
)
def test_an_address_of_something_else_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="Enter the repository as owner/repo"):
        a_config(repo=address)


def test_what_a_form_leaves_blank_is_absent() -> None:
    config = a_config(number="", manifest_change="", labels="", assignees="")
    assert config == a_config()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token": "ghp_xxxxxxxxxxxx"}, "is a placeholder from an example"),
        ({"token": "short"}, "was it copied whole?"),
        ({"repo": "my-repo"}, "Enter the repository as owner/repo"),
        ({"repo": "myorg/.."}, "Enter the repository as owner/repo"),
        ({"action": "comment"}, "Enter the number of the issue"),
        ({"labels": ["x" * 51]}, "at most 50 characters"),
        ({"labels": [f"l{n}" for n in range(100)]}, "at most 100 labels, of which kubegraf is one"),
        ({"assignees": "Mona Lisa"}, "login names"),
        ({"assignees": [f"p{n}" for n in range(11)]}, "at most ten"),
        ({"base_url": "https://github.com"}, "is at https://api.github.com"),
        ({"base_url": "https://github.example.com"}, "https://HOST/api/v3"),
        ({"base_branch": "a..b"}, "not the name of a branch"),
        ({"path_template": "{{nope}}"}, "There is no field 'nope'"),
        ({"content_template": "{{"}, "The template does not work"),
        ({"manifest_change": "memory_limit"}, "Enter the path of the manifest"),
        ({**RAISE, "content_template": "x"}, "Choose one of the two"),
        ({**RAISE, "manifest_maximum": "lots"}, "“lots” is not an amount of memory"),
        ({**RAISE, "manifest_factor": 1}, "greater than 1"),
        ({"events": ["all"]}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_reason(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        a_config(**changes)
    assert words in str(refusal.value)
    assert "ghp_" not in str(refusal.value).replace("ghp_ or github_pat_", "")


@pytest.mark.parametrize(
    "address",
    ["https://api.github.com", "https://github.example.com/api/v3/", "https://api.myorg.ghe.com"],
)
def test_every_kind_of_github_is_reached_at_its_address(address: str) -> None:
    request = next(GITHUB.send(a_config(base_url=address), Dispatch("d", a_message())))
    assert isinstance(request, Request)
    assert request.url.startswith(f"{address.rstrip('/')}/repos/myorg/my-repo/issues?")


def test_a_reference_is_taken_and_its_value_is_judged_when_it_is_used() -> None:
    config = a_config(token="env:KUBEGRAF_SECRET_GITHUB")
    error = failing(GITHUB.send(config, Dispatch("d", a_message())))
    assert (error.reason, error.disable) == (Reason.MISCONFIGURED, True)
    assert error.text.startswith("Token: A token begins with")


def test_a_long_message_is_shortened_to_what_github_takes() -> None:
    github = FakeGitHub()
    told = Told(github)
    long = {"title": "t" * 10_000, "description": "<d" * 50_000, "details": {"log": "l" * 100_000}}
    told.tell(**FIRST, **long)
    told.tell(**FIRST, **long)
    assert github.issues[1]["title"].endswith("…")
    assert "<!-- kubegraf:delivery=" in github.issues[1]["body"]


def test_severities_are_told_apart_at_a_glance() -> None:
    leads = []
    for severity in Severity:
        conversation = GITHUB.send(a_config(), Dispatch("d", a_message(severity=severity)))
        next(conversation)
        leads.append(sent(conversation.send(answer(200, [])))["body"].split(" · ")[0])
    assert leads == ["🔴 **Critical**", "🟠 **High**", "🟡 **Medium**", "🔵 **Low**", "⚪ **Info**"]
