"""A message as Slack's Block Kit, within every limit by shortening. Pure.

https://docs.slack.dev/reference/block-kit/blocks: 50 blocks; a header has 150 characters, a section's text
3000, its fields are ten of 2000 each; a context has ten elements.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from connectors import text
from connectors.message import JSONDict, Message, Status

TOTAL = 12_000  # beyond about 13,200 Slack answers msg_blocks_too_long: slackapi/bolt-js#2509
_SHORTER_AND_SHORTER = (2_900, 1_400, 700, 350, 150, 75)
_DETAILS_PER_BLOCK = 5  # ten fields, two for each
_MOST_DETAILS = 3 * _DETAILS_PER_BLOCK
_MOST_RECOMMENDATIONS = 5
_LABEL = 60


def escape(value: str) -> str:
    """The three characters that Slack's markup is made of, as entities; so no value can mention anybody."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _size(value: str) -> int:
    """Length as Slack may count it at most: escaped, as JSON, in UTF-16 units."""
    return _units(escape(value)) - 2


def _units(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-16-le")) // 2


def _plain(value: str, longest: int) -> JSONDict:
    """Text without markup, so that `*`, `_`, `:x:` and @names stay as they are."""
    return {"type": "plain_text", "text": escape(text.shorten(value, longest, _size)), "emoji": False}


def _mrkdwn(markup: str) -> JSONDict:
    return {"type": "mrkdwn", "text": markup, "verbatim": True}


def _when(message: Message) -> str:
    """The time in each reader's own zone."""
    stamp = int(message.timestamp.timestamp())
    return f"<!date^{stamp}^{{date_short_pretty}} {{time_secs}}|{text.moment(message.timestamp)}>"


def _context(message: Message, longest: int) -> JSONDict:
    return {
        "type": "context",
        "elements": [
            _mrkdwn(f"Time: {_when(message)}") if label == "Time" else _plain(f"{label}: {value}", longest)
            for label, value in text.facts(message)
        ],
    }


def _recommendations(message: Message, longest: int) -> Iterator[JSONDict]:
    if not message.recommendations or message.status == Status.RESOLVED:
        return
    yield {"type": "section", "text": _mrkdwn("*What you can do*")}
    for recommendation in message.recommendations[:_MOST_RECOMMENDATIONS]:
        action, command = text.one_line(recommendation.action), text.clean(recommendation.command).strip()
        markup = f"• {escape(text.shorten(_unfenced(action), longest // 2, _size))}"
        if command:
            shown = text.shorten(_unfenced(command), longest // 2 - 20, _size)
            markup += f"\n```{escape(shown)}```"
        yield {"type": "section", "text": _mrkdwn(markup)}
    if (rest := len(message.recommendations) - _MOST_RECOMMENDATIONS) > 0:
        yield _remark(f"… and {rest} more")


def _unfenced(value: str) -> str:
    """Without three backticks, which begin and end a code block: a space of no width is between them."""
    return value.replace("```", "`\u200b`\u200b`")


def _remark(words: str) -> JSONDict:
    return {"type": "context", "elements": [_plain(words, _LABEL)]}


def _details(message: Message, longest: int) -> Iterator[JSONDict]:
    details = text.details(message)
    shown = details[:_MOST_DETAILS]
    for start in range(0, len(shown), _DETAILS_PER_BLOCK):
        fields: list[JSONDict] = []
        for label, value in shown[start : start + _DETAILS_PER_BLOCK]:
            fields += (
                _mrkdwn(f"*{escape(text.shorten(label, _LABEL, _size))}*"),
                _plain(value, min(longest, 1_900)),
            )
        yield {"type": "section", "fields": fields}
    if len(details) > len(shown):
        yield _remark(f"… and {len(details) - len(shown)} more details")


def _body(message: Message, longest: int) -> Iterator[JSONDict]:
    description = text.clean(message.description).strip()
    if description:
        yield {"type": "section", "text": _plain(description, longest)}
    yield from _details(message, longest)
    yield from _recommendations(message, longest)
    address = text.link(message)
    if address and _size(address) <= _SHORTER_AND_SHORTER[0]:  # half an address leads nowhere
        yield {"type": "section", "text": _mrkdwn(f"<{escape(address)}|Open in KubeGraf>")}


def blocks(message: Message) -> list[JSONDict]:
    """The whole message as Block Kit, within every limit."""
    return _within_total(
        lambda longest: [
            {"type": "header", "text": _plain(f"{text.mark(message)} {text.headline(message)}", 150)},
            _context(message, min(longest, 300)),
            *_body(message, longest),
        ]
    )


def change(message: Message, before: str) -> list[JSONDict]:
    """What is put into the thread of the first message; `before` is its standing as it was last told."""
    now = text.standing(message)
    moved = f"{before} → {now}" if before and before != now else text.headline(message)
    headline = f"{text.mark(message)} {moved}"
    return _within_total(
        lambda longest: [
            {"type": "section", "text": _plain(headline, 300)},
            {"type": "context", "elements": [_mrkdwn(f"Time: {_when(message)}")]},
            *_body(message, longest),
        ]
    )


def _within_total(build: Callable[[int], list[JSONDict]]) -> list[JSONDict]:
    built: list[JSONDict] = []
    for longest in _SHORTER_AND_SHORTER:
        built = build(longest)
        if _units(built) <= TOTAL:
            break
    return built


def fallback(message: Message) -> str:
    """The message in one line: what a notification shows, and screen readers read."""
    return escape(text.shorten(text.summary(message), 1_000, _size))


def plain(message: Message) -> str:
    """The message as text alone, for when Slack refuses the blocks."""
    lines = [text.summary(message), text.clean(message.description).strip()]
    lines += [f"{label}: {value}" for label, value in text.details(message)]
    lines += [f"{item.action}: {item.command}" for item in message.recommendations]
    lines.append(text.link(message))
    return escape(text.shorten(text.clean("\n".join(filter(None, lines))), 3_500, _size))
