"""JSON that anyone can decode."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.encodable import encodable, json_bytes

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_what_has_no_encoding_is_replaced_and_the_rest_kept() -> None:
    given_value = {"a\ud800": ["b\udfff\x00🔥", math.nan, -math.inf, 1.5, None, True], "t": (1,)}
    assert encodable(given_value) == {
        "a\ufffd": ["b\ufffd\x00🔥", "nan", "-inf", 1.5, None, True],
        "t": [1],
    }


def test_what_json_does_not_know_becomes_text() -> None:
    assert encodable({"at": datetime(2025, 1, 15, tzinfo=UTC)}) == {"at": "2025-01-15 00:00:00+00:00"}


def test_json_is_compact_and_in_utf_8() -> None:
    assert json_bytes({"a": ["☃", 1.5, None]}) == '{"a":["☃",1.5,null]}'.encode()


@given(ANYTHING)
def test_the_json_of_anything_is_that_of_its_encodable_copy(value: Any) -> None:
    assert json.loads(json_bytes(value)) == encodable(value)


@given(ANYTHING)
def test_everything_can_be_encoded_and_decoded_again(value: Any) -> None:
    encoded = json.dumps(encodable(value), ensure_ascii=False, allow_nan=False).encode()
    assert json.loads(encoded) == encodable(value)
