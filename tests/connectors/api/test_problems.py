"""Errors of the API: one shape, whatever went wrong and whoever noticed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from connectors.models import Connector
from tests.calling import API, Caller
from tests.making import make_connector

pytestmark = pytest.mark.django_db
HUSH = "hush-hush-4711"


def problem(answer: HttpResponse) -> tuple[int, str, str, str]:
    """Status, kind, title and path of a problem, which must be one."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()  # type: ignore[attr-defined]
    assert said["status"] == answer.status_code
    assert said["detail"]
    return (
        answer.status_code,
        said["type"].removeprefix("urn:kubegraf:problem:"),
        said["title"],
        said["instance"],
    )


@pytest.fixture
def caller() -> Caller:
    """Someone who may do everything."""
    return Caller(everything=True)


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "clusters/", b"{", (400, "parse_error", "Bad Request")),
        ("POST", "clusters/", {}, (400, "invalid", "Bad Request")),
        ("GET", "clusters/?nme=a", None, (400, "invalid", "Bad Request")),
        ("GET", "clusters/4711/", None, (404, "not_found", "Not Found")),
        ("GET", "clusters/one/", None, (404, "not_found", "Not Found")),
        ("GET", "nothing/", None, (404, "not_found", "Not Found")),
        ("DELETE", "clusters/", None, (405, "method_not_allowed", "Method Not Allowed")),
        ("POST", "clusters/", b'"' + b"a" * 1_100_000 + b'"', (413, "too_large", "Request Entity Too Large")),
    ],
)
def test_what_did_not_work_is_told_as_a_problem(
    caller: Caller, method: str, path: str, body: Any, expected: tuple[int, str, str]
) -> None:
    answer = caller.call(method, path, body)
    assert problem(answer) == (*expected, API + path.partition("?")[0])


def test_what_may_not_be_done_is_a_problem() -> None:
    assert problem(Caller().call("GET", "clusters/"))[:2] == (403, "permission_denied")
    assert problem(Client().get(f"{API}clusters/"))[:2] == (401, "not_authenticated")
    refused = Client().get(f"{API}clusters/", headers={"Authorization": "Token made-up"})
    assert problem(refused)[:2] == (401, "authentication_failed")


def test_a_media_type_that_there_is_not_is_a_problem(caller: Caller) -> None:
    token = {"Authorization": f"Token {caller.token}"}
    answer = caller.client.get(f"{API}clusters/", headers={**token, "Accept": "text/html"})
    assert problem(answer)[:2] == (406, "not_acceptable")
    answer = caller.client.post(f"{API}clusters/", {"name": "a"}, headers=token)
    assert problem(answer)[:2] == (415, "unsupported_media_type")


def test_a_session_without_its_csrf_token_is_a_problem() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("admin"))
    answer = client.post(f"{API}clusters/", "{}", content_type="application/json")
    assert problem(answer)[:2] == (403, "permission_denied")
    assert "CSRF" in answer.json()["detail"]


def test_what_nobody_foresaw_is_a_problem_that_tells_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_connector()
    Connector.objects.update(options="no object")  # what no code of ours would store
    caller.client.raise_request_exception = False
    answer = caller.call("GET", "connectors/")
    assert problem(answer)[:3] == (500, "server_error", "Internal Server Error")
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/api/nothing", "/api/v2/events/", "/api/v1/connectors/1/nothing/"])
def test_an_unknown_address_of_the_api_is_a_problem_for_anybody(path: str) -> None:
    assert problem(Client().get(path)) == (404, "not_found", "Not Found", path)


def test_a_report_sent_to_an_address_without_its_slash_is_not_lost_in_a_redirect(caller: Caller) -> None:
    answer = caller.call("POST", "events", {"event_type": "hpa_maxed", "title": "a"})
    assert problem(answer)[:2] == (404, "not_found")
    assert "Addresses end in a slash." in answer.text
    assert caller.call("GET", "events").headers["Location"] == f"{API}events/"


def test_an_unknown_address_elsewhere_is_a_page() -> None:
    assert Client().get("/nothing").headers["Content-Type"].startswith("text/html")


def test_a_host_that_is_not_ours_is_a_problem(caller: Caller) -> None:
    answer = caller.client.get(f"{API}clusters/", headers={"Host": "elsewhere.example.net"})
    assert problem(answer)[:2] == (400, "bad_request")


