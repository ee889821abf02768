"""Roles over the API: what the console can do, by the same rules."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from pytest_django import DjangoAssertNumQueries

from connectors import history
from kubegraf import roles
from tests.calling import Caller, mistakes

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Caller:
    """A superuser."""
    return Caller(everything=True)


@pytest.fixture
def editor() -> Caller:
    """Somebody who may edit roles, and look at connectors."""
    return Caller("view_group", "add_group", "change_group", "delete_group", "view_connector")


@pytest.fixture
def keepers() -> Group:
    """A role with a right that no admin has."""
    group = Group.objects.create(name="Keepers")
    group.permissions.add(Permission.objects.get(codename="delete_group"))
    return group


def person(name: str, *names: str) -> User:
    """Somebody with these roles."""
    user = User.objects.create_user(name)
    roles.give(user, Group.objects.filter(name__in=names))
    return user


def given(group: Group) -> list[str]:
    """The rights that a role gives by now."""
    return sorted(roles.rights_of(group))


def told(kind: str, name: str) -> list[tuple[str, Any]]:
    """What the history has of it, the oldest first."""
    lines = history.lines([kind], limit=10, object_name=name)
    return [(history.verb(line), line.changes) for _, line in reversed(lines)]


def test_roles_are_told_with_what_they_give_and_how_many_have_them(keepers: Group) -> None:
    boss = Caller()
    roles.give(boss.user, Group.objects.filter(name="Admin"))
    person("ada", "Viewer")
    rows = boss.get("roles/")["results"]
    assert [(row["name"], row["built_in"], row["people"]) for row in rows] == [
        ("Viewer", True, 1),
        ("Operator", True, 0),
        ("Admin", True, 1),
        ("Keepers", False, 0),
    ]
    assert boss.get(f"roles/{keepers.pk}/") == {
        "id": keepers.pk,
        "name": "Keepers",
        "summary": "A role of your own.",
        "built_in": False,
        "rights": ["auth.delete_group"],
        "people": 0,
    }


def test_roles_are_listed_in_as_many_queries_however_many_they_are(
    root: Caller, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    right = Permission.objects.get(codename="view_event")
    for number in range(100):
        Group.objects.create(name=f"Role {number}").permissions.add(right)
    root.get("roles/")
    with django_assert_num_queries(3):  # the token, the roles, their rights
        assert len(root.get("roles/", limit=200)["results"]) == 103


def test_a_role_of_ones_own_is_made_given_changed_and_deleted_and_each_is_on_record(root: Caller) -> None:
    made = root.post("roles/", {"name": "Auditors", "rights": ["events.view_event"]})
    assert (made["rights"], made["people"], made["built_in"]) == (["events.view_event"], 0, False)
    user = person("ada", "Auditors")
    path = f"roles/{made['id']}/"
    changed = root.patch(path, {"name": "Readers", "rights": ["events.view_event", "events.view_silence"]})
    assert (changed["name"], changed["rights"], changed["people"]) == (
        "Readers",
        ["events.view_event", "events.view_silence"],
        1,
    )
    assert User.objects.get(pk=user.pk).has_perm("events.view_silence")
    assert root.call("DELETE", path).status_code == 204
    user.refresh_from_db()
    assert user.is_staff is False
    assert told("group", "Auditors") == [
        ("made", [{"field": "name", "old": None, "new": "Auditors"}]),
        ("changed", [{"field": "rights", "old": [], "new": ["Can view event"]}]),
    ]
    assert told("group", "Readers") == [
        ("changed", [{"field": "name", "old": "Auditors", "new": "Readers"}]),
        (
            "changed",
            [{"field": "rights", "old": ["Can view event"], "new": ["Can view event", "Can view silence"]}],
        ),
        ("deleted", []),
    ]
    assert told("user", "ada")[-1] == ("changed", [{"field": "roles", "old": ["Readers"], "new": []}])


def test_what_was_read_can_be_changed_and_sent_back(root: Caller, keepers: Group) -> None:
    read = root.get(f"roles/{keepers.pk}/")
    person("ada", "Keepers")  # how many have it may have changed meanwhile
    assert root.put(f"roles/{keepers.pk}/", {**read, "name": "Wardens"})["name"] == "Wardens"
    assert given(keepers) == ["auth.delete_group"]


def test_a_role_that_was_given_a_right_meanwhile_is_not_overwritten(root: Caller, keepers: Group) -> None:
    path = f"roles/{keepers.pk}/"
    etag = root.call("GET", path).headers["ETag"]
    person("ada", "Keepers")
    assert root.call("GET", path).headers["ETag"] == etag
    keepers.permissions.add(Permission.objects.get(codename="view_event"))
    answer = root.client.delete(
        f"/api/v1/{path}", headers={"Authorization": f"Token {root.token}", "If-Match": etag}
    )
    assert answer.status_code == 412
    assert Group.objects.filter(pk=keepers.pk).exists()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_not_even_a_superuser_changes_a_role_that_is_the_same_everywhere(root: Caller, method: str) -> None:
    viewer = Group.objects.get(name="Viewer")
    rights = given(viewer)
    assert root.call(method, f"roles/{viewer.pk}/", {"name": "Mine", "rights": []}).status_code == 403
    viewer.refresh_from_db()
    assert (viewer.name, given(viewer)) == ("Viewer", rights)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_nobody_changes_a_role_that_has_more_than_they(editor: Caller, keepers: Group, method: str) -> None:
    editor.user.user_permissions.remove(Permission.objects.get(codename="delete_group"))
    editor.user.user_permissions.add(Permission.objects.get(codename="change_group"))
    keepers.permissions.add(Permission.objects.get(codename="delete_connector"))
    assert editor.call(method, f"roles/{keepers.pk}/", {"name": "Mine", "rights": []}).status_code == 403
    keepers.refresh_from_db()
    assert keepers.name == "Keepers"


def test_nobody_puts_a_right_into_a_role_that_they_lack(editor: Caller) -> None:
    sent = {"name": "Mine", "rights": ["connectors.view_connector", "connectors.delete_connector"]}
    answer = editor.post("roles/", sent, 400)
    assert mistakes(answer) == {"rights.1": ["You lack this right; you cannot give it."]}
    made = editor.post("roles/", {"name": "Mine", "rights": ["connectors.view_connector"]})
    answer = editor.patch(f"roles/{made['id']}/", {"rights": sent["rights"]}, 400)
    assert mistakes(answer) == {"rights.1": ["You lack this right; you cannot give it."]}


def test_a_name_that_is_taken_is_refused(root: Caller) -> None:
    assert list(mistakes(root.post("roles/", {"name": "Viewer"}, 400))) == ["name"]


def test_the_rights_that_somebody_can_give_are_told_in_words(editor: Caller, root: Caller) -> None:
    assert editor.get("roles/rights/")[-1] == {
        "name": "connectors.view_connector",
        "words": "Can view connector",
    }
    assert len(editor.get("roles/rights/")) == 5
    assert len(root.get("roles/rights/")) == Permission.objects.count()
