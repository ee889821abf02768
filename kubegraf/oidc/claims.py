"""Which roles the provider's claims give: KUBEGRAF_OIDC_ROLES, such as `groups:sre=operator`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """Whoever has `value` in the claim has the role. A dot leads into a claim: `realm_access.roles`."""

    claim: str
    value: str
    role: str


def rules(texts: Iterable[str]) -> list[Rule]:
    """The rules as configured. Raises ValueError."""
    found = []
    for text in texts:
        left, equals, role = text.rpartition("=")
        claim, colon, value = left.partition(":")
        if not (equals and colon and claim.strip() and value.strip() and role.strip()):
            raise ValueError(f"KUBEGRAF_OIDC_ROLES has {text!r}; a rule looks like groups:sre=operator.")
        found.append(Rule(claim.strip(), value.strip(), role.strip()))
    return found


def roles_of(claims: Mapping[str, Any], rules: Iterable[Rule]) -> set[str]:
    """The names of the roles that the claims give, in lower case."""
    return {rule.role.lower() for rule in rules if rule.value in _values(claims, rule.claim)}


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)] if value else []
