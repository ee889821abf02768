"""Lines of history as pages show them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.urls import NoReverseMatch, reverse

from connectors.history import Source, verb

LONGEST = 160
"""Characters of a value that are shown; a template may be long."""

_TONE = {"made": "good", "changed": "info", "deleted": "bad"}


def rows(lines: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Each line with what a template needs of it."""
    return [_row(kind, line) for kind, line in lines]


def _row(kind: str, line: Any) -> dict[str, Any]:
    model = type(line).instance_type
    said = verb(line)
    return {
        "line": line,
        "kind": str(model._meta.verbose_name),
        "verb": said,
        "tone": _TONE[said],
        "where": Source(line.source).label,
        "page": _page(model, line) if said != "deleted" else "",
        "changes": [_change(**change) for change in line.changes],
        "secrets": list(filter(None, line.history_change_reason.split("; "))),
    }


def _change(field: str, old: Any, new: Any) -> dict[str, str]:
    return {"field": field.replace("_", " "), "old": shown(old), "new": shown(new)}


def _page(model: Any, line: Any) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    try:
        return reverse(name, args=(getattr(line, model._meta.pk.attname),))
    except NoReverseMatch:
        return ""


def shown(value: Any) -> str:
    """A value in words, cut where it is long."""
    if value is None or value in ("", [], {}):
        text = "nothing"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, str):
        text = value
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        text = ", ".join(value)
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
