"""What goes wrong between us and an API server, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest

from events.cluster.grant import grant
from events.cluster.objects import Deployment, Node, Pod, Resource
from events.cluster.trouble import (
    Trouble,
    from_answer,
    grants_in,
    is_absence,
    missing_right,
    retry_after,
)
from tests.events.cluster import recorded

SERVER = "https://kubernetes.example.com:6443"


def test_the_recorded_403_names_the_right_and_the_account() -> None:
    secrets = Resource("", "v1", "secrets", "Secret")
    error = from_answer(
        403, {}, recorded.status("forbidden"), server=SERVER, resource=secrets, namespace="shop"
    )
    assert error.kind == Trouble.FORBIDDEN
    assert error.text == (
        "system:serviceaccount:payments:default has no right to get, list and watch secrets in the namespace"
        " shop. To grant it: kubectl create role kubegraf-secrets --verb=get,list,watch --resource=secrets"
        " -n shop && kubectl create rolebinding kubegraf-secrets --role=kubegraf-secrets"
        " --serviceaccount=payments:default -n shop"
    )


def test_the_recorded_401_says_what_to_look_at() -> None:
    error = from_answer(401, {}, recorded.status("unauthorized"), server=SERVER, resource=Pod.resource)
    assert error.kind == Trouble.UNAUTHORIZED
    assert error.text == (
        f"{SERVER} does not accept the credentials of this cluster (401):"
        " the token or certificate is missing, wrong or out of date."
    )


def test_being_taken_for_nobody_is_a_matter_of_credentials() -> None:
    said = {"message": 'pods is forbidden: User "system:anonymous" cannot list resource "pods"', "code": 403}
    error = from_answer(403, {}, msgspec.json.encode(said), server=SERVER, resource=Pod.resource)
    assert error.kind == Trouble.UNAUTHORIZED


def test_a_right_in_a_group_names_the_group() -> None:
    text = missing_right(Deployment.resource, "", 'User "jane" cannot list resource "deployments"')
    assert "--resource=deployments.apps &&" in text
    assert text.endswith("--user=jane")


def test_what_a_server_says_of_an_account_cannot_end_the_command() -> None:
    text = missing_right(Node.resource, "", 'User "x; rm -rf ~" cannot list resource "nodes"')
    assert text.endswith("--user='x; rm -rf ~'")


def test_an_account_that_is_not_told_is_left_to_be_filled_in() -> None:
    assert missing_right(Node.resource, "", "no").endswith("--serviceaccount=NAMESPACE:NAME")


def test_the_commands_that_grant_a_right_are_told_apart_from_its_text() -> None:
    words, commands = grants_in(missing_right(Node.resource, "", 'User "jane" cannot list resource "nodes"'))

    assert words == "jane has no right to get, list and watch nodes."
    assert commands == list(grant(Node.resource, "get,list,watch", "jane"))


def test_a_text_that_misses_several_rights_or_none_is_left_whole() -> None:
    several = " ".join([missing_right(Node.resource, "", "no")] * 2)

    assert grants_in(several) == (several, [])
    assert grants_in("It broke.") == ("It broke.", [])


def test_what_is_not_installed_is_an_absence_and_a_missing_right_is_none() -> None:
    absent = from_answer(404, {}, b"", server=SERVER, resource=Node.resource)

    assert is_absence(absent.text)
    assert not is_absence(missing_right(Node.resource, "", "no"))


def test_a_body_that_is_not_the_apis_is_not_quoted() -> None:
    error = from_answer(502, {}, b"<html>secret proxy page</html>", server=SERVER)
    assert (error.kind, error.text) == (Trouble.FAILED, f"{SERVER} answered 502.")


def test_a_long_message_is_cut() -> None:
    error = from_answer(500, {}, msgspec.json.encode({"message": "no " * 1000}), server=SERVER)
    assert len(error.text) < 400


def test_a_redirect_makes_one_doubt_the_address() -> None:
    error = from_answer(302, {"Location": "https://example.com/login"}, b"", server=SERVER)
    assert error.text == f"{SERVER} answered 302, which an API server does not do. Is the address right?"


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), (" 7 ", 7.0), ("86400", 300.0), ("", 0.0), ("soon", 0.0), ("-3", 0.0)]
)
def test_retry_after_in_seconds(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert 58.0 <= retry_after(format_datetime(later, usegmt=True)) <= 60.0
    assert retry_after("Thu, 01 Jan 2015 00:00:00 GMT") == 0.0
