"""Roles: what a viewer, an operator and an admin may do, and how somebody comes to have one.

A role is a group. The three below are laid down here and put right after every `migrate`, when all
permissions exist, so that they also hold of what a later version adds; nobody edits them. Groups of another
name are left alone. `kubegraf.console.role_admin` shows them in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

from connectors import history
from connectors.versions import version_of


@dataclass(frozen=True)
class Role:
    """A role: its name, what it is for, and every permission that it gives, as app.codename."""

    name: str
    summary: str
    permissions: frozenset[str]


def _all(app: str, *models: str) -> frozenset[str]:
    return frozenset(
        f"{app}.{verb}_{model}" for model in models for verb in ("view", "add", "change", "delete")
    )


_VIEW = frozenset(
    (
        "connectors.view_connector",
        "connectors.view_delivery",
        "events.view_subscription",
        "events.view_cluster",
        "events.view_event",
        "events.view_silence",
    )
)
_OPERATE = _VIEW | {
    "connectors.test_connector",
    "connectors.change_delivery",
    "events.handle_event",
    "events.add_silence",
    "events.change_silence",
}
_ADMINISTER = (
    _OPERATE
    | _all("connectors", "connector")
    | _all("events", "subscription", "cluster", "silence")
    | _all("auth", "user")
    | _all("kubegraf", "apitoken")
    | {"events.add_event", "auth.view_group"}
    | {
        "connectors.view_historicalconnector",
        "events.view_historicalsubscription",
        "events.view_historicalcluster",
        "events.view_historicalsilence",
        "kubegraf.view_historicaluser",
        "kubegraf.view_historicalapitoken",
    }
)

VIEWER = Role("Viewer", "Sees everything there is, and changes nothing.", _VIEW)
OPERATOR = Role(
    "Operator",
    "Sees everything, handles events, silences, tests and resumes connectors, and has deliveries sent again.",
    _OPERATE,
)
ADMIN = Role(
    "Admin",
    "Does everything: configuration, people, API tokens, and the history of who changed what.",
    _ADMINISTER,
)

ROLES = {role.name: role for role in (VIEWER, OPERATOR, ADMIN)}
"""From the least to the most."""


def sync(**_: Any) -> None:
    """Gives each role's group exactly its permissions.

    Permissions that do not exist yet are left out; they come with the `migrate` that makes them.
    """
    codenames = {name.partition(".")[2] for role in ROLES.values() for name in role.permissions}
    found = Permission.objects.filter(codename__in=codenames).select_related("content_type")
    existing = {name_of(permission): permission for permission in found}
    for role in ROLES.values():
        group, _made = Group.objects.get_or_create(name=role.name)
        group.permissions.set([existing[name] for name in role.permissions if name in existing])


def in_order(groups: Iterable[Group]) -> list[Group]:
    """Roles as they are listed: ours from the least to the most, then the others by name."""
    names = list(ROLES)
    return sorted(
        groups,
        key=lambda group: (names.index(group.name) if group.name in ROLES else len(names), group.name),
    )


def summary(group: Group) -> str:
    """What a role is for, in a sentence."""
    role = ROLES.get(group.name)
    return role.summary if role else "A role of your own."


def give(user: User, groups: Iterable[Group]) -> None:
    """Makes these the roles of somebody. Whoever may do anything at all may enter the console."""
    before = _names(user)
    user.groups.set(groups)
    history.tell(user, "roles", before, _names(user))
    let_in(user)


def let_in(user: User) -> None:
    """Opens the console to whoever may do anything at all, and shuts it to whoever may not any more."""
    comes_in = user.is_superuser or user.groups.exists() or user.user_permissions.exists()
    if user.is_staff != comes_in:
        user.is_staff = comes_in
        user.save(update_fields=["is_staff"])


def _names(user: User) -> list[str]:
    return [group.name for group in in_order(user.groups.all())]


def may_give(giver: User, group: Group) -> bool:
    """Whether somebody may give this role away: nobody gives more than they have."""
    if giver.is_superuser:
        return True
    return giver.has_perms(rights_of(group))


def rights_of(group: Group) -> list[str]:
    """Every right that a role gives, as app.codename."""
    rights = group.permissions.select_related("content_type")
    return [name_of(right) for right in rights]


def name_of(right: Permission) -> str:
    """app.codename."""
    return f"{right.content_type.app_label}.{right.codename}"


def set_rights(group: Group, rights: Iterable[Permission]) -> None:
    """Makes these the rights that a role gives."""
    before = in_words(group)
    group.permissions.set(rights)
    history.tell(group, "rights", before, in_words(group))


def version(group: Group) -> str:
    """The version of a role: of its name and its rights."""
    return version_of(group, *sorted(group.permissions.all(), key=lambda right: right.pk))


def in_words(group: Group) -> list[str]:
    """The rights that a role gives, in words."""
    return sorted(group.permissions.values_list("name", flat=True))


def may_edit(user: Any, group: Group) -> bool:
    """Whether a role may be edited and deleted by whoever has the right to. Ours are the same everywhere."""
    return group.name not in ROLES and may_give(user, group)


def delete(group: Group) -> None:
    """Takes a role away from everybody who has it, which is on record with each of them, and deletes it."""
    with transaction.atomic():
        for user in list(group.user_set.all()):
            give(user, user.groups.exclude(pk=group.pk))
        group.delete()
