"""API tokens: making them, knowing them again, and what each may be used for.

A token is 256 random bits, so that one round of SHA-256 is all its hash needs. The hash alone is stored, and
is what a token is looked up by; whoever reads the table can do nothing with it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from kubegraf import people
from kubegraf.models import ApiToken, Scope

PREFIX = "kg_"
"""What a token begins with, so that scanners for leaked secrets can tell one."""

SHOWN = 8
"""How many characters of a token are kept in clear, for people to tell one from another."""

USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a program that asks a hundred times a second writes once a minute."""


def digest(text: str) -> str:
    """The hash by which a token is stored and found."""
    return hashlib.sha256(text.encode()).hexdigest()


def issue(
    user: User, name: str, scope: str = Scope.WRITE, *, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new token, and its text, which nobody can be told again. Raises PermissionDenied."""
    token = ApiToken(user=user, name=name, scope=scope, expires_at=expires_at)
    text = draw(token)
    with transaction.atomic():
        if not still_asks(user):
            raise PermissionDenied("This account was given another password just now. Sign in again.")
        token.save(force_insert=True)
    return token, text


def still_asks(user: Any) -> bool:
    """Whether the owner's account is still that of who asks. It stays so until the transaction ends."""
    return people.is_still(user, User.objects.select_for_update(no_key=True).get(pk=user.pk))


def draw(token: ApiToken) -> str:
    """A text for a token that is not saved yet."""
    text = PREFIX + secrets.token_urlsafe(32)
    token.digest, token.shown = digest(text), text[:SHOWN]
    return text


def revoke(token: ApiToken) -> None:
    """Ends a token at once. It stays on record, unless it has just gone with its owner."""
    with transaction.atomic():
        valid = ApiToken.objects.select_for_update(no_key=True).filter(pk=token.pk, revoked_at=None).first()
        if valid is not None:
            token.revoked_at = valid.revoked_at = timezone.now()
            valid.save(update_fields=["revoked_at"])


def visible_to(user: Any) -> QuerySet[ApiToken]:
    """Somebody's own tokens; everybody's for whoever has the right to view tokens."""
    rows = ApiToken.objects.select_related("user")
    return rows if user.has_perm("kubegraf.view_apitoken") else rows.filter(user_id=user.pk)


def may_revoke(user: Any, token: ApiToken) -> bool:
    """Whether somebody may revoke this token: their own, or all with the right to change tokens."""
    return token.user_id == user.pk or bool(user.has_perm("kubegraf.change_apitoken"))


def find(text: str) -> ApiToken | None:
    """The token of that text, if it is still of use, with its user."""
    wanted = digest(text)
    token = ApiToken.objects.select_related("user").filter(digest=wanted).first()
    if token is None or not hmac.compare_digest(token.digest, wanted):
        return None
    return token if token.is_valid and token.user.is_active else None


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token …`, or `Bearer …`, which is all that some programs can send.

    What a token's scope does not cover is refused here, for every view alike.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The user and the token. Raises AuthenticationFailed (401) and PermissionDenied (403)."""
        sent = get_authorization_header(request).split()
        if not sent or sent[0].lower() not in (b"token", b"bearer"):
            return None
        text = sent[1].decode("ascii", "replace") if len(sent) == 2 else ""
        if sent[0].lower() == b"bearer" and not text.startswith(PREFIX):
            return None  # a proxy's own, which it puts beside a person's session
        token = find(text)
        if token is None:
            raise AuthenticationFailed("There is no such token, or it has expired or was revoked.")
        context: dict[str, Any] = request.parser_context or {}
        if not covers(token.scope, request.method or "", context.get("view")):
            raise PermissionDenied(f"The scope of this token, {token.scope}, does not cover this.")
        used(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What 401 answers ask for."""
        return "Token"


class TokenSchema(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How the OpenAPI description tells of tokens."""

    target_class = TokenAuthentication
    name = "tokenAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """The header."""
        words = "`Token kg_…` or `Bearer kg_…`: an API token, whose scope is read, write or ingest."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": words}


def covers(scope: str, method: str, view: Any) -> bool:
    """Whether a token of that scope may be used for this.

    A view says of itself which of its actions `ingest` covers.
    """
    if scope == Scope.WRITE:
        return True
    if scope == Scope.READ:
        return method in SAFE_METHODS
    ingest: Collection[str] = getattr(view, "ingest", ())
    return method == "POST" and getattr(view, "action", None) in ingest


def used(token: ApiToken) -> None:
    """Writes down that a token is in use, as exactly as `USED_EVERY` says."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - USED_EVERY:
        unused = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
        ApiToken.objects.filter(unused, pk=token.pk).update(last_used_at=now)
