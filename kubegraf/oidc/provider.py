"""What the provider says of itself (OpenID Connect Discovery): asked when needed, kept for an hour."""

from __future__ import annotations

import time
from typing import Any

import requests
from django.conf import settings

AWAY = "The sign-in provider cannot be reached at present. Try again later."
"""What people are told of `Unavailable`."""

KEEP_SECONDS = 3600.0

_known: dict[str, tuple[float, dict[str, Any]]] = {}


class Unavailable(Exception):
    """The provider does not say, or not truly, where it is to be asked."""


def discovered() -> dict[str, Any]:
    """The issuer's configuration. Raises Unavailable."""
    issuer: str = settings.OIDC_ISSUER
    at, found = _known.get(issuer, (0.0, {}))
    if not found or time.monotonic() - at > KEEP_SECONDS:
        found = _asked(issuer)
        _known[issuer] = (time.monotonic(), found)
    return found


def _asked(issuer: str) -> dict[str, Any]:
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = requests.get(address, timeout=settings.OIDC_TIMEOUT)
        answer.raise_for_status()
        found = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise Unavailable(f"{address} does not answer as it should ({type(error).__name__}).") from None
    # OpenID Connect Discovery 1.0, 4.3: whoever answers in another's name is not believed.
    if not isinstance(found, dict) or found.get("issuer") != issuer:
        raise Unavailable(f"{address} is the configuration of another issuer than {issuer}.")
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if missing := [name for name in needed if not isinstance(found.get(name), str)]:
        raise Unavailable(f"{address} does not say its {', '.join(missing)}.")
    return found
