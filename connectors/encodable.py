"""Makes decoded JSON fit to be sent to anyone. Pure.

What a container logs, or an annotation says, may hold half of a surrogate pair, for which there is no UTF-8,
and a measurement may be infinite, for which there is no JSON. Such a value must not keep a message from
arriving.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_exactly = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_fast = msgspec.json.Encoder().encode


def json_bytes(value: Any) -> bytes:
    """`value`, decoded JSON, as compact JSON in UTF-8, made encodable where it is not."""
    try:
        encoded = _fast(value)
        # Where this has a null there may have been what is no number, which the other one refuses.
        return encoded if b"null" not in encoded else _exactly(value).encode()
    except (TypeError, ValueError, OverflowError):  # UnicodeEncodeError is a ValueError
        return _exactly(encodable(value)).encode()


def encodable(value: Any) -> Any:
    """A copy of `value` that has a JSON encoding in UTF-8.

    Half surrogate pairs become U+FFFD, infinite numbers and NaN their names, and what JSON does not know the
    text that Python has for it. Everything else is kept as it is, control characters too: JSON escapes them.
    """
    if isinstance(value, str):
        return value if value.isascii() else _HALF_PAIR.sub("\ufffd", value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {encodable(str(name)): encodable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(item) for item in value]
    return encodable(str(value))
