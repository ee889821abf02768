"""People over the API: what the console can do, by the same rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from connectors import history
from kubegraf import roles, tokens
from tests.calling import API, Caller, mistakes

pytestmark = pytest.mark.django_db

PASSWORD = "long enough, and new"
SECOND = "quite another, and longer"


def person(name: str, *names: str, **more: Any) -> User:
    """Somebody with these roles."""
    user = User.objects.create_user(name, **more)
    roles.give(user, Group.objects.filter(name__in=names))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def boss() -> Caller:
    """An admin, who is no superuser."""
    caller = Caller()
    roles.give(caller.user, Group.objects.filter(name="Admin"))
    return caller


@pytest.fixture
def keepers() -> Group:
    """A role with a right that no admin has."""
    group = Group.objects.create(name="Keepers")
    group.permissions.add(Permission.objects.get(codename="delete_group"))
    return group


def names(user: User) -> list[str]:
    """The roles that somebody has by now."""
    return [group.name for group in roles.in_order(user.groups.all())]


def now(user: User) -> User:
    """Somebody as they are by now."""
    return User.objects.get(pk=user.pk)


def signed_in(browser: Client, name: str, password: str) -> bool:
    """Whether the console's sign-in page lets them in."""
    browser.post("/admin/login/", {"username": name, "password": password})
    return "_auth_user_id" in browser.session


# --- Looking --------------------------------------------------------------------------------------------


def test_a_person_is_told_with_everything_but_the_password(boss: Caller) -> None:
    user = person("ada", "Operator", "Viewer", email="ada@example.com", password=PASSWORD)
    told = boss.get(f"people/{user.pk}/")
    assert told.pop("date_joined")
    assert told == {
        "id": user.pk,
        "username": "ada",
        "email": "ada@example.com",
        "first_name": "",
        "last_name": "",
        "is_active": True,
        "roles": ["Viewer", "Operator"],
        "rights": [],
        "is_superuser": False,
        "last_login": None,
    }


def test_people_are_listed_by_name_in_as_many_queries_however_many_they_are(
    boss: Caller, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        person(f"ada-{number}", "Viewer")
    boss.get("people/")
    with django_assert_num_queries(6):  # the token, two for rights, the people, their roles, their rights
        rows = boss.get("people/")["results"]
    assert [row["username"] for row in rows] == sorted(row["username"] for row in rows)
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"role": "Operator"}, ["bob"]),
        ({"is_active": "false"}, ["eve"]),
        ({"username": "ada"}, ["ada"]),
        ({"email": "ADA@example.com"}, ["ada"]),
        ({"search": "example AD"}, ["ada"]),
    ],
)
def test_people_are_found_by_what_is_known_of_them(
    boss: Caller, query: dict[str, str], found: list[str]
) -> None:
    person("ada", "Viewer", email="ada@example.com")
    person("bob", "Viewer", "Operator")
    person("eve", is_active=False)
    assert [row["username"] for row in boss.get("people/", **query)["results"]] == found


def test_an_operator_is_told_of_nobody() -> None:
    caller = Caller()
    roles.give(caller.user, Group.objects.filter(name="Operator"))
    assert [caller.call("GET", path).status_code for path in ("people/", "roles/")] == [403, 403]


# --- Making and changing --------------------------------------------------------------------------------


def test_somebody_new_has_a_password_and_a_role_in_one_go(boss: Caller) -> None:
    answer = boss.call("POST", "people/", {"username": "ada", "password": PASSWORD, "roles": ["Operator"]})
    assert answer.status_code == 201
    assert PASSWORD not in answer.text
    assert "password" not in json.loads(answer.content)
    user = User.objects.get(username="ada")
    assert (names(user), user.is_staff, user.is_superuser) == (["Operator"], True, False)
    assert signed_in(Client(), "ada", PASSWORD)


def test_without_a_password_nobody_signs_in_by_one(boss: Caller) -> None:
    boss.post("people/", {"username": "ada"})
    user = User.objects.get(username="ada")
    assert (user.has_usable_password(), user.is_staff) == (False, False)


