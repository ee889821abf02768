"""Ids are in the order in which they are made, one at a time or many at once."""

from __future__ import annotations

from uuid import UUID

from connectors.ids import names, several, uuid7


def test_many_ids_are_as_if_made_one_after_the_other() -> None:
    made = [uuid7(), *several(5000), *map(UUID, names(5000)), uuid7()]

    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, made[0].variant)}
