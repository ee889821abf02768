"""JSON from outside: what is wrong with it is found at once, however it is made."""

from __future__ import annotations

import time

import pytest

from connectors.wellformed import loads


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f'"{number:x}":0' for number in range(60_000)) + ',"0":1}',
        "{" + ",".join(f'"{number:x}":0,"{number:x}":1' for number in range(30_000)) + "}",
        '{"' + "a" * 500_000 + '":[' + "0," * 200_000 + "NaN]}",
        '{"' + "a" * 500_000 + '":[' + "0," * 200_000 + '"\\u0000"]}',
        "[" * 500_000,
    ],
    ids=["one name twice", "all names twice", "long name", "long name of what is refused", "deep"],
)
def test_what_is_wrong_with_a_megabyte_is_told_at_once_and_briefly(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError) as refusal:  # noqa: PT011  # what it says differs
        loads(text)
    assert time.process_time() - began < 2
    assert len(str(refusal.value)) < 500


def test_of_many_names_that_are_there_twice_three_are_told() -> None:
    with pytest.raises(ValueError, match=r"^'a', 'b', 'c': the same name is twice in one object\.$"):
        loads('{"d": 1, "d": 1, "c": 1, "c": 1, "b": 1, "b": 1, "a": 1, "a": 1}')
