"""A message as the two parts of a mail, plain text and HTML. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from string import Template
from typing import Self

from connectors import text
from connectors.message import Message, Status

_LONGEST_TEXT = 20_000
_LONGEST_VALUE = 4_000
_MOST_DETAILS = 50
_MOST_RECOMMENDATIONS = 20

_COLOURS = {
    "critical": "#b3261e",
    "high": "#c4570a",
    "medium": "#8a6d00",
    "low": "#1a5fb4",
    "info": "#5e5c64",
}
_RESOLVED = "#1e7b34"
_PAGE = Template(
    '<!DOCTYPE html><html><head><meta charset="utf-8"><title>$title</title></head>'
    '<body style="font-family:sans-serif;line-height:1.45;max-width:44em">'
    '<h2 style="border-left:6px solid $colour;padding-left:10px">$title</h2>$content'
    '<p style="color:#5e5c64;font-size:smaller">Sent by KubeGraf.</p></body></html>'
)
_PARAGRAPH = Template('<p style="white-space:pre-wrap">$text</p>')
_HEADING = Template("<h3>$text</h3>")
_TABLE = Template('<table cellpadding="4">$rows</table>')
_ROW = Template(
    '<tr><th align="left" valign="top">$label</th><td style="white-space:pre-wrap">$value</td></tr>'
)
_COMMAND = Template('<pre style="background:#f0f0f0;color:#1a1a1a;padding:8px;overflow:auto">$text</pre>')
_LINK = Template('<p><a href="$url">Open in KubeGraf</a></p>')


def _html(template: Template, **values: str) -> str:
    """The only way from text to HTML: every value is escaped."""
    return template.substitute({name: escape(value) for name, value in values.items()})


@dataclass(frozen=True)
class _Content:
    """What both parts of the mail say, shortened."""

    heading: str
    description: str
    facts: list[tuple[str, str]]
    details: list[tuple[str, str]]
    todo: list[tuple[str, str]]
    url: str
    colour: str

    @classmethod
    def of(cls, message: Message) -> Self:
        details = [
            (text.shorten(label, 80), text.shorten(value, _LONGEST_VALUE))
            for label, value in text.details(message)
        ]
        if len(details) > _MOST_DETAILS:
            details[_MOST_DETAILS:] = [("…", f"and {len(details) - _MOST_DETAILS} more")]
        resolved = message.status == Status.RESOLVED
        todo = [
            (
                text.shorten(text.one_line(item.action), _LONGEST_VALUE),
                text.shorten(text.clean(item.command).strip(), _LONGEST_VALUE),
            )
            for item in message.recommendations
        ]
        if len(todo) > _MOST_RECOMMENDATIONS:
            todo[_MOST_RECOMMENDATIONS:] = [(f"… and {len(todo) - _MOST_RECOMMENDATIONS} more", "")]
        return cls(
            heading=text.shorten(f"{text.mark(message)} {text.headline(message)}", 300),
            description=text.shorten(text.clean(message.description).strip(), _LONGEST_TEXT),
            facts=[(label, text.shorten(value, 300)) for label, value in text.facts(message)],
            details=details,
            todo=[] if resolved else todo,
            url=text.link(message),
            colour=_RESOLVED if resolved else _COLOURS[message.severity],
        )


def plain_text(message: Message) -> str:
    """The part for readers without HTML."""
    content = _Content.of(message)
    parts = [content.heading, content.description, _columns(content.facts)]
    if content.details:
        parts.append("Details\n" + _columns(content.details))
    if content.todo:
        parts.append(
            "What you can do\n"
            + "\n".join(
                f"- {action}" + (f"\n    {command}" if command else "") for action, command in content.todo
            )
        )
    parts.append(content.url)
    return "\n\n".join(filter(None, parts)) + "\n"


def _columns(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(f"{label + ':':<16} {value}" for label, value in pairs)


def html(message: Message) -> str:
    """The part for everybody else."""
    content = _Content.of(message)
    parts = [_html(_PARAGRAPH, text=content.description)] if content.description else []
    parts.append(_table(content.facts))
    if content.details:
        parts += (_html(_HEADING, text="Details"), _table(content.details))
    if content.todo:
        parts.append(_html(_HEADING, text="What you can do"))
    for action, command in content.todo:
        parts.append(_html(_PARAGRAPH, text=action))
        if command:
            parts.append(_html(_COMMAND, text=command))
    if content.url:
        parts.append(_html(_LINK, url=content.url))
    return _PAGE.substitute(title=escape(content.heading), colour=content.colour, content="".join(parts))


def _table(pairs: list[tuple[str, str]]) -> str:
    return _TABLE.substitute(rows="".join(_html(_ROW, label=label, value=value) for label, value in pairs))
