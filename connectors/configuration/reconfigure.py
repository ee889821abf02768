"""A connector's new configuration, from what is stored and what somebody sends: form, API or file.

A secret is never given out, so whoever changes something else cannot send it in again. They leave it out, or
send what stands for it in answers (`SET`), and it stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from connectors import registry
from connectors.configuration import schema, setup
from connectors.configuration.destination import origin, secrets_to_repeat
from connectors.errors import SendError
from connectors.fields import Unreadable
from connectors.message import JSONDict
from connectors.models import Connector
from connectors.provider import Config, Provider
from connectors.transport.outgoing import refusal_of_plain_http

_UNREADABLE = (
    "Its stored secrets cannot be read with the present FIELD_ENCRYPTION_KEY, and saving would destroy them."
    " Put the key they were encrypted with back into the list, or enter the secrets again."
)

SET = "set"
"""Stands for a stored secret in answers. Sent back, it means: leave that secret as it is."""


@dataclass(frozen=True, slots=True)
class Configured:
    """A checked configuration, and how it is stored."""

    config: Config
    options: JSONDict
    secrets: str


def configured(
    connector: Connector, sent: Mapping[str, Any], *, replace: bool = False, guard: bool = True
) -> Configured:
    """What `sent` makes of the connector's configuration; the connector itself is not touched.

    It is laid over what is stored, null taking a field away; with `replace` it stands alone, except for
    secrets that it leaves out or blank. With `guard`, a stored secret is not kept for a new address
    (`connectors.configuration.destination`). Raises setup.ConfigError, by field, and LookupError for an
    unknown type.
    """
    provider = registry.provider(connector.provider)
    sent = schema.canonical(provider.config_class, sent)
    stored = schema.canonical(provider.config_class, setup.join(connector))
    secret = [field.name for field in schema.fields(provider.config_class) if field.secret]
    if isinstance(connector.secrets, Unreadable) and not any(name in sent for name in secret):
        raise setup.ConfigError({"": [_UNREADABLE]})
    kept = {name for name in secret if stored.get(name) and _keeps(sent.get(name, SET))}
    base = {name: stored[name] for name in kept} if replace else stored
    sent = {name: _blanked(value) if name in secret else value for name, value in sent.items()}
    whole = setup.merge(base, sent, secret=secret)
    config = setup.validate(connector.provider, whole)
    entered = {name for name, value in sent.items() if value != stored.get(name)} - kept
    refused = _in_the_clear(provider, config, entered)
    if refused:
        raise setup.ConfigError({name: [text] for name, text in refused.items()})
    if guard:
        repeat = secrets_to_repeat(provider, _before(connector) if stored else None, config, kept)
        if repeat:
            raise setup.ConfigError({name: [text] for name, text in repeat.items()})
    return Configured(config, *setup.split(provider, whole))


def _in_the_clear(provider: Provider[Any], config: Config, entered: Collection[str]) -> dict[str, str]:
    """Of the fields that were entered, the address without encryption that would be called, and why not.

    One that is stored already stays: what else is changed does not make it worse.
    """
    refusal = refusal_of_plain_http(origin(provider, config))
    if not refusal:
        return {}
    texts = {name: _text(getattr(config, name)) for name in entered}
    return {name: refusal for name, text in texts.items() if text.strip().lower().startswith("http://")}


def shown(connector: Connector) -> JSONDict:
    """The configuration as it may be shown: in place of each secret, “set” or null."""
    try:
        config_class = registry.provider(connector.provider).config_class
    except LookupError:
        return dict(connector.options)
    unset = {field.name: None for field in schema.fields(config_class) if field.secret}
    return {**unset, **schema.masked(config_class, setup.join(connector), SET)}


def _text(value: object) -> str:
    """A setting that is one text, secret or not; "" for any other."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return text if isinstance(text, str) else ""


def _before(connector: Connector) -> Config | None:
    """The configuration in force; None if it cannot be used."""
    try:
        return setup.config_of(connector)
    except SendError:
        return None


def _keeps(value: object) -> bool:
    """Whether a secret's new value leaves the stored one, or a part of it, as it is."""
    if isinstance(value, Mapping):
        return any(_keeps(item) for item in value.values())
    return isinstance(value, str) and value.strip() in ("", SET)


def _blanked(value: object) -> object:
    """`value` with a blank, by which the stored one stays, in place of each “set”."""
    if isinstance(value, Mapping):
        return {name: _blanked(item) for name, item in value.items()}
    return "" if value == SET else value
