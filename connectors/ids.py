"""Time-ordered ids, so that rows written together lie together in the index."""

from __future__ import annotations

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """A version 7 UUID: milliseconds since 1970 in front, a counter in the 12 bits behind, the rest random.

    Each one this process makes is greater than the one before, also within a millisecond and when the clock
    is set back (RFC 9562, section 6.2, method 1).
    """
    global _last
    with _lock:
        _last = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
        stamp = _last
    return _made(stamp, os.urandom(8))


def several(count: int) -> list[uuid.UUID]:
    """So many version 7 UUIDs at once, in their order."""
    global _last
    with _lock:
        first = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
        _last = first + count - 1
    random = os.urandom(8 * count)
    return [_made(first + number, random[8 * number : 8 * number + 8]) for number in range(count)]


def _made(stamp: int, random: bytes) -> uuid.UUID:
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62
    return uuid.UUID(int=value | int.from_bytes(random, "big") >> 2)
