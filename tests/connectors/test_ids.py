"""Ids are in the order in which they are made, one at a time or many at once, and are read from text."""

from __future__ import annotations

from uuid import UUID

import pytest

from connectors.ids import names, parsed, several, uuid7


def test_many_ids_are_as_if_made_one_after_the_other() -> None:
    made = [uuid7(), *several(5000), *map(UUID, names(5000)), uuid7()]

    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, made[0].variant)}


def test_a_text_is_read_as_the_id_that_it_is() -> None:
    made = uuid7()

    assert parsed(f" {made} ") == parsed(made.hex) == made


@pytest.mark.parametrize("text", ["", "test-1", "0199a0b0-1111", "\0"])
def test_what_is_no_id_is_none(text: str) -> None:
    assert parsed(text) is None
