"""Between a connector's row and its provider's configuration: takes apart, puts together, checks.

A configuration is stored in two columns: `options` holds what is no secret as JSON, `secrets` the secret
fields as one encrypted JSON text.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from connectors import registry
from connectors.config_values import is_placeholder
from connectors.configuration import schema
from connectors.errors import Reason, SendError
from connectors.fields import Unreadable
from connectors.message import JSONDict
from connectors.models import Connector
from connectors.provider import Config, Provider
from connectors.secrets import Redactor, reference_problem, resolve_reference

# Headers that say nothing secret, though they stand among those that do: blanking “application/json”
# wherever it occurs would help nobody.
HARMLESS_HEADERS = frozenset(("accept", "accept-language", "content-type", "user-agent"))

# Mistakes that are put into words; whoever makes more is not helped by all of them.
_MOST_TOLD = 50


class ConfigError(ValueError):
    """A configuration that its provider does not take.

    `errors` has the sentences for each field, under "" those about the whole. None contains a secret.
    """

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(
            " ".join(f"{name}: {text}" if name else text for name, texts in errors.items() for text in texts)
        )
        self.errors = dict(errors)


def split(provider: Provider[Any] | str, config: Mapping[str, Any]) -> tuple[JSONDict, str]:
    """A configuration as the columns `options` and `secrets` of a connector. `provider` may be its slug."""
    secret = schema.secret_fields(_config_class(provider))
    options = {name: value for name, value in config.items() if name not in secret}
    secrets = {name: value for name, value in config.items() if name in secret}
    return options, json.dumps(secrets, ensure_ascii=False)


def join(connector: Connector) -> JSONDict:
    """The configuration as it was entered, references as such; without its secrets if they are unreadable."""
    return {**connector.options, **(_secrets(connector) or {})}


def merge(old: Mapping[str, Any], new: Mapping[str, Any], *, secret: Collection[str] = ()) -> JSONDict:
    """`old` changed by `new`: what `new` does not name is kept, what it says is null is removed.

    Whoever changes a configuration cannot see its secrets, so for the fields named in `secret` a blank value
    keeps the old one, too; within an object of secrets (headers) the same holds for each blank value, while
    the object as a whole is replaced.
    """
    merged = {**old}
    for name, value in new.items():
        if name in secret:
            value = _with_kept(old.get(name), value)
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged


def validate(provider: Provider[Any] | str, config: Mapping[str, Any]) -> Config:
    """The configuration, checked. `provider` may be its slug.

    A reference is only checked for how it is written: what it refers to is looked up when it is used. Raises
    ConfigError; LookupError for a slug that there is not.
    """
    config_class = _config_class(provider)
    secrets = {
        name: list(_texts(config[name])) for name in config if name in schema.secret_fields(config_class)
    }
    errors: dict[str, list[str]] = {}
    for name, texts in secrets.items():
        for text in texts:
            if problem := reference_problem(text):
                errors.setdefault(name, []).append(f"{problem}.")
    try:
        checked: Config = config_class.model_validate(dict(config))
    except ValidationError as error:
        # A validator's own words should not repeat a secret; that they do not is made sure of here. What is
        # refused as a placeholder is none, and is named, so that it is found.
        told = (text for texts in secrets.values() for text in texts)
        redactor = Redactor(text for text in told if not is_placeholder(text))
        details = error.errors(include_url=False, include_context=False, include_input=False)
        for detail in details[:_MOST_TOLD]:
            name, text = _in_words(detail, config_class)
            errors.setdefault(name, []).append(redactor.blank(text))
    if errors:
        raise ConfigError(errors)
    return checked


def config_of(connector: Connector) -> Config:
    """The configuration ready for use: checked, its references looked up.

    Raises SendError(MISCONFIGURED), which pauses the connector, and LookupError for an unknown provider.
    """
    provider = registry.provider(connector.provider)
    secrets = _secrets(connector)
    if secrets is None:
        raise _unusable(
            "Its secrets cannot be read with the present FIELD_ENCRYPTION_KEY. Put the key they were"
            " encrypted with back into the list, or enter the secrets again."
        )
    resolved = {name: _resolved(value) for name, value in secrets.items()}
    try:
        return validate(provider, {**connector.options, **resolved})
    except ConfigError as error:
        raise _unusable(f"Its settings are not valid. {error}") from None


def secret_values(config: Config) -> list[str]:
    """Every secret in a configuration, for a Redactor."""
    return [secret for _, value in config for secret in _secret_texts(value)]


def _config_class(provider: Provider[Any] | str) -> type[Config]:
    found = registry.provider(provider) if isinstance(provider, str) else provider
    config_class: type[Config] = found.config_class
    return config_class


def _unusable(text: str) -> SendError:
    return SendError(Reason.MISCONFIGURED, f"The connector cannot be used. {text}", disable=True)


def _secrets(connector: Connector) -> JSONDict | None:
    """What the column of secrets holds; None where that cannot be read."""
    if isinstance(connector.secrets, Unreadable):
        return None
    secrets: JSONDict = json.loads(connector.secrets or "{}")
    return secrets


def _with_kept(old: Any, new: Any) -> Any:
    """A secret's new value with the old one in place of each blank."""
    if isinstance(new, str):
        return new if new.strip() else old
    if isinstance(new, Mapping):
        kept = old if isinstance(old, Mapping) else {}
        merged = {name: _with_kept(kept.get(name), value) for name, value in new.items()}
        return {name: value for name, value in merged.items() if value is not None}
    return new


def _texts(value: Any) -> Iterator[str]:
    """Every text in decoded JSON, names left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _resolved(value: Any) -> Any:
    """Decoded JSON with secrets in place of references."""
    if isinstance(value, str):
        return resolve_reference(value)
    if isinstance(value, Mapping):
        return {name: _resolved(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(item) for item in value]
    return value


def _secret_texts(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode(errors="replace")
    elif isinstance(value, BaseModel):
        for _, item in value:
            yield from _secret_texts(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if str(name).lower() not in HARMLESS_HEADERS:
                yield from _secret_texts(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _secret_texts(item)


def _in_words(detail: ErrorDetails, config_class: type[Config]) -> tuple[str, str]:
    """The field that one of Pydantic's errors is about, and a sentence for people."""
    name, *within = [str(part) for part in detail["loc"]] or [""]
    if detail["type"] == "missing":
        text = "This is required."
    elif detail["type"] == "extra_forbidden":
        text = "There is no such option."
        close = difflib.get_close_matches(name, config_class.model_fields, n=1)
        if close:
            text += f" Is {close[0]} meant?"
    else:
        text = detail["msg"].removeprefix("Value error, ")
    return name, f"{'.'.join(within)}: {text}" if within else text
