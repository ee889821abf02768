"""A Message in GitHub's Markdown, in which no word of it does anything: it is only read. Pure.

What a pod is called or logs is text of unknown origin. On GitHub, text can mention people, link issues to
each other, close them, give orders to bots, load images and hide itself; here every such beginning is broken
or escaped. GitHub's dialect: https://github.github.com/gfm/ and https://docs.github.com/en/get-started/writing-on-github
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from connectors import text
from connectors.message import Message, Status

# Stands unseen between two characters, and keeps GitHub from reading @name, #12, GH-12 and links to issues,
# which it looks for after Markdown has been dealt with, so that a backslash does not help.
BREAK = "\u2060"
_REFERENCES = re.compile(
    r"[@#](?=\w)|\bGH-(?=\d)|:(?=//\S{1,300}/(?:issues|pull|discussions|commit)/)", re.IGNORECASE
)

_MARKUP = re.compile(r"[\\`*_\[\]~|]")
_LINE_START = re.compile(r"^(?:[#+=/-]|\d{1,9}(?=[.)]))", re.MULTILINE)  # "/close" is an order to a bot
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}  # $ begins a formula

_LONGEST_DESCRIPTION = 16_000
_LONGEST_VALUE = 4_000
_LONGEST_LINE = 200  # a longer value is easier to read in a block of its own
_MOST_ITEMS = 50


def unlinked(value: str) -> str:
    """Text that mentions nobody and refers to nothing, for where Markdown is not read: a title."""
    return _REFERENCES.sub(lambda found: found[0] + BREAK, value)


def prose(value: str) -> str:
    """Text as Markdown that shows it as it is."""
    value = re.sub(r"[&<>$]", lambda found: _ENTITIES[found[0]], unlinked(value))
    value = _MARKUP.sub(r"\\\g<0>", value)
    value = _INDENT.sub(lambda found: "\u00a0" * len(found[0]), value)
    return _LINE_START.sub(lambda found: _unstarted(found[0]), value)


def _unstarted(beginning: str) -> str:
    """The beginning of a line, kept from making it a heading or an item of a list."""
    return f"{beginning}{BREAK}" if beginning.isdigit() else f"\\{beginning}"


def code(value: str) -> str:
    """A code span: one line, in which nothing is read but its end."""
    value = text.one_line(value) or "–"
    fence = "`" * (_longest_run(value) + 1)
    # A space is taken off at either end, and only if both are there.
    padded = f" {value} " if value[0] in "` " or value[-1] in "` " else value
    return f"{fence}{padded}{fence}"


def block(value: str, language: str = "") -> str:
    """A fenced block of code. `language` is ours, never the message's.

    It is indented, which Markdown takes off again, so that no line of it is a bot's order.
    """
    fence = "`" * max(3, _longest_run(value) + 1)
    return textwrap.indent(f"{fence}{language}\n{value}\n{fence}", "  ")


def _longest_run(value: str) -> int:
    return max((len(run) for run in re.findall("`+", value)), default=0)


def title(message: Message, limit: int) -> str:
    """The headline, at most `limit` characters long."""
    return text.shorten(unlinked(text.headline(message)), limit)


def report(message: Message, limit: int) -> str:
    """All of the message. What does not fit into `limit` characters is left out, block by block."""
    return _within(limit, _lead(message), *_parts(message))


def update(message: Message, limit: int) -> str:
    """The message as a comment on what is there already: it names the title, and gives the present state."""
    lead = f"{_lead(message)}\n\n**{prose(text.shorten(text.headline(message), 500))}**"
    return _within(limit, lead, *_parts(message))


def _lead(message: Message) -> str:
    event_type = code(text.shorten(message.event_type, 100))
    return f"{text.mark(message)} **{text.standing(message)}** · {event_type}"


def _parts(message: Message) -> Iterable[str]:
    description = text.clean(message.description).strip()
    if description:
        description = text.shorten(description, _LONGEST_DESCRIPTION, lambda value: len(prose(value)))
        yield "\n".join(f"> {line}" for line in prose(description).split("\n"))
    yield "\n".join(
        f"- **{label}:** {code(text.shorten(value, 500))}" for label, value in text.facts(message)
    )
    if address := text.link(message):
        yield f"[Open in KubeGraf](<{address}>)"
    if message.recommendations and message.status != Status.RESOLVED:
        yield "### What you can do"
        for item in message.recommendations[:_MOST_ITEMS]:
            action = prose(text.shorten(text.one_line(item.action), _LONGEST_VALUE))
            command = text.shorten(text.clean(item.command).strip(), _LONGEST_VALUE)
            yield f"{action}\n\n{block(command, 'sh')}" if command else action
        if (rest := len(message.recommendations) - _MOST_ITEMS) > 0:
            yield f"… and {rest} more"
    details = text.details(message)
    if details:
        yield "### Details"
        yield from _details(details)


def _details(details: list[tuple[str, str]]) -> Iterable[str]:
    """Short values as one list, then long ones in blocks of their own."""
    short, long = [], []
    for label, value in details[:_MOST_ITEMS]:
        value = text.shorten(value, _LONGEST_VALUE)
        label = prose(text.shorten(label, 100))
        if "\n" in value or len(value) > _LONGEST_LINE:
            long.append(f"**{label}:**\n\n{block(value)}")
        else:
            short.append(f"- **{label}:** {code(value)}")
    if len(details) > _MOST_ITEMS:
        short.append(f"- … and {len(details) - _MOST_ITEMS} more")
    if short:
        yield "\n".join(short)
    yield from long


def _within(limit: int, *parts: str) -> str:
    """The parts that fit, in order, with a blank line between them; a line says so when some do not."""
    shortened = "*… shortened*"
    left = limit - len(shortened) - 2
    kept: list[str] = []
    for part in parts:
        if len(part) + 2 > left:
            kept.append(shortened)
            break
        kept.append(part)
        left -= len(part) + 2
    return "\n\n".join(kept)
