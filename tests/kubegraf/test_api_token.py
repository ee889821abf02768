"""`api_token`: what it prints is a token that works."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.authtoken.models import Token

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
def test_asked_again_it_is_the_same() -> None:
    assert printed("robot") == printed("robot")


@pytest.mark.usefixtures("user")
def test_rotating_makes_a_new_one_and_ends_the_old_one() -> None:
    old = printed("robot")
    new = printed("robot", "--rotate")
    assert (status_with(old), status_with(new)) == (401, 200)


def test_someone_unknown_gets_none() -> None:
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        printed("nobody")
    assert Token.objects.count() == 0


def test_someone_who_is_not_active_gets_none(user: User) -> None:
    user.is_active = False
    user.save()
    with pytest.raises(CommandError, match="is not active"):
        printed("robot")
    assert Token.objects.count() == 0
