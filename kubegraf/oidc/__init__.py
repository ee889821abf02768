"""Signing in at an OpenID Connect provider. Nothing of it is loaded where KUBEGRAF_OIDC_ISSUER is not set."""

from __future__ import annotations
