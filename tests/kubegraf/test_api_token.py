"""`api_token`: what it prints is a token that works, and nothing of it is kept."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from kubegraf.models import ApiToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    """Someone to give a token to."""
    return User.objects.create_user("robot")


def printed(*arguments: str) -> str:
    """What the command prints, without the line's end."""
    out = io.StringIO()
    call_command("api_token", *arguments, stdout=out)
    assert out.getvalue().count("\n") == 1
    return out.getvalue().strip()


def status_with(token: str) -> int:
    """How the API answers to that token."""
    return Client().get("/api/v1/providers/", headers={"Authorization": f"Token {token}"}).status_code


@pytest.mark.usefixtures("user")
def test_the_token_opens_the_api() -> None:
    assert status_with(printed("robot")) == 200


@pytest.mark.usefixtures("user")
def test_asked_again_it_makes_a_new_one_and_ends_the_former_of_that_name() -> None:
    other = printed("robot", "--name", "other")
    old = printed("robot")
    new = printed("robot")
    assert [status_with(token) for token in (other, old, new)] == [200, 401, 200]


@pytest.mark.usefixtures("user")
def test_name_scope_and_days_are_as_asked() -> None:
    printed("robot", "--name", "CI", "--scope", "ingest", "--days", "30")
    token = ApiToken.objects.get()
    assert (token.name, token.scope) == ("CI", "ingest")
    assert token.expires_at is not None
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)


@pytest.mark.usefixtures("user")
def test_revoking_prints_no_token_and_ends_the_one_of_that_name() -> None:
    text = printed("robot")
    out, error = io.StringIO(), io.StringIO()
    call_command("api_token", "robot", "--revoke", stdout=out, stderr=error)
    assert (out.getvalue(), error.getvalue()) == ("", "1 revoked.\n")
    assert status_with(text) == 401


@pytest.mark.usefixtures("user")
def test_there_must_be_something_to_revoke() -> None:
    with pytest.raises(CommandError, match="has no token of the name 'CI'"):
        printed("robot", "--name", "CI", "--revoke")


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("days", ["0", "-1", "1000000"])
def test_a_number_of_days_that_makes_no_sense_is_refused(days: str) -> None:
    with pytest.raises(CommandError, match="--days must be"):
        printed("robot", f"--days={days}")
    assert ApiToken.objects.count() == 0


def test_someone_unknown_gets_none() -> None:
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        printed("nobody")
    assert ApiToken.objects.count() == 0


def test_someone_who_is_not_active_gets_none(user: User) -> None:
    user.is_active = False
    user.save()
    with pytest.raises(CommandError, match="is not active"):
        printed("robot")
    assert ApiToken.objects.count() == 0
