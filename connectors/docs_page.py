"""The documentation page of each provider: generated from its declaration, and a part written by hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from connectors import registry
from connectors.configuration import schema
from connectors.configuration.schema import ConfigField
from connectors.provider import Provider

PARTS = "_parts"
"""The folder, beside the pages, of the parts written by hand: `_parts/<slug>.md`."""

NOTE = (
    "<!-- Made by `manage.py connector_docs` from connectors/providers/{slug}.py and {parts}/{slug}.md. -->"
)


def folder() -> Path:
    """Where the pages are."""
    return Path(settings.BASE_DIR) / "docs" / "connectors"


def pages(parts: Path) -> dict[str, str]:
    """Every page by its file name. `parts` is the folder of the parts written by hand."""
    return {
        f"{provider.slug}.md": page(provider, _part(parts / f"{provider.slug}.md"))
        for provider in registry.all_providers().values()
    }


def page(provider: Provider[Any], part: str) -> str:
    """The page of one provider."""
    fields = schema.fields(provider.config_class)
    secrets = ", ".join(f"`{field.name}`" for field in fields if field.secret)
    sections = [
        NOTE.format(slug=provider.slug, parts=PARTS),
        f"# {provider.label}",
        provider.summary,
        f"What you need at hand: {provider.needs[:1].lower()}{provider.needs[1:]}" if provider.needs else "",
        part,
        "## Settings",
        _table(fields),
        _about_secrets(secrets) if secrets else "",
        "## Example",
        "As a file for `manage.py import_connectors`, or as the body of `POST /api/v1/connectors/`. The"
        " secrets are made up. `events`, `severity`, `namespaces`, `clusters` and `conditions` may stand in"
        " the config and say which events the connector receives.",
        "```json\n" + json.dumps(example(provider), indent=2, ensure_ascii=False) + "\n```",
    ]
    return "\n\n".join(section.strip() for section in sections if section.strip()) + "\n"


@cache
def getting_the_key(slug: str) -> tuple[str, str]:
    """Where a connector's key or address is found: the heading and the steps, as Markdown.

    Both are empty where the part written by hand does not begin with them.
    """
    heading, _, rest = _part(folder() / PARTS / f"{slug}.md").removeprefix("## ").partition("\n")
    if not heading.startswith("Getting"):
        return "", ""
    return heading.strip(), rest.partition("\n## ")[0].strip()


def example(provider: Provider[Any]) -> dict[str, Any]:
    """A whole connector in JSON, with the declared example as its configuration."""
    return {
        "name": f"{provider.label} example",
        "type": provider.slug,
        "enabled": True,
        "config": {**provider.example, "events": ["pod_crash_loop", "node_unhealthy"]},
    }


def _about_secrets(names: str) -> str:
    return (
        f"Secret: {names}. A secret is stored encrypted and never shown again; left blank when the connector"
        " is changed, it stays as it is. Instead of the secret itself you can give a reference,"
        " `env:KUBEGRAF_SECRET_NAME` or `file:/run/secrets/name`, which is looked up whenever something is"
        " sent."
    )


def _table(fields: tuple[ConfigField, ...]) -> str:
    rows = [
        "| Setting | Type | Required | Meaning |",
        "|---|---|---|---|",
        *(
            f"| {_names(field)} | {_cell(_type(field))} | {_required(field)} | {_meaning(field)} |"
            for field in fields
        ),
    ]
    return "\n".join(rows)


def _names(field: ConfigField) -> str:
    return ", or ".join(f"`{name}`" for name in (field.name, *field.aliases))


def _type(field: ConfigField) -> str:
    return f"{field.type_words}, secret" if field.secret else field.type_words


def _required(field: ConfigField) -> str:
    """Yes, or what holds without it."""
    if field.required:
        return "yes"
    if field.secret or field.default in (None, "", [], {}, ()):
        return "no"
    shown = field.default if isinstance(field.default, str) else json.dumps(field.default, default=str)
    return f"no; `{_cell(shown)}`"


def _meaning(field: ConfigField) -> str:
    words = f"**{field.title}.** {field.description}".strip()
    return _cell(words)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _part(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
