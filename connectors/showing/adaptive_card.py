"""An Adaptive Card, as Teams draws it. https://adaptivecards.io/explorer/"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors.message import JSONDict
from connectors.showing import markup, raw
from connectors.showing.links import link

_STYLES = {"attention", "good", "warning", "accent", "emphasis"}
_SIZES = {"small", "medium", "large", "extralarge"}


def html(content: JSONDict) -> SafeString:
    """The card, within its post."""
    return format_html(
        '<div class="kgp-sender"><b>Workflows</b><time>10:30</time></div><div class="kgp-card">{}{}</div>',
        _each(content.get("body")),
        _actions(content.get("actions")),
    )


def _each(parts: Any) -> SafeString:
    listed = parts if isinstance(parts, list) else []
    return format_html_join("", "{}", ((_element(part),) for part in listed))


def _element(part: Any) -> SafeString:
    draw = _ELEMENTS.get(str(part.get("type"))) if isinstance(part, dict) else None
    return draw(part) if draw else raw.unknown(part)


def _look(part: JSONDict) -> str:
    """The classes that an element's own words ask for; no word gets into the page as it is."""
    size, style = str(part.get("size", "")).lower(), str(part.get("color", "")).lower()
    looks = [f"kgp-size-{size}"] if size in _SIZES else []
    looks += [f"kgp-ink-{style}"] if style in _STYLES else []
    looks += ["kgp-bolder"] if str(part.get("weight", "")).lower() == "bolder" else []
    looks += ["kgp-subtle"] if part.get("isSubtle") else []
    looks += ["kgp-separated"] if part.get("separator") else []
    looks += ["kgp-mono"] if str(part.get("fontType", "")).lower() == "monospace" else []
    return " ".join(looks)


def _text_block(part: JSONDict) -> SafeString:
    return format_html(
        '<div class="kgp-text-block {}">{}</div>', _look(part), markup.teams(str(part.get("text", "")))
    )


def _rich_text(part: JSONDict) -> SafeString:
    inlines = part.get("inlines")
    runs = [run if isinstance(run, dict) else {"text": run} for run in inlines or [] if run]
    return format_html(
        '<div class="kgp-rich {}">{}</div>',
        _look(part),
        format_html_join(
            "", '<span class="{}">{}</span>', ((_look(run), str(run.get("text", ""))) for run in runs)
        ),
    )


def _fact_set(part: JSONDict) -> SafeString:
    facts = [fact for fact in part.get("facts") or [] if isinstance(fact, dict)]
    return format_html(
        '<dl class="kgp-facts">{}</dl>',
        format_html_join(
            "",
            "<dt>{}</dt><dd>{}</dd>",
            (
                (markup.teams(str(fact.get("title", ""))), markup.teams(str(fact.get("value", ""))))
                for fact in facts
            ),
        ),
    )


def _container(part: JSONDict) -> SafeString:
    style = str(part.get("style", "")).lower()
    looks = [f"kgp-style-{style}"] if style in _STYLES else []
    looks += ["kgp-bleed"] if part.get("bleed") else []
    return format_html('<div class="kgp-container {}">{}</div>', " ".join(looks), _each(part.get("items")))


def _column_set(part: JSONDict) -> SafeString:
    columns = [column for column in part.get("columns") or [] if isinstance(column, dict)]
    return format_html(
        '<div class="kgp-columns">{}</div>',
        format_html_join("", "{}", ((_container(column),) for column in columns)),
    )


def _action_set(part: JSONDict) -> SafeString:
    return _actions(part.get("actions"))


def _actions(actions: Any) -> SafeString:
    listed = actions if isinstance(actions, list) else []
    if not listed:
        return format_html("{}", "")
    return format_html(
        '<div class="kgp-actions">{}</div>', format_html_join("", "{}", ((_action(one),) for one in listed))
    )


def _action(action: Any) -> SafeString:
    if not isinstance(action, dict) or action.get("type") != "Action.OpenUrl":
        return raw.unknown(action)
    return link(str(action.get("url", "")), str(action.get("title", "")), "kgp-button")


_ELEMENTS: dict[str, Callable[[JSONDict], SafeString]] = {
    "TextBlock": _text_block,
    "RichTextBlock": _rich_text,
    "FactSet": _fact_set,
    "Container": _container,
    "ColumnSet": _column_set,
    "ActionSet": _action_set,
}
