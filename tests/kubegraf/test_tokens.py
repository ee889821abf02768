"""API tokens: hashed, scoped, expiring, revocable; over HTTP and in the console."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from events.models import Event
from kubegraf import roles, tokens
from kubegraf.models import ApiToken
from tests.calling import API, mistakes

pytestmark = pytest.mark.django_db

REPORT = {"event_type": "hpa_maxed", "title": "The autoscaler is at its maximum"}


@pytest.fixture
def root() -> User:
    """Somebody who may do everything."""
    return User.objects.create_superuser("root")


def person(name: str, *names: str) -> User:
    """Somebody with these roles."""
    user = User.objects.create_user(name)
    roles.give(user, Group.objects.filter(name__in=names))
    return User.objects.get(pk=user.pk)


def call(text: str, method: str, path: str, body: Any = None) -> Any:
    """The API's answer to whoever has that token."""
    return Client().generic(
        method,
        path if path.startswith("/") else API + path,
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Token {text}"},
    )


# --- Kept as a hash -------------------------------------------------------------------------------------


def test_nothing_in_the_database_gives_the_token(root: User) -> None:
    _, text = tokens.issue(root, "CI")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kubegraf_apitoken")
        stored = repr(cursor.fetchall())
    assert text not in stored
    assert text[tokens.SHOWN :] not in stored


def test_two_tokens_are_never_the_same(root: User) -> None:
    assert len({tokens.issue(root, "CI")[1] for _ in range(20)}) == 20


@pytest.mark.parametrize("text", ["", "kg_", "kg_" + "A" * 43, "kg_\x00", "é"])
def test_what_is_no_token_opens_nothing(root: User, text: str) -> None:
    tokens.issue(root, "CI")
    assert tokens.find(text) is None


def test_the_hash_itself_opens_nothing(root: User) -> None:
    token, _ = tokens.issue(root, "CI")
    assert tokens.find(token.digest) is None


def test_a_header_with_more_than_a_token_is_refused(root: User) -> None:
    _, text = tokens.issue(root, "CI")
    assert call(f"{text} more", "GET", "providers/").status_code == 401


# --- How long it is of use ------------------------------------------------------------------------------


def test_a_token_is_taken_as_a_bearer_token_too(root: User) -> None:
    _, text = tokens.issue(root, "CI")
    answer = Client().get(f"{API}clusters/", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200


def test_a_bearer_token_that_was_revoked_is_refused(root: User) -> None:
    token, text = tokens.issue(root, "CI")
    tokens.revoke(token)
    answer = Client().get(f"{API}clusters/", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


def test_a_bearer_token_of_a_proxy_leaves_a_session_alone(root: User, client: Client) -> None:
    client.force_login(root)
    answer = client.get(f"{API}clusters/", headers={"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})
    assert answer.status_code == 200


def test_an_expired_token_is_refused(root: User) -> None:
    token, text = tokens.issue(root, "CI", expires_at=timezone.now() + timedelta(minutes=1))
    assert call(text, "GET", "connectors/").status_code == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert call(text, "GET", "connectors/").status_code == 401
    token.refresh_from_db()
    assert token.state == "expired"


def test_a_revoked_token_is_refused_and_stays_on_record(root: User) -> None:
    token, text = tokens.issue(root, "CI")
    tokens.revoke(token)
    assert call(text, "GET", "connectors/").status_code == 401
    assert ApiToken.objects.get().state == "revoked"


def test_its_last_use_is_written_once_a_minute(root: User, django_assert_num_queries: Any) -> None:
    token, text = tokens.issue(root, "CI")
    call(text, "GET", "providers/")
    token.refresh_from_db()
    assert token.last_used_at is not None
    with django_assert_num_queries(1):
        call(text, "GET", "providers/")


def test_a_refused_call_is_no_use(root: User) -> None:
    token, text = tokens.issue(root, "CI", "read")
    call(text, "POST", "connectors/", {})
    token.refresh_from_db()
    assert token.last_used_at is None


# --- What it covers -------------------------------------------------------------------------------------


def test_a_token_that_reads_writes_nothing(root: User) -> None:
    _, text = tokens.issue(root, "Grafana", "read")
    assert call(text, "GET", "events/").status_code == 200
    answer = call(text, "POST", "events/", REPORT)
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "The scope of this token, read, does not cover this.",
    )
    assert Event.objects.count() == 0


def test_a_token_that_ingests_reports_events_and_does_nothing_else(root: User) -> None:
    _, text = tokens.issue(root, "CI", "ingest")
    assert call(text, "POST", "events/", REPORT).status_code == 201
    event = Event.objects.get()
    for method, path in (
        ("GET", "events/"),
        ("GET", f"events/{event.pk}/"),
        ("GET", "providers/"),
        ("GET", ""),
        ("GET", "/api/schema/"),
        ("POST", "connectors/"),
        ("POST", "tokens/"),
    ):
        assert call(text, method, path, {}).status_code == 403, path
    assert ApiToken.objects.count() == 1


def test_a_token_gives_no_more_than_its_owner_may_do() -> None:
    _, text = tokens.issue(person("viewer", "Viewer"), "CI", "ingest")
    assert call(text, "POST", "events/", REPORT).status_code == 403
    assert Event.objects.count() == 0


@pytest.mark.parametrize(("scope", "status"), [("read", 200), ("write", 200), ("ingest", 401)])
def test_metrics_are_read_with_a_token_that_reads(root: User, scope: str, status: int) -> None:
    _, text = tokens.issue(root, "Prometheus", scope)
    assert Client().get("/metrics", headers={"Authorization": f"Token {text}"}).status_code == status


# --- Over HTTP ------------------------------------------------------------------------------------------


def test_a_token_is_told_once(root: User) -> None:
    _, text = tokens.issue(root, "mine")
    made = call(text, "POST", "tokens/", {"name": "CI", "scope": "read"})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    new = made.json()["token"]
    assert call(new, "GET", "connectors/").status_code == 200
    assert new not in call(text, "GET", "tokens/").text
    assert "token" not in call(text, "GET", f"tokens/{made.json()['id']}/").json()


def test_a_token_that_ends_makes_none_that_lasts_longer(root: User) -> None:
    ends = timezone.now() + timedelta(days=1)
    _, text = tokens.issue(root, "for a day", expires_at=ends)
    for later in ({}, {"expires_at": None}, {"expires_at": (ends + timedelta(seconds=1)).isoformat()}):
        answer = call(text, "POST", "tokens/", {"name": "for ever", **later})
        assert answer.status_code == 400
        assert set(mistakes(answer.json())) == {"expires_at"}
    made = call(text, "POST", "tokens/", {"name": "as long", "expires_at": ends.isoformat()})
    assert made.status_code == 201


def test_tokens_of_others_are_not_there() -> None:
    theirs, _ = tokens.issue(person("one", "Operator"), "theirs")
    _, text = tokens.issue(person("two", "Operator"), "mine")
    assert [row["name"] for row in call(text, "GET", "tokens/").json()["results"]] == ["mine"]
    assert call(text, "GET", f"tokens/{theirs.pk}/").status_code == 404
    assert call(text, "DELETE", f"tokens/{theirs.pk}/").status_code == 404
    theirs.refresh_from_db()
    assert theirs.is_valid


def test_an_admin_sees_and_revokes_everybodys() -> None:
    theirs, their_text = tokens.issue(person("one", "Viewer"), "theirs")
    _, text = tokens.issue(person("boss", "Admin"), "mine")
    assert {row["owner"] for row in call(text, "GET", "tokens/").json()["results"]} == {"one", "boss"}
    assert call(text, "DELETE", f"tokens/{theirs.pk}/").status_code == 204
    assert call(their_text, "GET", "tokens/").status_code == 401


def test_nobody_makes_a_token_for_somebody_else(root: User) -> None:
    _, text = tokens.issue(person("one", "Admin"), "mine")
    answer = call(text, "POST", "tokens/", {"name": "root's", "owner": "root"})
    assert answer.status_code == 400
    assert not ApiToken.objects.filter(user=root).exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "CI", "scope": "everything"}, "scope"),
        ({"name": "CI", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "CI", "digest": "0" * 64}, "digest"),
    ],
)
def test_a_wrong_wish_is_refused_by_field(root: User, body: dict[str, Any], field: str) -> None:
    _, text = tokens.issue(root, "mine")
    answer = call(text, "POST", "tokens/", body)
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, [field])
    assert ApiToken.objects.count() == 1