def test_each_mistake_has_its_place_for_people_and_for_programs(caller: Caller) -> None:
    body = {"name": "hook", "type": "webhook", "config": {"url": "ftp://x", "a/b~c": 1}, "nmae": "x"}
    answer = caller.post("connectors/", body, 400)
    assert answer["detail"].startswith("nmae: There is no such field.")
    assert [(error["field"], error["pointer"]) for error in answer["errors"]] == [("nmae", "/nmae")]
    del body["nmae"]
    answer = caller.post("connectors/", body, 400)
    assert {(error["field"], error["pointer"]) for error in answer["errors"]} == {
        ("config.url", "/config/url"),
        ("config.a/b~c", "/config/a~1b~0c"),
    }


def test_the_place_of_a_mistake_in_a_list_is_its_index(caller: Caller) -> None:
    body = {"event_type": "hpa_maxed", "title": "a", "recommendations": [{"action": "a"}, {"command": "b"}]}
    (error,) = caller.post("events/", body, 400)["errors"]
    assert error == {
        "field": "recommendations.1.action",
        "pointer": "/recommendations/1/action",
        "message": "This field is required.",
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("events/", {f"{number:x}": 0 for number in range(5000)}),
        ("events/", {"title": "a", "event_type": "x" * 100_000}),
        ("events/", {"title": "a", "event_type": "hpa_maxed", "x" * 100_000: 0}),
        (
            "connectors/",
            {"name": "a", "type": "webhook", "config": {f"{number:x}": 0 for number in range(5000)}},
        ),
        ("connectors/", {"name": "a", "type": "webhook", "config": {"x" * 100_000: 0}}),
        ("subscriptions/", {"connector": 0, "event_types": [f"{number:x}" for number in range(5000)]}),
    ],
    ids=["unknown fields", "long value", "long name", "unknown options", "long option", "unknown types"],
)
def test_an_answer_is_short_however_much_is_wrong(caller: Caller, path: str, body: Any) -> None:
    answer = caller.call("POST", path, body)
    assert problem(answer)[:2] == (400, "invalid")
    assert len(answer.content) < 60_000


def test_of_many_mistakes_the_first_hundred_are_listed_and_the_rest_is_counted(caller: Caller) -> None:
    answer = caller.post("events/", {f"{number:x}": 0 for number in range(150)}, 400)
    assert len(answer["errors"]) == 100
    assert answer["detail"].endswith("; and 147 more.")


def test_a_list_that_is_too_long_is_refused_without_looking_at_its_items(caller: Caller) -> None:
    body = {"event_type": "hpa_maxed", "title": "a", "recommendations": [{"nothing": 1}] * 21}
    (error,) = caller.post("events/", body, 400)["errors"]
    assert (error["field"], error["message"]) == (
        "recommendations",
        "Ensure this field has no more than 20 elements.",
    )


def test_a_mistake_in_the_address_has_no_place_in_the_body(caller: Caller) -> None:
    (error,) = caller.call("GET", "deliveries/?since=yesterday").json()["errors"]  # type: ignore[attr-defined]
    assert set(error) == {"field", "message"}
    assert (error["field"], error["message"].startswith("This must be a date and time")) == ("since", True)


def test_a_body_that_is_wrong_as_a_whole_is_told_so(caller: Caller) -> None:
    (error,) = caller.post("clusters/", [], 400)["errors"]
    assert (error["field"], error["pointer"]) == ("", "")


def test_a_problem_repeats_neither_secrets_nor_what_follows_the_question_mark(caller: Caller) -> None:
    for body in (
        {"name": "h", "type": "webhook", "config": {"url": f"https://u:{HUSH}@hooks.example.com/"}},
        {"name": "h", "type": "slack", "config": {"webhook_url": HUSH}},
        {"name": "h", "type": "webhook", "config": {"headers": HUSH}},
    ):
        assert HUSH not in str(caller.post("connectors/", body, 400))
    body = {"name": "c", "access": "kubeconfig", "kubeconfig": f"token: {HUSH}: ["}
    assert HUSH not in str(caller.post("clusters/", body, 400))
    answer = caller.call("GET", f"deliveries/?token={HUSH}")
    assert (answer.status_code, HUSH in answer.text) == (400, False)
