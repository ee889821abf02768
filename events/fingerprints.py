"""The names by which problems are told apart. Pure."""

from __future__ import annotations

import hashlib


def fingerprint(*parts: str) -> str:
    """The name of a problem, made of what tells it from every other: cluster, type, subject, key."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
