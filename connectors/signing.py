"""Signatures by which a receiver knows that a message is ours and unchanged. Pure.

Standard Webhooks 1.0.0: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes, by the specification


def signing_key(secret: str) -> bytes:
    """The key in a `whsec_…` secret. Raises ValueError, with a sentence that does not repeat the secret."""
    try:
        if not secret.startswith(PREFIX):
            raise ValueError
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(
            "A signing secret is whsec_ followed by base64; make one with: "
            "echo whsec_$(openssl rand -base64 32)"
        ) from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"The signing secret has {len(key)} bytes after decoding; use {_SHORTEST} to {_LONGEST}"
        )
    return key


def signature_headers(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers that go with `body`, byte for byte.

    `message_id` is the same over retries, so that a receiver can tell a repetition; it must not contain a
    full stop, which separates the parts that are signed. `timestamp` is that of this attempt, in seconds
    since 1970. With more than one key, each signs: a receiver needs to know only one of them.
    """
    if "." in message_id:
        raise ValueError("a message id with a full stop could be taken apart in two ways")
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (
        "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii") for key in keys
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