# --- In the console -------------------------------------------------------------------------------------

LIST = reverse("admin:kubegraf_apitoken_changelist")
ADD = reverse("admin:kubegraf_apitoken_add")


def test_the_console_shows_a_new_token_once_and_it_works(client: Client) -> None:
    user = person("one", "Viewer")
    client.force_login(user)
    answer = client.post(ADD, {"name": "my laptop", "scope": "read", "days": "30"})
    (text,) = re.findall(r'id="token-text"[^>]*>(kg_[\w-]+)<', answer.text)
    assert "no-store" in answer.headers["Cache-Control"]
    assert call(text, "GET", "connectors/").status_code == 200
    token = ApiToken.objects.get(user=user)
    assert token.expires_at is not None
    for address in (LIST, reverse("admin:kubegraf_apitoken_change", args=(token.pk,))):
        page = client.get(address).text
        assert "my laptop" in page
        assert text not in page


def test_the_console_shows_ones_own_tokens_and_an_admin_all(client: Client) -> None:
    theirs, _ = tokens.issue(person("one", "Viewer"), "somebody's laptop")
    client.force_login(person("two", "Operator"))
    assert "somebody&#x27;s laptop" not in client.get(LIST).text
    address = reverse("admin:kubegraf_apitoken_revoke", args=(theirs.pk,))
    client.post(address)
    theirs.refresh_from_db()
    assert theirs.is_valid
    client.force_login(person("boss", "Admin"))
    assert "somebody&#x27;s laptop" in client.get(LIST).text
    client.post(address)
    theirs.refresh_from_db()
    assert not theirs.is_valid


def test_the_list_finds_tokens_by_whether_they_can_be_used(admin_client: Client, admin_user: User) -> None:
    past = timezone.now() - timedelta(days=1)
    for name, more in {"good": {}, "old": {"expires_at": past}, "taken": {"revoked_at": past}}.items():
        token, _ = tokens.issue(admin_user, name)
        ApiToken.objects.filter(pk=token.pk).update(**more)
    found = {}
    for state in ("valid", "expired", "revoked"):
        html = admin_client.get(reverse("admin:kubegraf_apitoken_changelist"), {"state": state}).text
        found[state] = [name for name in ("good", "old", "taken") if f">{name}</a>" in html]
    assert found == {"valid": ["good"], "expired": ["old"], "revoked": ["taken"]}
