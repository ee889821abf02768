"""Guessing passwords: after five wrong ones the door is shut for a while, to that name and address alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from kubegraf import tokens
from kubegraf.lockout import client_address

pytestmark = pytest.mark.django_db

LOGIN = reverse("admin:login")
RIGHT, WRONG = "a password for the tests", "not the password"


@pytest.fixture(autouse=True)
def people() -> None:
    """Two who may come in."""
    for name in ("root", "other"):
        User.objects.create_superuser(name, password=RIGHT)


def enter(name: str, password: str, address: str = "192.0.2.1", **headers: str) -> Any:
    """The answer to who sends the form from that address."""
    data = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post(LOGIN, data, headers=headers)


def test_the_fifth_wrong_password_shuts_the_door_and_the_right_one_no_longer_opens_it() -> None:
    answers = [enter("root", WRONG) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    refused = enter("root", RIGHT)
    assert (refused.status_code, "_auth_user_id" in refused.client.session) == (429, False)
    assert refused.headers["Retry-After"] == "900"
    assert "15 minutes" in refused.text


def test_it_is_shut_to_that_name_and_address_alone() -> None:
    for _ in range(6):
        enter("root", WRONG)
    assert enter("other", RIGHT).status_code == 302
    assert enter("root", RIGHT, "192.0.2.2").status_code == 302


def test_it_opens_again_after_a_while_whoever_went_on_guessing() -> None:
    for _ in range(5):
        enter("root", WRONG)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    enter("root", WRONG)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert enter("root", RIGHT).status_code == 302


def test_the_right_password_forgives_the_wrong_ones() -> None:
    for _ in range(2):
        for _ in range(4):
            assert enter("root", WRONG).status_code == 200
        assert enter("root", RIGHT).status_code == 302


def test_no_password_is_kept() -> None:
    enter("root", WRONG)
    assert WRONG not in repr(list(AccessAttempt.objects.values()))


def test_wrong_tokens_shut_nobody_out() -> None:
    _, text = tokens.issue(User.objects.get(username="root"), "CI")
    for _ in range(7):
        answer = Client().get("/api/v1/providers/", headers={"Authorization": "Token wrong"})
        assert answer.status_code == 401
    assert Client().get("/api/v1/providers/", headers={"Authorization": f"Token {text}"}).status_code == 200
    for _ in range(6):
        enter("root", WRONG)
    assert Client().get("/api/v1/providers/", headers={"Authorization": f"Token {text}"}).status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),  # anybody can write that
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.7, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1"),  # it did not come by the proxies
        (1, "", "192.0.2.1"),
        (1, "nonsense", "192.0.2.1"),
        (1, "2001:db8::1", "2001:db8::"),
        (1, "[2001:db8:0:1:a::1]", "2001:db8:0:1::"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_only_what_trusted_proxies_say_of_an_address_is_believed(
    settings: Any, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == address


def test_who_writes_another_address_into_the_header_is_counted_all_the_same() -> None:
    for number in range(5):
        answer = enter("root", WRONG, **{"X-Forwarded-For": f"203.0.113.{number}"})
    assert answer.status_code == 429


def test_who_has_a_network_of_ipv6_addresses_has_five_guesses_with_all_of_them() -> None:
    for number in range(5):
        answer = enter("root", WRONG, f"2001:db8::{number}")
    assert answer.status_code == 429
    assert enter("root", WRONG, "2001:db8:0:1::1").status_code == 200
