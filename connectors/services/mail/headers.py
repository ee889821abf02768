"""The headers of a mail, in which no text is read as anything but text.

Python's own kinds of header first read what they are given: of a title that looks like an encoded word,
`=?utf-8?q?=0D=0ABcc:…?=`, they write what that stands for, line breaks and all. These take it literally.

Encoded words: RFC 2047; the length of lines: RFC 5322 section 2.1.1.
"""

from __future__ import annotations

from email import policy
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, MessageIDHeader
from email.policy import Policy
from email.utils import formataddr, parseaddr
from typing import Any

_LONGEST_PLAIN_NAME = 60  # a longer one is folded, which only encoded words survive


class _Literal(BaseHeader):
    """A header that is what it was given."""

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Reads nothing into it."""
        kwds.update(parse_tree=None, decoded=value)

    def fold(self, *, policy: Policy) -> str:
        """As it is written, in lines that every server takes."""
        return f"{self.name}: {self.written(policy.linesep)}{policy.linesep}"

    def written(self, linesep: str) -> str:
        """What stands after the name, in ASCII."""
        return _words(str(self), self.name, linesep)


class _Sender(_Literal):
    """A name and an address."""

    def written(self, linesep: str) -> str:
        """The name between quotes or in encoded words, where it needs them."""
        name, address = parseaddr(str(self))
        if _is_plain(name) and len(name) <= _LONGEST_PLAIN_NAME:
            return formataddr((name, address))
        return f"{_words(name, self.name, linesep, encoded=True)}{linesep} <{address}>"


class _Recipients(_Literal):
    """Addresses without names, separated by a comma and a space."""

    def written(self, linesep: str) -> str:
        """Each on a line of its own."""
        return self.replace(", ", f",{linesep} ")


def _is_plain(value: str) -> bool:
    """Whether it says, as it is, what it says to a reader that knows encoded words."""
    return value.isascii() and "=?" not in value


def _words(value: str, name: str, linesep: str, *, encoded: bool = False) -> str:
    """Text for the header `name`; in encoded words where it must be, or where that is wanted."""
    charset = "us-ascii" if _is_plain(value) and not encoded else "utf-8"
    return Header(value, charset, header_name=name).encode(linesep=linesep)


_REGISTRY = HeaderRegistry()
for _name, _kind in (
    *(("from", _Sender), ("to", _Recipients), ("subject", _Literal)),
    # Message ids must not be folded or encoded, which Python knows only of the Message-ID header itself.
    *(("in-reply-to", MessageIDHeader), ("references", MessageIDHeader)),
):
    _REGISTRY.map_to_type(_name, _kind)  # type: ignore[arg-type]  # it mixes the class in itself

POLICY = policy.SMTP.clone(cte_type="7bit", header_factory=_REGISTRY)
"""By which a mail is put together and written: all of it in ASCII."""
