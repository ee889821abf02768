"""Lines of history as pages show them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst

from connectors import registry, text
from connectors.configuration import schema
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
        "changes": [_change(line, **change) for change in line.changes],
        "secrets": [_secret(line, words) for words in line.history_change_reason.split("; ") if words],
    }


def _change(line: Any, field: str, old: Any, new: Any) -> dict[str, str]:
    return {
        "field": label(line, field),
        "old": shown(_in_words(line, field, old)),
        "new": shown(_in_words(line, field, new)),
    }


def _secret(line: Any, words: str) -> dict[str, str]:
    """What is said of a secret, taken apart: `config.url: set anew`."""
    name, _, what = words.partition(": ")
    return {"field": label(line, name), "what": what}


def label(line: Any, field: str) -> str:
    """What the form calls a field; of what has no field, its own name in words.

    What stands within a field follows its name: `conditions.namespace` is `Conditions: namespace`.
    """
    name, _, within = field.partition(".")
    if within and name in _OF_PROVIDER:
        name, _, within = within.partition(".")
        found = _provider_labels(line).get(name, "")
    else:
        found = _form_label(type(line).instance_type, name)
    words = capfirst(found or name.replace("_", " "))
    return f"{words}: {within.replace('_', ' ')}" if within else words


_OF_PROVIDER = frozenset(("options", "config"))
"""Before the names of what a connector's provider declares: in its column, and in words of its secrets."""


def _provider_labels(line: Any) -> dict[str, str]:
    try:
        provider = registry.provider(line.provider)
    except LookupError:  # it is not there any more
        return {}
    return {field.name: field.title for field in schema.fields(provider.config_class)}


def _form_label(model: Any, name: str) -> str:
    form: Any = admin.site.get_model_admin(model).form if admin.site.is_registered(model) else None
    declared = form and form.base_fields.get(name)
    if declared and declared.label:
        return str(declared.label)
    column = _column(model, name)
    return str(column.verbose_name) if column else ""


def _column(model: Any, name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def _in_words(line: Any, field: str, value: Any) -> Any:
    """A value as its form has it, where that is other words than those on record: a choice, a moment."""
    column = _column(type(line).instance_type, field)
    if not isinstance(value, str) or column is None:
        return value
    if isinstance(column, DateTimeField):
        return text.moment(datetime.fromisoformat(value))
    return dict(column.flatchoices).get(value, value)


def _page(model: Any, line: Any) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    try:
        return reverse(name, args=(getattr(line, model._meta.pk.attname),))
    except NoReverseMatch:
        return ""


def shown(value: Any) -> str:
    """A value in words, cut where it is long."""
    if value is None or value in ("", [], {}):
        words = "nothing"
    elif isinstance(value, bool):
        words = "yes" if value else "no"
    elif isinstance(value, str):
        words = value
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        words = ", ".join(value)
    else:
        words = json.dumps(value, ensure_ascii=False)
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
