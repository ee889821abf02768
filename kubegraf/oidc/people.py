"""Who of ours somebody from the provider is, and with which roles they come in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from connectors import history
from kubegraf import roles, tokens
from kubegraf.models import ApiToken, Identity
from kubegraf.oidc.claims import roles_of, rules

CONFLICT = "An account with your e-mail address already exists here, and it is not yours by this provider."

SUPERUSER = (
    "The account with your e-mail address may do everything here, and an address does not open it."
    " Sign in with its name and password."
)


class Refused(Exception):
    """Somebody does not come in; the text says why, to them."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who comes in, and which other ways into their account that has closed, in words; mostly none."""

    user: User
    closed: str = ""


def arrival(claims: Mapping[str, Any]) -> Arrival:
    """The user that verified claims stand for, made if they are new, with their roles. Raises Refused.

    Whoever has no role any more is refused, and has lost those that they had: their API tokens open nothing.

    They are known by issuer and subject. Whoever comes for the first time is taken for the user with their
    e-mail address only if the provider says that it has verified the address, and never for a superuser:
    whoever decides about addresses at the provider would decide about everything here. Nothing else opens
    that account from then on, for who has written the address into it may not be who it belongs to.
    """
    try:
        with transaction.atomic():
            found = _known(claims)
    except IntegrityError:  # they came in meanwhile by another tab, or somebody took their name
        with transaction.atomic():
            found = _known(claims)
    if found is None:
        raise Refused("You have no role here. Ask an administrator for one.")
    return found


def _known(claims: Mapping[str, Any]) -> Arrival | None:
    """The user with the roles of now; None where there are none. Raises Refused."""
    issuer, subject = str(claims["iss"]), str(claims["sub"])
    closed = ""
    having = _having(_address(claims))  # locked first: another tab of theirs may be handing it over
    identity = Identity.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
    user = identity.user if identity else _unclaimed(having, issuer)
    if user is not None and not user.is_active:
        raise Refused("Your account here is not active.")
    groups = _groups(claims, user)
    if not groups and not (user and user.is_superuser):
        if identity is not None:
            roles.give(identity.user, [])
        return None
    if user is None:
        user = _new(claims)
        Identity.objects.create(user=user, issuer=issuer, subject=subject)
    elif identity is None:
        closed = _hand_over(user, issuer, subject)
    roles.give(user, groups)
    return Arrival(user, closed)


def _hand_over(user: User, issuer: str, subject: str) -> str:
    """Makes an account theirs alone who have come by its address; which ways into it that closes, in words.

    Sessions end with the password that they began with, were it an unusable one.
    """
    had_password = user.has_usable_password()
    valid = [token for token in ApiToken.objects.filter(user=user, revoked_at=None) if token.is_valid]
    for token in valid:
        tokens.revoke(token)
    user.set_unusable_password()
    # Not by `save`, whose line would tell of a password set anew.
    User.objects.filter(pk=user.pk).update(password=user.password)
    user.identities.all().delete()
    Identity.objects.create(user=user, issuer=issuer, subject=subject)
    history.tell(
        user,
        "signs in",
        "with a password" if had_password else "without a password",
        f"as {subject} at {issuer}",
    )
    ways = ["its password"] if had_password else []
    if valid:
        ways.append("1 API token" if len(valid) == 1 else f"{len(valid)} API tokens")
    return " and ".join(ways)


def _address(claims: Mapping[str, Any]) -> str:
    """The e-mail address, if the provider stands for it."""
    return str(claims.get("email") or "") if claims.get("email_verified") is True else ""


def _unclaimed(found: list[User], issuer: str) -> User | None:
    """The user with their address whom nobody has come in as yet, if there is one. Raises Refused."""
    if len(found) > 1 or (found and found[0].identities.filter(issuer=issuer).exists()):
        raise Refused(CONFLICT)
    if found and found[0].is_superuser:
        raise Refused(SUPERUSER)
    return found[0] if found else None


def _having(address: str) -> list[User]:
    """The users with an address, locked until they are handed over; capitals from A to Z make no difference.

    A database may hold more letters for one, such as an i without its dot for one with it: another's address.
    """
    if not address:
        return []
    rows = User.objects.select_for_update(no_key=True).filter(email__iexact=address).order_by("pk")
    return [user for user in rows if _plain(user.email) == _plain(address)]


def _plain(address: str) -> bytes:
    return address.encode().lower()


def _groups(claims: Mapping[str, Any], user: User | None) -> list[Group]:
    """The roles to come in with: the provider's where it decides, else those there are, else the default."""
    configured = rules(settings.OIDC_ROLES)
    named = roles_of(claims, configured)
    held = list(user.groups.all()) if user else []
    if configured:
        # Roles that no rule speaks of were given here, and are kept.
        ruled = {rule.role.lower() for rule in configured}
        groups = [
            group for group in held if group.name.lower() not in ruled and group.name not in roles.ROLES
        ]
        groups += [group for group in Group.objects.all() if group.name.lower() in named]
    else:
        groups = held
    if groups or not settings.OIDC_DEFAULT_ROLE:
        return groups
    return list(Group.objects.filter(name__iexact=settings.OIDC_DEFAULT_ROLE))


def _new(claims: Mapping[str, Any]) -> User:
    """A user without a password."""
    wish = str(claims.get("preferred_username") or _address(claims) or claims["sub"])
    name = re.sub(r"[^\w.@+-]", "-", User.normalize_username(wish))[:140] or "user"
    number, free = 1, name
    while User.objects.filter(username__iexact=free).exists():
        number += 1
        free = f"{name}-{number}"
    first, last = (str(claims.get(part) or "")[:150] for part in ("given_name", "family_name"))
    return User.objects.create_user(free, email=_address(claims), first_name=first, last_name=last)