@pytest.mark.parametrize("password", ["", "zq7", "password1234", "adalovelace"])
def test_a_password_that_the_console_would_refuse_is_refused_and_not_repeated(
    boss: Caller, password: str
) -> None:
    answer = boss.call("POST", "people/", {"username": "adalovelace", "password": password})
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, ["password"])
    assert password == "" or password not in "".join(mistakes(answer.json())["password"])
    assert not User.objects.filter(username="adalovelace").exists()


@pytest.mark.parametrize("name", ["ada", "ADA", "ａｄａ", "a b", ""])
def test_a_name_that_is_taken_or_none_is_refused(boss: Caller, name: str) -> None:
    person("ada")
    assert list(mistakes(boss.post("people/", {"username": name}, 400))) == ["username"]
    assert User.objects.count() == 2


def test_what_was_read_can_be_changed_and_sent_back(boss: Caller) -> None:
    user = person("ada", "Viewer", password=PASSWORD)
    read = boss.get(f"people/{user.pk}/")
    User.objects.filter(pk=user.pk).update(last_login=user.date_joined)  # signed in meanwhile
    boss.put(f"people/{user.pk}/", {**read, "email": "ada@example.com", "roles": ["Operator"]})
    user = now(user)
    assert (user.email, names(user), user.check_password(PASSWORD)) == ("ada@example.com", ["Operator"], True)


def test_without_a_role_the_console_is_closed_again(boss: Caller) -> None:
    user = person("ada", "Viewer")
    assert boss.patch(f"people/{user.pk}/", {"roles": []})["roles"] == []
    assert (names(user), now(user).is_staff) == ([], False)


def test_a_change_of_what_has_changed_meanwhile_is_refused_and_a_sign_in_is_no_change(boss: Caller) -> None:
    user = person("ada", "Viewer", password=PASSWORD)
    path = f"{API}people/{user.pk}/"
    sent = {"Authorization": f"Token {boss.token}"}
    seen = {**sent, "If-Match": boss.call("GET", path).headers["ETag"]}

    def rename(first_name: str) -> int:
        body = json.dumps({"first_name": first_name})
        answer = Client().patch(path, body, content_type="application/json", headers=seen)
        return answer.status_code

    signed_in(Client(), "ada", PASSWORD)
    assert now(user).last_login is not None
    assert rename("Ada") == 200
    seen["If-Match"] = boss.call("GET", path).headers["ETag"]
    roles.give(user, Group.objects.filter(name="Operator"))
    assert (rename("Eve"), now(user).first_name) == (412, "Ada")


def test_a_person_who_is_deleted_is_gone_with_their_tokens(boss: Caller) -> None:
    user = person("ada", "Viewer")
    _, text = tokens.issue(user, "CI")
    assert boss.call("DELETE", f"people/{user.pk}/").status_code == 204
    assert not User.objects.filter(pk=user.pk).exists()
    assert tokens.find(text) is None


def test_adding_people_takes_the_right_to_change_them() -> None:
    assert Caller("add_user").call("POST", "people/", {"username": "ada"}).status_code == 403
    assert not User.objects.filter(username="ada").exists()


# --- What ends with it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"password": SECOND}, {"password": None}, {"is_active": False}])
def test_their_sessions_end(boss: Caller, change: dict[str, Any]) -> None:
    user = person("ada", "Viewer", password=PASSWORD)
    browser = Client()
    assert signed_in(browser, "ada", PASSWORD)
    assert browser.get(f"{API}connectors/").status_code == 200
    boss.patch(f"people/{user.pk}/", change)
    assert browser.get(f"{API}connectors/").status_code == 401
    assert not signed_in(Client(), "ada", PASSWORD)


def test_the_tokens_of_somebody_who_is_not_active_open_nothing(boss: Caller) -> None:
    user = person("ada", "Viewer")
    _, text = tokens.issue(user, "CI")
    boss.patch(f"people/{user.pk}/", {"is_active": False})
    assert tokens.find(text) is None


