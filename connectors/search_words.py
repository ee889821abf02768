"""What is searched for, in the console and over the API: a few words, each looked for in every column."""

from __future__ import annotations

from django.utils.text import smart_split, unescape_string_literal

MOST = 20
"""Hundreds of words are more than a database takes."""


def words_of(asked: str) -> list[str]:
    """The words, as Django's admin tells them apart: those in quotation marks are one."""
    return [_unquoted(word) for word in smart_split(asked)]


def _unquoted(word: str) -> str:
    return (
        unescape_string_literal(word) if len(word) > 1 and word[0] in "'\"" and word[0] == word[-1] else word
    )
