"""What a configuration that nobody has saved yet would send: its preview, and what is still wrong with it.

Of a stored secret only that it is there is used: in its place stands a reference to nowhere, so that whatever
a draft says, no secret can come out in what is shown. Nothing is saved and nothing is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectors import registry
from connectors.configuration import schema, setup
from connectors.configuration.reconfigure import configured
from connectors.errors import SendError
from connectors.message import JSONDict, Message
from connectors.models import Connector
from connectors.provider import Config, Preview, Provider
from connectors.secrets import is_reference

_STORED = "env:KUBEGRAF_SECRET_STORED"
_MISSING = "env:KUBEGRAF_SECRET_MISSING"
_IN_WORDS = {_STORED: "the address that is set", _MISSING: "an address still to be entered"}


@dataclass(frozen=True, slots=True)
class Draft:
    """What came of a draft. `errors` are those that saving it would end with, by field, "" for the whole.

    With errors, what is missing in the preview is taken from the provider's own example, and `made_up` says
    so; where even that does not help, there is no preview. `warnings` are the provider's remarks.
    """

    preview: Preview | None
    errors: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    made_up: bool = False


def draft(
    connector: Connector, entered: Mapping[str, Any], message: Message, *, replace: bool = True
) -> Draft:
    """What `entered` makes of the connector's configuration and of this message.

    The connector itself is not touched, and need not be saved. With `replace` what is entered is the whole
    configuration but for secrets left out, as in a form; else it is laid over what is stored, as in the API.
    Raises LookupError for an unknown type.
    """
    provider = registry.provider(connector.provider)
    errors: dict[str, list[str]] = {}
    try:
        configured(connector, entered, replace=replace)
    except setup.ConfigError as error:
        errors = error.errors
    for number, attempt in enumerate(_attempts(provider, entered, errors)):
        try:
            config = configured(_standing_in(connector), attempt, replace=replace, guard=False).config
            preview = provider.preview(config, message)
            warnings = [] if number else provider.warnings(config)
        except setup.ConfigError:
            continue
        except SendError as error:
            return Draft(None, {**errors, "": [*errors.get("", []), error.text]})
        return Draft(_worded(preview), errors, warnings, made_up=number > 0)
    return Draft(None, errors)


def _attempts(
    provider: Provider[Any], entered: Mapping[str, Any], errors: Mapping[str, list[str]]
) -> Iterator[JSONDict]:
    """What was entered; then that with ever more of the provider's example in place of what is wrong."""
    yield dict(entered)
    good = {name: value for name, value in entered.items() if name not in errors}
    config_class: type[Config] = provider.config_class
    declared, secret = schema.fields(config_class), schema.secret_fields(config_class)
    example = {
        name: _presence(value, _MISSING) if name in secret else value
        for name, value in provider.example.items()
    }
    for needed in (
        {item.name for item in declared if item.required},
        {item.name for item in declared if item.required or item.secret},
    ):
        yield {**{name: value for name, value in example.items() if name in needed}, **good}
    yield example


def _standing_in(connector: Connector) -> Connector:
    """The connector with a reference to nowhere in place of each secret that is stored."""
    config_class: type[Config] = registry.provider(connector.provider).config_class
    secret = schema.secret_fields(config_class)
    present = {
        name: _presence(value, _STORED) for name, value in setup.join(connector).items() if name in secret
    }
    return Connector(provider=connector.provider, options=connector.options, secrets=json.dumps(present))


def _presence(value: Any, stand_in: str) -> Any:
    """A secret's value without the secret: references and harmless headers stay what they are."""
    if isinstance(value, Mapping):
        return {
            name: item if str(name).lower() in setup.HARMLESS_HEADERS else _presence(item, stand_in)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_presence(item, stand_in) for item in value]
    return value if not value or is_reference(str(value)) else stand_in


def _worded(preview: Preview) -> Preview:
    """With words for people where a stand-in would be the address."""
    target = preview.target
    for stand_in, words in _IN_WORDS.items():
        target = target.replace(stand_in, words)
    return replace(preview, target=target)
