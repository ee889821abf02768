"""A connector and its subscriptions as a file says them, without its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors import registry
from connectors.configuration import schema, setup
from connectors.message import JSONDict
from connectors.models import Connector
from connectors.provider import Config
from connectors.secrets import is_reference
from events.files.seed_format import Entry, to_json
from events.routing.subscription_keys import KEYS

RIGHTS = ("connectors.view_connector", "events.view_subscription")
"""What taking out a file takes."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file. `hidden` names, by connector, the secrets that are not in it; `left_out` whoever is not.

    A connector is left out if its type is there no more: no import could take it.
    """

    document: JSONDict
    hidden: dict[str, list[str]]
    left_out: list[str]


def export(connectors: Iterable[Connector], *, references: bool = False) -> Exported:
    """The connectors as one file, which may be imported again; see `entry_of`."""
    entries: list[JSONDict] = []
    hidden: dict[str, list[str]] = {}
    left_out = []
    for connector in connectors:
        try:
            entry, secrets = entry_of(connector, references=references)
        except LookupError:
            left_out.append(connector.name)
            continue
        entries.append(to_json(entry))
        if secrets:
            hidden[connector.name] = secrets
    return Exported({"connectors": entries}, hidden, left_out)


def entry_of(connector: Connector, *, references: bool = False) -> tuple[Entry, list[str]]:
    """The connector as an entry, and the names of the secrets that are not in it as they are.

    They are left out or, with `references`, replaced by references named after connector and field. What is
    a reference already is no secret and stays. Raises LookupError where the connector's type is gone.
    """
    config_class: type[Config] = registry.provider(connector.provider).config_class
    secret = schema.secret_fields(config_class)
    config: dict[str, Any] = {}
    hidden = []
    for name, value in setup.join(connector).items():
        if name not in secret or _is_reference(value):
            config[name] = value
            continue
        hidden.append(name)
        if references:
            config[name] = _references(value, f"{connector.name} {name}")
    blocks = [
        {key.field: getattr(subscription, key.field) for key in KEYS.values()}
        for subscription in sorted(connector.subscriptions.all(), key=lambda subscription: subscription.pk)
    ]
    entry = Entry(
        name=connector.name,
        provider=connector.provider,
        config=config,
        enabled=connector.enabled,
        deliver_brief=connector.deliver_brief or None,
        subscriptions=blocks,
    )
    return entry, hidden


def _is_reference(value: object) -> bool:
    """Whether nothing in it is a secret itself."""
    if isinstance(value, Mapping):
        return all(_is_reference(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_reference(item) for item in value)
    return isinstance(value, str) and is_reference(value)


def _references(value: object, name: str) -> object:
    """The value with a reference in place of each secret in it."""
    if isinstance(value, Mapping):
        return {key: _references(item, f"{name} {key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_references(item, f"{name} {index}") for index, item in enumerate(value, 1)]
    if isinstance(value, str) and is_reference(value):
        return value
    return "env:KUBEGRAF_SECRET_" + re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