def test_whoever_sets_their_own_password_keeps_this_session_and_no_other() -> None:
    user = person("boss", "Admin", password=PASSWORD)
    here, there = Client(), Client()
    for browser in (here, there):
        assert signed_in(browser, "boss", PASSWORD)
    path = f"{API}people/{user.pk}/"
    body = json.dumps({"password": SECOND})
    assert here.patch(path, body, content_type="application/json").status_code == 200
    assert [browser.get(path).status_code for browser in (here, there)] == [200, 401]


# --- What nobody can do ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_nobody_becomes_a_superuser_but_by_one(boss: Caller, method: str) -> None:
    user = person("ada")
    answer = boss.call(method, f"people/{user.pk}/", {"username": "ada", "is_superuser": True})
    assert mistakes(answer.json()) == {"is_superuser": ["Only a superuser changes this."]}
    assert boss.post("people/", {"username": "eve", "is_superuser": True}, 400)
    assert not User.objects.filter(is_superuser=True).exists()


def test_a_superuser_makes_another_and_unmakes_them(boss: Caller) -> None:
    root = Caller(everything=True)
    made = root.post("people/", {"username": "ada", "is_superuser": True})
    user = User.objects.get(pk=made["id"])
    assert (made["is_superuser"], user.is_superuser, user.is_staff) == (True, True, True)
    assert root.patch(f"people/{user.pk}/", {"is_superuser": False})["is_superuser"] is False
    user = now(user)
    assert (user.is_superuser, user.is_staff) == (False, False)
    lines = [line for _, line in history.lines(["user"], limit=1, object_name="ada")]
    assert lines[0].changes == [{"field": "is_superuser", "old": True, "new": False}]


def test_a_superuser_does_not_stop_being_one_by_themselves() -> None:
    root = Caller(everything=True)
    answer = root.patch(f"people/{root.user.pk}/", {"is_superuser": False}, 400)
    assert mistakes(answer) == {"is_superuser": ["Nobody changes this of themselves."]}


def test_single_rights_are_given_by_a_superuser_and_are_on_record() -> None:
    root = Caller(everything=True)
    made = root.post("people/", {"username": "ada", "rights": ["events.view_event"]})
    path = f"people/{made['id']}/"
    assert (made["rights"], now(User(pk=made["id"])).is_staff) == (["events.view_event"], True)
    assert root.patch(path, {"rights": []})["rights"] == []
    assert now(User(pk=made["id"])).is_staff is False
    lines = [line for _, line in history.lines(["user"], limit=1, object_name="ada")]
    assert lines[0].changes == [{"field": "single rights", "old": ["Can view event"], "new": []}]


@pytest.mark.parametrize("rights", [[], ["events.view_event", "events.view_silence"]])
def test_an_admin_neither_gives_single_rights_nor_takes_them(boss: Caller, rights: list[str]) -> None:
    user = person("ada", "Viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_event"))
    answer = boss.patch(f"people/{user.pk}/", {"rights": rights}, 400)
    assert mistakes(answer) == {"rights": ["Only a superuser changes this."]}
    boss.patch(f"people/{user.pk}/", {"rights": ["events.view_event"], "first_name": "Ada"})
    assert list(user.user_permissions.values_list("codename", flat=True)) == ["view_event"]


def test_a_right_that_there_is_not_is_told_by_its_place() -> None:
    answer = Caller(everything=True).post(
        "people/", {"username": "ada", "rights": ["events.view_event", "events.see_event", "view_event"]}, 400
    )
    assert mistakes(answer) == {
        "rights.1": ["There is no such right."],
        "rights.2": ["There is no such right."],
    }


def test_who_was_given_a_right_meanwhile_is_not_overwritten() -> None:
    root = Caller(everything=True)
    user = person("ada")
    etag = root.call("GET", f"people/{user.pk}/").headers["ETag"]
    user.user_permissions.add(Permission.objects.get(codename="view_event"))
    assert root.call("GET", f"people/{user.pk}/").headers["ETag"] != etag


