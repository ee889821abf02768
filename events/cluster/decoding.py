"""From the API server's JSON to structs, whatever in it is null."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")


def decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """The JSON text as a `kind`, which may be an object, a page of them or anything else that holds structs.

    What is null counts as absent. The API server sends null for empty lists, maps and times, which the
    structs allow for; anywhere else it is rare enough to be found out by failing first, so that the usual
    object pays nothing. Raises msgspec.DecodeError if it is not JSON, and its subclass
    msgspec.ValidationError, which names the field, if something has another type than the API's.
    """
    decoder = _decoder(cast(Hashable, kind))
    try:
        decoded: T = decoder.decode(data)
    except msgspec.ValidationError:
        decoded = decoder.decode(msgspec.json.encode(_without_nulls(msgspec.json.decode(data))))
    return decoded


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value
