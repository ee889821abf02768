"""Who may do what to whom. Console and API ask here, so that neither allows what the other refuses."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Q, QuerySet

from connectors import history
from connectors.versions import version_of
from kubegraf import roles

NOT_OF_THEMSELVES = ("roles", "is_active", "is_superuser")
"""Fields that nobody changes of themselves: they would shut themselves out, or give themselves more."""

OF_ONESELF = "Nobody changes this of themselves."
"""What is said to whoever tries."""

BEYOND_ROLES = "Only a superuser changes this."
"""The same of single rights, and of who is a superuser."""


def rights_of(person: User) -> set[str]:
    """Every right that somebody's roles and single rights give, as app.codename.

    Also of somebody who is not active, whom Django says to have none: they would be back with all of them.
    """
    held = Permission.objects.filter(Q(group__user=person) | Q(user=person))
    return {f"{app}.{name}" for app, name in held.values_list("content_type__app_label", "codename")}


def give_rights(person: User, rights: Iterable[Permission]) -> None:
    """Makes these the single rights of somebody."""
    before = single_rights(person)
    person.user_permissions.set(rights)
    history.tell(person, "single rights", before, single_rights(person))


def version(person: User) -> str:
    """The version of somebody with their roles and rights; to sign in changes nothing of it."""
    configured = copy(person)
    configured.last_login = None
    held = sorted(person.user_permissions.all(), key=lambda right: right.pk)
    return version_of(configured, *roles.in_order(person.groups.all()), *held)


def single_rights(person: User) -> list[str]:
    """The rights that somebody has beyond those of their roles, in words."""
    return sorted(person.user_permissions.values_list("name", flat=True))


def rights_to_give(giver: Any) -> QuerySet[Permission]:
    """The rights that somebody may put into a role: nobody gives more than they have."""
    every = Permission.objects.order_by("content_type__app_label", "content_type__model", "codename")
    return every if giver.is_superuser else every.filter(Q(group__user=giver) | Q(user=giver)).distinct()


def is_still(user: Any, person: User) -> bool:
    """Whether an account, as it is by now, belongs to whom a request of it began with.

    Sessions end with the password; a request that has begun by then would go on, and could make the account
    open again to whom it has just been shut.
    """
    return person.is_active and bool(user.password == person.password)


def reaches(user: Any, person: User) -> bool:
    """Whether somebody may do all that a person may: who does not, would get it with a new password."""
    if user.pk == person.pk:
        return is_still(user, person)
    if user.is_superuser:
        return True
    return not person.is_superuser and bool(user.has_perms(rights_of(person)))


def may_add(user: Any) -> bool:
    """Whether somebody may add people: it takes the right to change them, too, for it gives roles."""
    return bool(user.has_perms(("auth.add_user", "auth.change_user")))


def may_change(user: Any, person: User) -> bool:
    """Whether somebody may change this person."""
    return bool(user.has_perm("auth.change_user")) and reaches(user, person)


def may_delete(user: Any, person: User) -> bool:
    """Whether somebody may delete this person, who is never themselves."""
    return bool(user.has_perm("auth.delete_user")) and user.pk != person.pk and reaches(user, person)
