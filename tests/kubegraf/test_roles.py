"""Roles: what they give, how people come to have them, and what nobody can give themselves."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from connectors import history
from kubegraf import roles, tokens
from kubegraf.models import ApiToken

pytestmark = pytest.mark.django_db


def person(name: str, *names: str, **more: Any) -> User:
    """Somebody with these roles."""
    user = User.objects.create_user(name, **more)
    roles.give(user, Group.objects.filter(name__in=names))
    return User.objects.get(pk=user.pk)


def page(user: User) -> str:
    """The address of somebody's page."""
    return reverse("admin:auth_user_change", args=(user.pk,))


def entered(user: User, *names: str, **more: Any) -> dict[str, Any]:
    """What the form about somebody sends."""
    groups = Group.objects.filter(name__in=names).values_list("pk", flat=True)
    known = {"username": user.username, "email": user.email, "is_active": "on", "roles": list(groups)}
    return {**known, **more}


# --- What they are --------------------------------------------------------------------------------------


def test_each_role_has_every_right_of_the_one_before() -> None:
    viewer, operator, admin = roles.ROLES.values()
    assert viewer.permissions < operator.permissions < admin.permissions


def test_after_migrate_each_role_has_exactly_the_permissions_that_exist() -> None:
    existing = {f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.all()}
    for role in roles.ROLES.values():
        given = Group.objects.get(name=role.name).permissions.all()
        assert {f"{p.content_type.app_label}.{p.codename}" for p in given} == role.permissions & existing


def test_migrate_puts_a_role_right_and_leaves_other_groups_alone() -> None:
    viewer, own = Group.objects.get(name="Viewer"), Group.objects.create(name="Auditors")
    right = Permission.objects.get(codename="delete_connector")
    for group in (viewer, own):
        group.permissions.add(right)
    call_command("migrate", verbosity=0)
    assert right not in viewer.permissions.all()
    assert list(own.permissions.all()) == [right]


# --- Giving them ----------------------------------------------------------------------------------------


def test_a_role_is_all_it_takes_to_enter_the_console(client: Client) -> None:
    user = User.objects.create_user("somebody")
    client.force_login(person("boss", "Admin"))
    client.post(page(user), entered(user, "Viewer"))
    user.refresh_from_db()
    assert (list(user.groups.values_list("name", flat=True)), user.is_staff) == (["Viewer"], True)
    client.force_login(user)
    assert client.get(reverse("admin:connectors_connector_changelist")).status_code == 200


def test_without_a_role_the_console_is_closed_again(client: Client) -> None:
    user = person("somebody", "Operator")
    client.force_login(person("boss", "Admin"))
    client.post(page(user), entered(user))
    user.refresh_from_db()
    assert (user.groups.count(), user.is_staff) == (0, False)


def test_somebody_new_gets_a_password_and_a_role_in_one_go(client: Client) -> None:
    client.force_login(person("boss", "Admin"))
    client.post(
        reverse("admin:auth_user_add"),
        {
            "username": "new",
            "email": "new@example.com",
            "usable_password": "true",
            "password1": "long enough, and new",
            "password2": "long enough, and new",
            "roles": [Group.objects.get(name="Operator").pk],
        },
    )
    user = User.objects.get(username="new")
    assert (user.email, user.is_staff, user.has_perm("connectors.test_connector")) == (
        "new@example.com",
        True,
        True,
    )
    assert user.check_password("long enough, and new")


def test_the_form_has_no_list_of_single_rights_but_for_superusers(client: Client) -> None:
    user = User.objects.create_user("somebody")
    client.force_login(person("boss", "Admin"))
    assert "user_permissions" not in client.get(page(user)).text
    client.force_login(User.objects.create_superuser("root"))
    assert "user_permissions" in client.get(page(user)).text


# --- What nobody can give themselves --------------------------------------------------------------------


def test_an_admin_makes_no_superuser(client: Client) -> None:
    user = User.objects.create_user("somebody")
    client.force_login(person("boss", "Admin"))
    rights = list(Permission.objects.values_list("pk", flat=True))
    client.post(page(user), entered(user, is_superuser="on", is_staff="on", user_permissions=rights))
    user.refresh_from_db()
    assert (user.is_superuser, user.user_permissions.count(), user.is_staff) == (False, 0, False)


