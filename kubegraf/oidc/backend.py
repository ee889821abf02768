"""Checks what the provider answers, and says who somebody is.

mozilla-django-oidc leads the conversation. It checks neither audience nor issuer of an ID token, which
OpenID Connect Core 1.0, 3.1.3.7, asks for: that is done here.
"""

from __future__ import annotations

import logging
from typing import Any

import jwt
import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from kubegraf.oidc.people import Refused, arrival
from kubegraf.oidc.provider import AWAY, Unavailable, discovered

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a public key: a token that is signed with a secret we know could be anybody's."""

LEEWAY = 60
"""Seconds that the clocks may differ."""

_SETTINGS = {
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}
_UNTRUE = (
    "What the sign-in provider answered could not be verified."
    " Try again; if it stays so, tell an administrator."
)


class ProviderBackend(OIDCAuthenticationBackend):  # type: ignore[misc]  # the library has no types
    """Signs in whom the provider vouches for.

    `request.refusal` says why somebody was not, `request.closed` what opens their account no longer.
    """

    def __init__(self) -> None:
        """Asks nobody anything: Django makes a backend for every question about permissions."""
        self.UserModel = User
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID
        self.OIDC_RP_CLIENT_SECRET = settings.OIDC_RP_CLIENT_SECRET

    def __getattr__(self, name: str) -> Any:
        """The provider's addresses, once somebody signs in."""
        if name in _SETTINGS:
            return str(discovered().get(_SETTINGS[name], ""))
        raise AttributeError(name)

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """The user, or None with the reason."""
        if request is None or "nonce" not in credentials:
            return None  # a name and a password are for others
        try:
            user: User | None = super().authenticate(request, **credentials)
        except Refused as refusal:
            self._refuse(request, str(refusal), "refused")
        except (Unavailable, requests.RequestException) as error:
            self._refuse(request, AWAY, type(error).__name__)
        except (SuspiciousOperation, jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            # The words of an error may quote a token.
            self._refuse(request, _UNTRUE, type(error).__name__)
        else:
            return user
        return None

    def get_user(self, user_id: Any) -> User | None:
        """Who is in a session; nobody, once they are not active. The library would go on."""
        user: User | None = super().get_user(user_id)
        return user if user is not None and user.is_active else None

    def _refuse(self, request: HttpRequest, words: str, why: str) -> None:
        logger.warning("A sign-in by OpenID Connect was refused (%s): %s", why, words)
        request.refusal = words  # type: ignore[attr-defined]  # shown by kubegraf.oidc.pages

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """The claims of an ID token. Raises jwt.PyJWTError and SuspiciousOperation."""
        algorithm = jwt.get_unverified_header(token).get("alg")
        if algorithm not in ALGORITHMS:
            raise SuspiciousOperation("An ID token must be signed with the provider's own key.")
        claims: dict[str, Any] = jwt.decode(
            token,
            self.retrieve_matching_jwk(token).key,
            algorithms=[algorithm],
            audience=settings.OIDC_RP_CLIENT_ID,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else settings.OIDC_RP_CLIENT_ID) != settings.OIDC_RP_CLIENT_ID:
            raise SuspiciousOperation("The ID token was made for somebody else.")
        if not kwargs.get("nonce") or claims.get("nonce") != kwargs["nonce"]:
            raise SuspiciousOperation("The ID token answers another question.")
        return claims

    def get_or_create_user(self, access_token: str, id_token: str, payload: dict[str, Any]) -> User:
        """The user. What the provider tells beside the ID token must be about the same person."""
        claims = dict(payload)
        if self.OIDC_OP_USER_ENDPOINT:
            told = self.get_userinfo(access_token, id_token, payload)
            if told.get("sub") != payload["sub"]:
                raise SuspiciousOperation("This is about somebody else.")
            claims = {**told, **claims}
        found = arrival(claims)
        self.request.closed = found.closed  # told by kubegraf.oidc.pages
        return found.user