def test_nobody_gives_a_role_that_has_more_than_they(boss: Caller, keepers: Group) -> None:
    user = person("ada", "Viewer")
    for answer in (
        boss.patch(f"people/{user.pk}/", {"roles": ["Viewer", "Keepers"]}, 400),
        boss.post("people/", {"username": "eve", "roles": ["Viewer", "Keepers"]}, 400),
    ):
        assert mistakes(answer) == {
            "roles.1": ["This role has rights that you lack; you cannot give it."],
        }
    assert (names(user), User.objects.filter(username="eve").exists()) == (["Viewer"], False)


def test_a_role_that_there_is_not_is_not_given(boss: Caller) -> None:
    user = person("ada", "Viewer")
    answer = boss.patch(f"people/{user.pk}/", {"roles": ["Viewers"]}, 400)
    assert mistakes(answer) == {"roles.0": ["There is no such role."]}
    assert names(user) == ["Viewer"]


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("more", [{"is_superuser": True}, {"role": "Keepers"}])
def test_nobody_changes_or_deletes_whoever_may_do_more(
    boss: Caller, keepers: Group, more: dict[str, Any], active: bool
) -> None:
    more = {**more}
    user = person("ada", more.pop("role", ""), password=PASSWORD, is_active=active, **more)
    path = f"people/{user.pk}/"
    body = {"username": "mine", "password": SECOND, "is_active": True}
    calls = (("PATCH", body), ("PUT", body), ("DELETE", None))
    assert [boss.call(method, path, sent).status_code for method, sent in calls] == [403, 403, 403]
    user = now(user)
    assert (user.username, user.check_password(PASSWORD), user.is_active) == ("ada", True, active)


def test_nobody_changes_their_own_roles_or_shuts_themselves_out(boss: Caller) -> None:
    path = f"people/{boss.user.pk}/"
    words = ["Nobody changes this of themselves."]
    answer = boss.patch(path, {"roles": [], "is_active": False, "email": "boss@example.com"}, 400)
    assert mistakes(answer) == {"roles": words, "is_active": words}
    assert boss.call("DELETE", path).status_code == 403
    user = now(boss.user)
    assert (names(user), user.is_active, user.email) == (["Admin"], True, "")
    boss.patch(path, {"roles": ["Admin"], "is_active": True, "email": "boss@example.com"})
    assert now(user).email == "boss@example.com"


def test_not_even_a_superuser_deletes_themselves() -> None:
    root = Caller(everything=True)
    assert root.call("DELETE", f"people/{root.user.pk}/").status_code == 403
    assert User.objects.filter(pk=root.user.pk).exists()


# --- On record ------------------------------------------------------------------------------------------


def test_each_change_is_on_record_with_who_and_from_where_and_no_password(boss: Caller) -> None:
    made = boss.post("people/", {"username": "ada", "password": PASSWORD, "roles": ["Viewer"]})
    boss.patch(f"people/{made['id']}/", {"is_active": False, "password": SECOND})
    boss.patch(f"people/{made['id']}/", {"first_name": ""})  # no change
    boss.call("DELETE", f"people/{made['id']}/")
    lines = [line for _, line in reversed(history.lines(["user"], limit=10, object_name="ada"))]
    assert {(line.who, line.source, line.token) for line in lines} == {
        (boss.user.username, "api", "tests"),
    }
    assert [history.verb(line) for line in lines] == ["made", "changed", "changed", "deleted"]
    assert lines[1].changes == [{"field": "roles", "old": [], "new": ["Viewer"]}]
    assert lines[2].changes == [{"field": "is_active", "old": True, "new": False}]
    assert lines[2].history_change_reason == "password: set anew"
    assert not any(PASSWORD in str(vars(line)) or SECOND in str(vars(line)) for line in lines)
