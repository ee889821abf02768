"""Words for people out of a Message: cleaned, shortened to a service's limit, alike in every connector.

Pure. How text is escaped is each provider's own matter.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from connectors.message import FOLLOW_UPS, Message, Severity, Status

ELLIPSIS = "…"

# Round while it lasts, square for what happened and is not resolved.
_LASTING = dict(zip(Severity, "🔴🟠🟡🔵⚪", strict=True))
_PASSED = dict(zip(Severity, "🟥🟧🟨🟦⬜", strict=True))

# Controls other than tab and newline, lone surrogates (not encodable as UTF-8), and the bidirectional
# overrides that reorder what stands around them. Right-to-left text itself needs none of these.
_HARMFUL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff]")
_LINE_BREAKS = re.compile("\r\n|[\r\u2028\u2029\x85]")
_JOINERS = "\u200d\ufe0e\ufe0f"  # a cut beside one of these would show half an emoji
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_FLAG_LETTERS = frozenset(map(chr, range(0x1F1E6, 0x1F200)))
_WORD_AT_MOST = 40  # how far back a cut looks for a space before it cuts inside a word
_LINK = re.compile(r"https?://[^\s<>|\"\x00-\x1f\x7f]+")
_LONGEST_LINK = 2000  # what browsers and services take; longer ones make a service refuse the whole message


def clean(text: str) -> str:
    """`text` without control characters, with `\\n` for every kind of line break, and encodable as UTF-8."""
    if text.isascii() and text.isprintable():
        return text  # most are like this, and this is told much faster
    return _HARMFUL.sub("", _LINE_BREAKS.sub("\n", text))


def one_line(text: str) -> str:
    """`text` cleaned and on one line, which is what keeps it from adding a header or a heading of its own."""
    return " ".join(clean(text).split())


def shorten(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """`text` if its `size` is within `limit`, else its longest beginning that is, with an ellipsis.

    Cuts between words where it can and never inside a character built of several code points. `size` is how
    the receiver counts: characters as they are, or as they will be once escaped, so that no escape is cut in
    half. It must count each character for one at least. `limit` must leave room for the ellipsis itself.
    """
    if len(text) <= limit and size(text) <= limit:
        return text
    low, high = 0, min(len(text), limit)  # text[:low] + ELLIPSIS fits; text[:high] + ELLIPSIS does not
    while high - low > 1:
        middle = (low + high) // 2
        if size(text[:middle] + ELLIPSIS) <= limit:
            low = middle
        else:
            high = middle
    return text[: _cut(text, low)].rstrip() + ELLIPSIS


def _cut(text: str, at: int) -> int:
    """The place to cut at or before `at`: the end of a word if one is near, else the end of a character."""
    for space in range(at, max(0, at - min(at // 4, _WORD_AT_MOST)), -1):
        if text[space].isspace():
            return space
    while at > 0 and _is_one(text, at):
        at -= 1
    return at


def _is_one(text: str, at: int) -> bool:
    """Whether what stands before and after that place is one character to a reader."""
    before, after = text[at - 1], text[at]
    if after in _FLAG_LETTERS and before in _FLAG_LETTERS:  # two are a flag
        letters = at
        while letters and text[letters - 1] in _FLAG_LETTERS:
            letters -= 1
        return (at - letters) % 2 == 1
    return (
        before in _JOINERS
        or after in _JOINERS
        or after in _SKIN_TONES
        or unicodedata.category(after).startswith("M")  # accents, and vowels that are written as marks
    )


def standing(message: Message) -> str:
    """How bad it is, or that it is over, in one word: Critical, Acknowledged, Resolved."""
    if message.status in FOLLOW_UPS:
        return message.status.value.capitalize()
    return message.severity.value.capitalize()


def mark(message: Message) -> str:
    """The emoji that says the same at a glance."""
    if message.status == Status.RESOLVED:
        return "✅"
    if message.status == Status.ACKNOWLEDGED:
        return "👀"
    marks = _PASSED if message.status == Status.OCCURRED else _LASTING
    return marks[message.severity]


def headline(message: Message) -> str:
    """The title on one line, which says so when it is only a test or when the problem is over."""
    title = one_line(message.title) or message.event_type
    if message.status in FOLLOW_UPS:
        title = f"{standing(message)}: {title}"
    return f"[Test] {title}" if message.test else title


def summary(message: Message) -> str:
    """All that matters in one line: `Critical: Pod x in crash loop (Pod/x, default, production)`."""
    parts = [one_line(part) for part in (message.resource, message.namespace, message.cluster)]
    place = ", ".join(filter(None, parts))
    title = headline(message)
    if message.status not in FOLLOW_UPS:
        title = f"{standing(message)}: {title}"
    return f"{title} ({place})" if place else title


def moment(when: datetime) -> str:
    """A time for people, always in UTC: 15 Jan 2025, 10:30:00 UTC."""
    when = when.astimezone(UTC)
    return f"{when.day} {when:%b %Y, %H:%M:%S} UTC"


def link(message: Message) -> str:
    """The message's address if it is one that a person can follow, else nothing."""
    url = message.url
    follows = (
        url.startswith(("https://", "http://")) and url.isprintable() and not re.search(r"[\s<>|\"]", url)
    )
    return url if follows and len(url) <= _LONGEST_LINK else ""


def facts(message: Message) -> list[tuple[str, str]]:
    """Where it is, how bad and since when, as (label, value); what is not known is left out."""
    known = [
        ("Cluster", message.cluster),
        ("Namespace", message.namespace),
        ("Resource", message.resource),
        ("Severity", message.severity.value.capitalize()),
        ("Status", message.status.value.capitalize()),
        ("Time", moment(message.timestamp)),
        ("Count", str(message.count) if message.count > 1 else ""),
    ]
    return [(label, one_line(value)) for label, value in known if value]


def details(message: Message) -> list[tuple[str, str]]:
    """The details as (label, value), `restart_count: 5` as ("Restart count", "5").

    Empty ones are left out, and those that `facts` says already.
    """
    told = set(facts(message))
    pairs = ((_label(name), _plain(value)) for name, value in message.details.items())
    return [pair for pair in pairs if pair[1] and pair not in told]


def _label(name: str) -> str:
    words = one_line(name.replace("_", " "))
    return words[:1].upper() + words[1:]


def _plain(value: object) -> str:
    """A detail's value as a person would write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return clean(value).strip()
    if isinstance(value, (list, tuple)) and _is_flat(value):
        return ", ".join(filter(None, map(_plain, value)))
    if isinstance(value, dict) and _is_flat(value.values()):
        return ", ".join(f"{clean(str(name))}: {_plain(item)}" for name, item in value.items())
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def _is_flat(values: Iterable[object]) -> bool:
    return not any(isinstance(item, (dict, list, tuple)) for item in values)
