"""Trying a connector out."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from connectors.models import Connector, Delivery
from connectors.trial import try_out
from tests.making import make_connector
from tests.receiver import Answer, Received, Receiver

pytestmark = pytest.mark.django_db(transaction=True)

REPOSITORY = {
    "full_name": "o/r",
    "has_issues": True,
    "archived": False,
    "permissions": {"push": True, "admin": False, "pull": True},
}
ISSUE = {"number": 7, "html_url": "https://github.com/o/r/issues/7", "state": "open", "labels": []}


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_HTTP = True
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


def test_a_trial_is_a_delivery_on_record_like_any_other(receiver: Receiver) -> None:
    connector = make_connector(url=f"{receiver.url}/in")

    trial = try_out(connector)

    assert Delivery.objects.get() == trial.delivery
    assert (trial.delivery.status, trial.delivery.origin) == ("delivered", "test")
    assert trial.delivery.attempts.get().outcome == "delivered"
    [request] = receiver.requests
    assert request.json()["event_type"] == "test"
    assert trial.closing is None


def test_a_disabled_connector_can_be_tried_out(receiver: Receiver) -> None:
    connector = make_connector(url=f"{receiver.url}/in")
    Connector.objects.update(enabled=False)

    assert try_out(connector).delivery.status == "delivered"


def test_a_trial_that_fails_for_a_moment_is_not_tried_again(receiver: Receiver) -> None:
    receiver.script([(503, {}, b"")])
    connector = make_connector(url=f"{receiver.url}/in")

    trial = try_out(connector)

    assert (trial.delivery.status, trial.delivery.reason) == ("failed", "server_error")
    assert trial.delivery.settled_at is not None


def test_a_trial_that_fails_is_not_tried_again_and_pauses_nothing(receiver: Receiver) -> None:
    receiver.script([(401, {}, b"who are you")])
    connector = make_connector(url=f"{receiver.url}/in")

    trial = try_out(connector)

    assert (trial.delivery.status, trial.delivery.reason) == ("failed", "auth")
    connector.refresh_from_db()
    assert connector.paused_at is None
    assert len(receiver.requests) == 1


def test_what_a_trial_opened_it_closes(receiver: Receiver) -> None:
    def github(request: Received) -> Answer:
        if request.path.endswith("/repos/o/r"):
            return 200, {"x-oauth-scopes": "repo"}, REPOSITORY
        if request.method == "POST" and request.path.endswith("/comments"):
            return 201, {}, {"id": 1, "html_url": ISSUE["html_url"]}
        if request.method == "POST":
            return 201, {}, ISSUE
        if request.method == "GET" and request.path.endswith("/issues/7"):
            return 200, {}, ISSUE
        if request.method == "PATCH":
            return 200, {}, {**ISSUE, "state": "closed"}
        return 200, {}, []

    receiver.script(github)
    connector = make_connector(
        "issues",
        "github",
        token="ghp_0123456789abcdefghij0123456789abcd",
        repo="o/r",
        base_url=f"{receiver.url}/api/v3",
    )

    trial = try_out(connector)

    assert trial.closing is not None
    assert (trial.delivery.status, trial.closing.status) == ("delivered", "delivered")
    closed = [request.json() for request in receiver.requests if request.method == "PATCH"]
    assert closed == [{"state": "closed", "state_reason": "completed"}]


def test_the_check_comes_first_and_stops_a_trial_that_cannot_work(receiver: Receiver) -> None:
    receiver.script([(200, {}, {**REPOSITORY, "has_issues": False})])
    connector = make_connector(
        "issues",
        "github",
        token="ghp_0123456789abcdefghij0123456789abcd",
        repo="o/r",
        base_url=f"{receiver.url}/api/v3",
    )

    trial = try_out(connector)

    assert trial.delivery.status == "failed"
    assert "issues" in trial.delivery.note.lower()
    assert [request.method for request in receiver.requests] == ["GET"]