def test_an_admin_gives_no_role_that_has_more_than_they(client: Client) -> None:
    keepers = Group.objects.create(name="Keepers")
    keepers.permissions.add(Permission.objects.get(codename="delete_group"))
    user = person("somebody", "Viewer", "Keepers")
    keepers.user_set.remove(user)
    client.force_login(person("boss", "Admin"))
    assert "Keepers" not in client.get(page(user)).text
    answer = client.post(page(user), entered(user, "Viewer", "Keepers"))
    assert "is not one of the available choices" in answer.text
    assert list(user.groups.values_list("name", flat=True)) == ["Viewer"]


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("more", [{"is_superuser": True}, {"role": "Keepers"}])
def test_an_admin_changes_nobody_who_may_do_more(client: Client, more: dict[str, Any], active: bool) -> None:
    more = {**more, "is_active": active}
    keepers = Group.objects.create(name="Keepers")
    keepers.permissions.add(Permission.objects.get(codename="delete_group"))
    user = person("somebody", more.pop("role", ""), password="as it was", **more)
    client.force_login(person("boss", "Admin"))
    password = {"password1": "long enough, and new", "password2": "long enough, and new"}
    assert client.post(page(user), entered(user, username="mine")).status_code == 403
    address = reverse("admin:auth_user_password_change", args=(user.pk,))
    assert client.post(address, {**password, "usable_password": "true"}).status_code == 403
    assert client.post(reverse("admin:auth_user_delete", args=(user.pk,)), {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    client.post(reverse("admin:auth_user_changelist"), action)
    user = User.objects.get(pk=user.pk)
    assert (user.username, user.check_password("as it was")) == ("somebody", True)


def test_nobody_shuts_themselves_out(client: Client) -> None:
    boss = person("boss", "Admin")
    client.force_login(boss)
    data = entered(boss, email="boss@example.com")
    data.pop("is_active")
    client.post(page(boss), data)
    assert client.post(reverse("admin:auth_user_delete", args=(boss.pk,)), {"post": "yes"}).status_code == 403
    boss = User.objects.get(pk=boss.pk)
    assert (boss.email, boss.is_active, boss.groups.get().name) == ("boss@example.com", True, "Admin")


def test_somebody_who_is_deleted_takes_their_tokens_along(client: Client) -> None:
    user = person("somebody", "Viewer")
    tokens.issue(user, "CI")
    client.force_login(person("boss", "Admin"))
    client.post(reverse("admin:auth_user_delete", args=(user.pk,)), {"post": "yes"})
    assert not User.objects.filter(username="somebody").exists()
    assert not ApiToken.objects.exists()


# --- The page of a role ---------------------------------------------------------------------------------


def test_a_role_is_told_in_words_with_who_has_it(client: Client) -> None:
    person("somebody", "Operator")
    client.force_login(person("boss", "Admin"))
    html = client.get(reverse("admin:auth_group_change", args=(Group.objects.get(name="Operator").pk,))).text
    assert "<dt>Connectors</dt><dd>view, test and resume connectors</dd>" in html
    assert "<dt>Deliveries</dt><dd>view, change</dd>" in html
    assert ">somebody</a>" in html


def test_not_even_a_superuser_edits_a_role_of_ours(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    viewer = Group.objects.get(name="Viewer")
    rights = set(viewer.permissions.all())
    address = reverse("admin:auth_group_change", args=(viewer.pk,))
    assert client.post(address, {"name": "Visitor", "permissions": []}).status_code == 403
    viewer.refresh_from_db()
    assert (viewer.name, set(viewer.permissions.all())) == ("Viewer", rights)


def test_rights_are_chosen_in_words_and_only_those_that_something_asks_for(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    html = client.get(reverse("admin:auth_group_add")).text
    for words in ("Connectors: view", "Connectors: test and resume connectors", "Roles: add"):
        assert words in html
    assert "History of connectors: view" in html
    assert [word for word in ("log entry", "session", "content type", "Can ", "lease") if word in html] == []


def test_a_right_that_nothing_asks_for_is_kept_where_it_was_given(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    group = Group.objects.create(name="Auditors")
    rights = Permission.objects.filter(codename__in=("view_session", "view_event"))
    group.permissions.set(rights)
    client.post(
        reverse("admin:auth_group_change", args=(group.pk,)),
        {"name": "Inspectors", "permissions": [right.pk for right in rights]},
    )
    group.refresh_from_db()
    assert (group.name, set(group.permissions.all())) == ("Inspectors", set(rights))


def test_a_superuser_makes_a_role_of_ones_own(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    right = Permission.objects.get(codename="view_connector")
    client.post(reverse("admin:auth_group_add"), {"name": "Auditors", "permissions": [right.pk]})
    group = Group.objects.get(name="Auditors")
    assert list(group.permissions.all()) == [right]
    page = client.get(reverse("admin:auth_group_change", args=(group.pk,)))
    assert "A role of your own." in page.text


def editor() -> User:
    """Somebody who is no superuser, may edit roles, and has that right from a role of their own."""
    group = Group.objects.create(name="Editors")
    names = ("view_group", "add_group", "change_group", "delete_group", "view_connector")
    group.permissions.set(Permission.objects.filter(codename__in=names, content_type__app_label__in=OURS))
    return person("editor", "Editors")


OURS = ("auth", "connectors")


@pytest.mark.parametrize("name", ["", "Editors"])
def test_whoever_may_edit_roles_puts_no_right_into_one_that_they_lack(client: Client, name: str) -> None:
    client.force_login(editor())
    right = Permission.objects.get(codename="delete_connector")
    known = Group.objects.filter(name=name).first()
    address = (
        reverse("admin:auth_group_change", args=(known.pk,)) if known else reverse("admin:auth_group_add")
    )
    sent = {"name": name or "Breakers", "permissions": [right.pk]}
    assert client.post(address, sent).status_code == 200  # the form again
    assert not Group.objects.filter(permissions=right).exclude(name="Admin").exists()
    allowed = Permission.objects.get(codename="view_connector")
    assert client.post(address, {**sent, "permissions": [allowed.pk]}).status_code == 302


@pytest.mark.parametrize("page", ["change", "delete"])
def test_whoever_may_edit_roles_leaves_alone_one_that_gives_more_than_they_have(
    client: Client, page: str
) -> None:
    client.force_login(editor())
    keepers = Group.objects.create(name="Keepers")
    keepers.permissions.add(Permission.objects.get(codename="delete_connector"))
    address = reverse(f"admin:auth_group_{page}", args=(keepers.pk,))
    assert client.post(address, {"name": "Mine", "post": "yes"}).status_code == 403
    keepers.refresh_from_db()
    assert keepers.name == "Keepers"


@pytest.mark.parametrize("at_once", [True, False])
def test_whose_only_role_is_deleted_does_not_enter_the_console_any_more(
    client: Client, at_once: bool
) -> None:
    group = Group.objects.create(name="Visitors")
    only, both = person("only", "Visitors"), person("both", "Visitors", "Viewer")
    client.force_login(User.objects.create_superuser("root"))
    if at_once:
        chosen = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
        client.post(reverse("admin:auth_group_changelist"), chosen)
    else:
        client.post(reverse("admin:auth_group_delete", args=(group.pk,)), {"post": "yes"})
    assert not Group.objects.filter(name="Visitors").exists()
    now = {user.username: user.is_staff for user in User.objects.filter(pk__in=(only.pk, both.pk))}
    assert now == {"only": False, "both": True}
    lines = {line.object_name: line.changes for _, line in history.lines(["user"], limit=2)}
    assert lines == {
        "only": [{"field": "roles", "old": ["Visitors"], "new": []}],
        "both": [{"field": "roles", "old": ["Viewer", "Visitors"], "new": ["Viewer"]}],
    }


def test_a_superuser_does_not_stop_being_one_by_themselves(client: Client) -> None:
    root = User.objects.create_superuser("root")
    client.force_login(root)
    client.post(page(root), entered(root, first_name="Grace"))  # the box is not ticked
    root.refresh_from_db()
    assert (root.first_name, root.is_superuser) == ("Grace", True)
