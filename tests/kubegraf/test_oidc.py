"""Signing in at an OpenID Connect provider: who comes in, as whom, and every answer that is not believed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth import get_user
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from connectors import history
from kubegraf import roles, tokens
from kubegraf.console.people_admin import PersonPage
from kubegraf.models import ApiToken, Identity
from kubegraf.oidc.claims import roles_of, rules
from kubegraf.oidc.people import CONFLICT, SUPERUSER
from tests.fakes import oidc
from tests.kubegraf import with_oidc

pytestmark = pytest.mark.django_db

START = "/oidc/start/"
PASSWORD = "a password for the tests"


@pytest.fixture
def provider(settings: Any) -> Iterator[oidc.Provider]:
    """A provider, and the settings that name it."""
    started = oidc.Provider()
    settings.OIDC_ISSUER = started.issuer
    settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = oidc.CLIENT, oidc.SECRET
    settings.OIDC_NAME, settings.OIDC_RP_SCOPES = "Example", "openid email profile"
    settings.OIDC_ROLES, settings.OIDC_DEFAULT_ROLE = ["groups:sre=operator", "groups:staff=viewer"], ""
    settings.OIDC_USE_PKCE, settings.OIDC_TIMEOUT = True, 5
    settings.AUTHENTICATION_BACKENDS = [
        *configured.AUTHENTICATION_BACKENDS,
        "kubegraf.oidc.backend.ProviderBackend",
    ]
    settings.ROOT_URLCONF = with_oidc.__name__
    templates = copy.deepcopy(configured.TEMPLATES)
    templates[0]["OPTIONS"]["context_processors"].append("kubegraf.oidc.pages.offer")
    settings.TEMPLATES = templates
    started.claims["groups"] = ["sre"]
    yield started
    started.close()


def sign_in(client: Client, provider: oidc.Provider, **query: str) -> Any:
    """Goes to the provider and comes back: the answer to the return."""
    there = client.get(START, query).headers["Location"]
    assert there.startswith(f"{provider.issuer}/authorize?")
    return client.get(provider.sign_in(there).removeprefix("http://testserver"))


def is_in(client: Client) -> bool:
    """Whether somebody is signed in."""
    return "_auth_user_id" in client.session


# --- Who comes in -----------------------------------------------------------------------------------------


def test_somebody_new_comes_in_with_the_role_that_their_claim_gives(
    client: Client, provider: oidc.Provider
) -> None:
    provider.claims |= {"given_name": "Ada", "family_name": "Lovelace", "email_verified": True}
    answer = sign_in(client, provider)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    user = User.objects.get()
    assert (user.username, user.email, user.get_full_name()) == ("ada", "ada@example.com", "Ada Lovelace")
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (True, False, False)
    assert [group.name for group in user.groups.all()] == ["Operator"]
    assert client.get(reverse("admin:connectors_connector_changelist")).status_code == 200


def test_they_are_known_again_whatever_their_name_is_then(client: Client, provider: oidc.Provider) -> None:
    sign_in(client, provider)
    provider.claims |= {"preferred_username": "ada.l", "email": "other@example.com", "groups": ["staff"]}
    sign_in(Client(), provider)
    user = User.objects.get()
    assert (user.username, [group.name for group in user.groups.all()]) == ("ada", ["Viewer"])
    assert Identity.objects.count() == 1


def test_they_go_on_to_where_they_wanted(client: Client, provider: oidc.Provider) -> None:
    wanted = reverse("admin:events_event_changelist")
    assert sign_in(client, provider, next=wanted).headers["Location"] == wanted
    assert sign_in(Client(), provider, next="https://evil.example.com/").headers["Location"] == "/admin/"


def test_who_has_no_role_is_refused_in_words_and_not_made(client: Client, provider: oidc.Provider) -> None:
    provider.claims["groups"] = ["marketing"]
    answer = sign_in(client, provider)
    assert answer.status_code == 403
    assert "You have no role here." in answer.text
    assert (User.objects.count(), Identity.objects.count(), is_in(client)) == (0, 0, False)


def test_a_default_role_is_for_whom_no_rule_speaks_of(
    client: Client, provider: oidc.Provider, settings: Any
) -> None:
    settings.OIDC_DEFAULT_ROLE = "viewer"
    provider.claims["groups"] = []
    sign_in(client, provider)
    assert User.objects.get().groups.get().name == "Viewer"


def test_who_has_lost_the_claim_has_lost_the_role(client: Client, provider: oidc.Provider) -> None:
    sign_in(client, provider)
    provider.claims["groups"] = []
    second = Client()
    _, token = tokens.issue(User.objects.get(), "a program of theirs")
    asked = {"headers": {"Authorization": f"Token {token}"}}
    assert client.get("/api/v1/connectors/", **asked).status_code == 200
    assert sign_in(second, provider).status_code == 403
    assert not is_in(second)
    assert User.objects.get().groups.count() == 0
    assert client.get("/api/v1/connectors/", **asked).status_code == 403


def test_who_is_not_active_here_stays_outside(client: Client, provider: oidc.Provider) -> None:
    sign_in(client, provider)
    User.objects.update(is_active=False)
    second = Client()
    assert "Your account here is not active." in sign_in(second, provider).text
    assert not is_in(second)


def test_who_is_not_active_any_more_is_in_no_session(client: Client, provider: oidc.Provider) -> None:
    sign_in(client, provider)
    assert client.get("/api/docs/").status_code == 200
    User.objects.update(is_active=False)
    assert get_user(client).is_anonymous


# --- Nobody takes over somebody else's account ------------------------------------------------------------


@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_an_address_that_is_not_verified_opens_no_account_of_ours(
    client: Client, provider: oidc.Provider, verified: Any
) -> None:
    root = User.objects.create_superuser("root", email="ada@example.com")
    provider.claims["email_verified"] = verified
    sign_in(client, provider)
    assert not root.identities.exists()
    user = User.objects.exclude(pk=root.pk).get()
    assert (user.username, user.email, client.session["_auth_user_id"]) == ("ada", "", str(user.pk))


def test_a_verified_address_is_the_account_that_has_it(client: Client, provider: oidc.Provider) -> None:
    ours = User.objects.create_user("lovelace", email="Ada@example.com")
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    assert User.objects.get().pk == ours.pk
    assert ours.identities.get().subject == "42"


def test_no_address_opens_the_account_of_a_superuser(client: Client, provider: oidc.Provider) -> None:
    root = User.objects.create_superuser("root", email="ada@example.com")
    provider.claims["email_verified"] = True
    answer = sign_in(client, provider)
    assert (answer.status_code, SUPERUSER in answer.text) == (403, True)
    assert (is_in(client), Identity.objects.count()) == (False, 0)
    assert (User.objects.get(), root.groups.count()) == (root, 0)


def test_who_has_come_in_before_and_is_a_superuser_since_still_comes_in(
    client: Client, provider: oidc.Provider
) -> None:
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    User.objects.update(is_superuser=True)
    second = Client()
    sign_in(second, provider)
    assert second.session["_auth_user_id"] == str(User.objects.get().pk)


def test_an_account_that_is_somebody_elses_by_the_provider_is_not_given_away(
    client: Client, provider: oidc.Provider
) -> None:
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    provider.claims["sub"] = "43"
    second = Client()
    assert CONFLICT in sign_in(second, provider).text
    assert (is_in(second), Identity.objects.count()) == (False, 1)


def test_a_username_that_is_taken_is_not_taken_over(client: Client, provider: oidc.Provider) -> None:
    User.objects.create_superuser("ada")
    sign_in(client, provider)
    assert client.session["_auth_user_id"] == str(User.objects.get(username="ada-2").pk)


def test_two_accounts_with_one_address_open_neither(client: Client, provider: oidc.Provider) -> None:
    User.objects.create_user("somebody", email="ada@example.com")
    User.objects.create_user("lovelace", email="ADA@example.com")
    provider.claims["email_verified"] = True
    assert CONFLICT in sign_in(client, provider).text
    assert (is_in(client), Identity.objects.count()) == (False, 0)


def test_an_address_that_is_like_another_only_in_capital_letters_is_another(
    client: Client, provider: oidc.Provider
) -> None:
    ours = User.objects.create_user("ours", email="lisa@example.com")
    provider.claims |= {"email": "lısa@example.com", "email_verified": True}
    sign_in(client, provider)
    assert not ours.identities.exists()


@pytest.mark.parametrize("name", ["ROOT", "ｒｏｏｔ"])
def test_a_username_that_is_anothers_but_for_how_it_is_written_is_not_given(
    client: Client, provider: oidc.Provider, name: str
) -> None:
    User.objects.create_superuser("root")
    provider.claims["preferred_username"] = name
    assert sign_in(client, provider).status_code == 302
    made = User.objects.get(identities__subject="42")
    assert made.username == ("ROOT-2" if name == "ROOT" else "root-2")


# --- The first sign-in by an address shuts out whoever had the account -------------------------------------


def taken(name: str = "mallory", **more: Any) -> User:
    """An account that somebody has given an address which is not theirs."""
    user = User.objects.create_user(name, email="ada@example.com", password=PASSWORD, **more)
    roles.give(user, Group.objects.filter(name="Viewer"))
    return User.objects.get(pk=user.pk)


def test_who_had_the_account_comes_in_by_no_password_any_more(
    client: Client, provider: oidc.Provider
) -> None:
    taken()
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    other = Client()
    other.post(reverse("admin:login"), {"username": "mallory", "password": PASSWORD})
    assert (is_in(client), is_in(other)) == (True, False)
    assert not User.objects.get().has_usable_password()


def test_who_had_the_account_is_in_no_session_any_more(client: Client, provider: oidc.Provider) -> None:
    other = Client()
    other.force_login(taken())
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    assert get_user(other).is_anonymous
    assert get_user(client) == User.objects.get()


@pytest.mark.parametrize("prepared", [True, False])
def test_no_api_token_that_was_made_before_opens_the_account_any_more(
    client: Client, provider: oidc.Provider, prepared: bool
) -> None:
    user = taken()
    if prepared:
        user.set_unusable_password()
        user.save()
    token, text = tokens.issue(user, "a program of theirs")
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    token.refresh_from_db()
    assert token.state == "revoked"
    assert Client().get("/api/v1/connectors/", headers={"Authorization": f"Token {text}"}).status_code == 401


def test_the_history_of_the_account_has_one_line_that_says_so(
    client: Client, provider: oidc.Provider
) -> None:
    user = taken()
    provider.claims["email_verified"] = True
    before = history.kinds()["user"].objects.count()
    sign_in(client, provider)
    told = [line for _, line in history.lines(["user"], limit=10, object_id=str(user.pk))]
    found = [line for line in told if line.changes and line.changes[0]["field"] == "signs in"]
    assert [line.changes for line in found] == [
        [{"field": "signs in", "old": "with a password", "new": f"as 42 at {provider.issuer}"}]
    ]
    assert [line.history_change_reason for line in told] == [""] * len(told)
    assert history.kinds()["user"].objects.count() == before + 2  # and its roles


def test_whose_account_it_is_now_is_told_what_opens_it_no_longer(
    client: Client, provider: oidc.Provider
) -> None:
    tokens.issue(taken(), "a program of theirs")
    provider.claims["email_verified"] = True
    answer = sign_in(client, provider)
    page = client.get(answer.headers["Location"]).text
    assert "From now on you sign in through Example." in page
    assert "What opened this account before opens it no longer: its password and 1 API token." in page


def test_of_an_account_that_nothing_opened_nothing_is_said(client: Client, provider: oidc.Provider) -> None:
    User.objects.create_user("lovelace", email="ada@example.com")
    provider.claims["email_verified"] = True
    answer = sign_in(client, provider)
    assert "From now on" not in client.get(answer.headers["Location"]).text


def test_only_the_first_sign_in_ends_anything(client: Client, provider: oidc.Provider) -> None:
    taken()
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    user = User.objects.get()
    user.set_password(PASSWORD)
    user.save()
    token, _ = tokens.issue(user, "a program of theirs")
    sign_in(Client(), provider)
    token.refresh_from_db()
    assert (User.objects.get().check_password(PASSWORD), token.state) == (True, "valid")


def test_who_is_refused_loses_nothing(client: Client, provider: oidc.Provider) -> None:
    token, _ = tokens.issue(taken(), "a program of theirs")
    provider.claims |= {"email_verified": True, "groups": []}
    assert sign_in(client, provider).status_code == 403
    token.refresh_from_db()
    assert (User.objects.get().check_password(PASSWORD), token.state) == (True, "valid")


def test_who_is_in_by_a_password_stays_in_when_they_come_by_the_provider(
    client: Client, provider: oidc.Provider
) -> None:
    user = taken("ada")
    client.force_login(user)
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    assert get_user(client) == user
    assert client.session["_auth_user_backend"] == "kubegraf.oidc.backend.ProviderBackend"


def test_another_issuer_that_vouches_for_the_address_shuts_out_the_former(
    client: Client, provider: oidc.Provider
) -> None:
    user = taken()
    Identity.objects.create(user=user, issuer="https://former.example.com", subject="7")
    provider.claims["email_verified"] = True
    sign_in(client, provider)
    assert [(identity.issuer, identity.subject) for identity in user.identities.all()] == [
        (provider.issuer, "42")
    ]


def test_who_is_setting_the_accounts_password_at_that_moment_sets_none(
    provider: oidc.Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, read = taken(), PersonPage.get_object
    user.user_permissions.add(Permission.objects.get(codename="change_user"))
    provider.claims["email_verified"] = True

    def read_a_moment_later(*asked: Any) -> Any:
        assert sign_in(Client(), provider).status_code == 302
        return read(*asked)

    monkeypatch.setattr(PersonPage, "get_object", read_a_moment_later)
    other = Client()
    other.force_login(user)
    form = {"password1": "quite another one", "password2": "quite another one"}
    address = reverse("admin:auth_user_password_change", args=(user.pk,))
    assert other.post(address, {**form, "usable_password": "true"}).status_code == 403
    assert not User.objects.get().check_password("quite another one")


def test_who_is_making_a_token_at_that_moment_makes_none(
    provider: oidc.Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, issue = taken(), tokens.issue
    provider.claims["email_verified"] = True

    def issue_a_moment_later(*asked: Any, **more: Any) -> Any:
        assert sign_in(Client(), provider).status_code == 302
        return issue(*asked, **more)

    monkeypatch.setattr(tokens, "issue", issue_a_moment_later)
    other = Client()
    other.force_login(user)
    made = other.post("/api/v1/tokens/", {"name": "late"}, content_type="application/json")
    assert (made.status_code, ApiToken.objects.count()) == (403, 0)


# --- What is not believed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "somebody else"},
        {"aud": ["kubegraf", "somebody else"]},
        {"azp": "somebody else"},
        {"iss": "https://evil.example.com"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"sub": None},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_sign_in_opens_nothing(
    client: Client, provider: oidc.Provider, wrong: dict[str, Any]
) -> None:
    provider.token = wrong
    answer = sign_in(client, provider)
    assert answer.status_code == 403
    assert "could not be verified" in answer.text
    assert (User.objects.count(), is_in(client)) == (0, False)


def test_a_token_of_another_key_opens_nothing(client: Client, provider: oidc.Provider) -> None:
    provider.key = oidc.ANOTHER_KEY
    assert sign_in(client, provider).status_code == 403
    assert (User.objects.count(), is_in(client)) == (0, False)


@pytest.mark.parametrize(("algorithm", "key"), [("HS256", oidc.SECRET * 3), ("none", None)])
def test_a_token_that_is_not_signed_with_a_key_of_the_providers_own_opens_nothing(
    client: Client, provider: oidc.Provider, algorithm: str, key: Any
) -> None:
    provider.algorithm, provider.key = algorithm, key
    assert sign_in(client, provider).status_code == 403
    assert (User.objects.count(), is_in(client)) == (0, False)


def test_what_is_told_about_somebody_else_opens_nothing(client: Client, provider: oidc.Provider) -> None:
    provider.told = {"sub": "43"}
    assert sign_in(client, provider).status_code == 403
    assert (User.objects.count(), is_in(client)) == (0, False)


def test_a_return_that_nobody_asked_for_opens_nothing(client: Client, provider: oidc.Provider) -> None:
    there = Client().get(START).headers["Location"]
    back = provider.sign_in(there).removeprefix("http://testserver")
    for _ in range(2):
        assert client.get(back).status_code == 403
        client.get(START)  # now there is a state in the session, but another
    assert (User.objects.count(), is_in(client)) == (0, False)


def test_a_code_is_of_use_once(client: Client, provider: oidc.Provider) -> None:
    back = provider.sign_in(client.get(START).headers["Location"]).removeprefix("http://testserver")
    assert client.get(back).status_code == 302
    assert client.get(back).status_code == 403


def test_a_provider_that_refuses_is_told_of_in_words(client: Client, provider: oidc.Provider) -> None:
    client.get(START)
    answer = client.get("/oidc/callback/", {"error": "access_denied", "state": "x"})
    assert (answer.status_code, "Signing in was not completed." in answer.text) == (403, True)


@pytest.mark.parametrize("address", [START, "/oidc/callback/?error=access_denied&state=x"])
def test_the_page_that_says_why_needs_nothing_that_its_policy_forbids(
    client: Client, provider: oidc.Provider, address: str
) -> None:
    provider.issuer_said = "https://evil.example.com"
    answer = client.get(address)
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "You are not signed in" in answer.text
    assert not any(part in answer.text for part in ("<style", "style=", "<script", "x-data", "x-cloak"))
    assert f'href="{reverse("admin:login")}"' in answer.text


def test_a_configuration_in_anothers_name_is_not_believed(client: Client, provider: oidc.Provider) -> None:
    provider.issuer_said = "https://evil.example.com"
    answer = client.get(START)
    assert (answer.status_code, "cannot be reached at present" in answer.text) == (503, True)


def test_failures_at_the_provider_shut_nobody_out(client: Client, provider: oidc.Provider) -> None:
    provider.token = {"nonce": "another"}
    for _ in range(6):
        assert sign_in(client, provider).status_code == 403
    provider.token = {}
    assert sign_in(client, provider).status_code == 302


# --- Beside names and passwords -----------------------------------------------------------------------------


def test_the_form_offers_the_provider_and_still_takes_passwords(
    client: Client, provider: oidc.Provider
) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    html = client.get(reverse("admin:login")).text
    assert f'href="{START}"' in html
    assert "Sign in with Example" in html
    client.post(reverse("admin:login"), {"username": "root", "password": PASSWORD})
    assert is_in(client)
    assert client.get(reverse("admin:index")).status_code == 200


def test_without_an_issuer_nothing_of_it_is_there(client: Client) -> None:
    assert client.get(START).status_code == 404
    assert client.get("/oidc/callback/").status_code == 404
    assert "Sign in with" not in client.get(reverse("admin:login")).text
    assert not any("oidc" in backend for backend in configured.AUTHENTICATION_BACKENDS)


# --- Rules ------------------------------------------------------------------------------------------------


def test_rules_look_into_lists_texts_and_claims_within_claims() -> None:
    given = rules(["groups:sre=operator", "realm_access.roles:boss=admin", "team:ops=viewer"])
    claims = {"groups": ["sre"], "realm_access": {"roles": ["boss"]}, "team": "ops"}
    assert roles_of(claims, given) == {"operator", "admin", "viewer"}
    assert roles_of({"groups": "sres", "team": ["op"], "realm_access": "boss"}, given) == set()


@pytest.mark.parametrize("text", ["groups", "groups:sre", "groups=operator", ":sre=operator", "groups:=x"])
def test_a_rule_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a rule looks like groups:sre=operator"):
        rules([text])


def test_roles_given_here_that_no_rule_speaks_of_are_kept(client: Client, provider: oidc.Provider) -> None:
    own = Group.objects.create(name="Auditors")
    sign_in(client, provider)
    user = User.objects.get()
    roles.give(user, [own, Group.objects.get(name="Admin")])
    sign_in(Client(), provider)
    assert {group.name for group in user.groups.all()} == {"Auditors", "Operator"}
