"""Time-ordered ids, so that rows written together lie together in the index."""

from __future__ import annotations

import os
import struct
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0

_VERSION_AND_VARIANT = 0x7 << 76 | 0x2 << 62


def uuid7() -> uuid.UUID:
    """A version 7 UUID: milliseconds since 1970 in front, a counter in the 12 bits behind, the rest random.

    Each one this process makes is greater than the one before, also within a millisecond and when the clock
    is set back (RFC 9562, section 6.2, method 1).
    """
    return uuid.UUID(int=_values(1)[0])


def several(count: int) -> list[uuid.UUID]:
    """So many version 7 UUIDs at once, in their order."""
    return [uuid.UUID(int=value) for value in _values(count)]


def names(count: int) -> list[str]:
    """As `several`, in hexadecimal: what is only written down need not be more than text."""
    return [f"{value:032x}" for value in _values(count)]


def parsed(text: str) -> uuid.UUID | None:
    """The id that the text is; None if it is none."""
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def _values(count: int) -> list[int]:
    global _last
    with _lock:
        first = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
        _last = first + count - 1
    random = struct.unpack(f">{count}Q", os.urandom(8 * count))
    return [
        (stamp >> 12) << 80 | (stamp & 0xFFF) << 64 | _VERSION_AND_VARIANT | bits >> 2
        for stamp, bits in enumerate(random, first)
    ]
