"""How long and how much: what holds for every exchange, whichever driver performs it."""

from __future__ import annotations

from dataclasses import dataclass

CONNECT_SECONDS = 5.0
"""How long a connection may take to open, and again its TLS handshake, if the deadline lets them."""
BODY_LIMIT = 64 * 1024
"""Bytes of an answer's body that are read."""
HEADER_LIMIT = 100
"""Headers that an answer may have."""
HEADER_BYTES = 64 * 1024
"""How long one of them may be."""
IDLE_SECONDS = 4.0
"""Connections idle for longer are not used again: many servers close theirs after five seconds, and a
request sent at that moment would be lost."""
GATHER_SECONDS = 0.02
"""Results that come within this time of each other are handed on together."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """For one run: conversations at a time, seconds for one exchange, seconds for one conversation."""

    concurrency: int
    timeout: float
    total: float
