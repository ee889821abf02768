"""What an address asks for after the question mark: taken as it is described, and refused otherwise.

A guess at what was meant would be no filter, and so everything; or the change itself where a trial was asked
for (`?dry_run=yes`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.http import QueryDict

from connectors.api.filters import moment, yes_or_no
from connectors.api.problems import InvalidQuery


def check(asked: QueryDict, known: Collection[str], several: Collection[str] = ()) -> None:
    """Raises InvalidQuery for a name that there is not, one that is asked twice, and one left empty.

    `several` are those that may be asked more than once.
    """
    there_are = ", ".join(sorted(known)) or "none"
    wrong = {
        name: [f"There is no such parameter. There are: {there_are}."]
        for name in sorted(asked)
        if name not in known
    }
    for name in sorted({*asked} & {*known}):
        values = asked.getlist(name)
        if len(values) > 1 and name not in several:
            wrong[name] = ["This may be asked once."]
        # Else it would be no filter at all: everything, where a script's variable is not set.
        if not all(value.strip() for value in values):
            wrong[name] = ["This is empty. Leave it out to ask for all."]
    if wrong:
        raise InvalidQuery(wrong)


class Query:
    """The parameters of an address that lists no rows. Every method raises InvalidQuery."""

    def __init__(self, asked: QueryDict, *known: str) -> None:
        check(asked, known)
        self._asked: Mapping[str, str] = asked

    def __contains__(self, name: str) -> bool:
        return name in self._asked

    def text(self, name: str) -> str:
        """As it is; empty where it is not asked."""
        said = self._asked.get(name, "")
        if "\0" in said:  # which no database takes
            raise InvalidQuery({name: ["Null characters are not allowed."]})
        return said

    def word(self, name: str, words: Collection[str], default: str = "") -> str:
        """One of those words."""
        said = self._asked.get(name, default)
        if name in self and said not in words:
            raise InvalidQuery({name: [f"This must be one of {', '.join(words)}."]})
        return said

    def yes(self, name: str) -> bool:
        """`true` or `false`, which it is unless asked."""
        try:
            return bool(yes_or_no(self._asked.get(name)))
        except ValidationError as error:
            raise InvalidQuery({name: error.messages}) from None

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to that."""
        said = self._asked.get(name, str(default))
        if said.isascii() and said.isdigit() and len(said) <= len(str(most)) and 1 <= int(said) <= most:
            return int(said)
        raise InvalidQuery({name: [f"This must be a number from 1 to {most}."]})

    def moment(self, name: str) -> datetime | None:
        """A date and time with its offset from UTC."""
        try:
            return moment(self._asked.get(name))
        except ValidationError as error:
            raise InvalidQuery({name: error.messages}) from None
