"""What a provider's settings are, read from the one place that declares them: its `config_class`.

From here come the admin's form, the API's JSON Schema and the documentation's table, so that no provider is
named outside its own file, and a new one needs nothing but that file.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from connectors.message import JSONDict
from connectors.provider import Config, Provider


class Kind(Enum):
    """What a field holds, as a person types it in."""

    TEXT = "text"
    FLAG = "yes or no"
    INTEGER = "whole number"
    NUMBER = "number"
    CHOICE = "one of"
    LIST = "list of texts"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One field of a configuration, in words for people and types for forms."""

    name: str
    title: str
    description: str
    kind: Kind
    required: bool
    secret: bool
    optional: bool
    default: Any = None
    choices: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()
    multiline: bool = False
    essential: bool = False  # without it, or another that is, nothing works: forms ask for it first

    @property
    def type_words(self) -> str:
        """The type as the documentation puts it."""
        if self.kind is Kind.CHOICE:
            return " or ".join(f"`{choice}`" for choice in self.choices)
        if self.kind is Kind.LIST:
            return "list of texts, or one text with commas"
        return "object" if self.kind is Kind.JSON else str(self.kind.value)


def fields(config_class: type[Config]) -> tuple[ConfigField, ...]:
    """Every field of a configuration, in the order of its declaration."""
    return tuple(_field(name, info) for name, info in config_class.model_fields.items())


@cache
def secret_fields(config_class: type[Config]) -> frozenset[str]:
    """The names, aliases included, of the fields that hold secrets, told by their types."""
    return frozenset(
        name for field in fields(config_class) if field.secret for name in (field.name, *field.aliases)
    )


def json_schema(provider: Provider[Any]) -> JSONDict:
    """The JSON Schema of a provider's configuration. Every secret is `writeOnly`."""
    schema: JSONDict = provider.config_class.model_json_schema(mode="validation")
    properties: dict[str, JSONDict] = schema.get("properties", {})
    config_class: type[Config] = provider.config_class
    for name in secret_fields(config_class) & properties.keys():
        properties[name]["writeOnly"] = True
    schema["title"] = provider.label
    return schema


def masked(config_class: type[Config], config: Mapping[str, Any], mask: str) -> JSONDict:
    """`config` with `mask` in place of every secret; the names inside a secret object stay readable."""
    secret = secret_fields(config_class)
    return {name: _blank(value, mask) if name in secret else value for name, value in config.items()}


def _blank(value: Any, mask: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _blank(item, mask) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blank(item, mask) for item in value]
    return None if value is None else mask


def _field(name: str, info: FieldInfo) -> ConfigField:
    bare = tuple(_bare(info.annotation))
    kinds = [kind for kind in bare if kind is not type(None)]
    kind, choices = _kind(kinds)
    default = info.get_default(call_default_factory=True) if not info.is_required() else None
    return ConfigField(
        name=name,
        title=info.title or name.replace("_", " ").capitalize(),
        description=info.description or "",
        kind=kind,
        required=info.is_required(),
        secret=any(_holds_secret(annotation) for annotation in kinds),
        optional=type(None) in bare,
        default=default.value if isinstance(default, Enum) else default,
        choices=choices,
        aliases=_aliases(name, info),
        multiline=name.endswith("template") or _says(info, "multiline"),
        essential=info.is_required() or _says(info, "essential"),
    )


def _kind(annotations: Sequence[Any]) -> tuple[Kind, tuple[Any, ...]]:
    """The kind of a field, and its choices, from the members of its type."""
    if all(get_origin(annotation) is Literal for annotation in annotations):
        return Kind.CHOICE, tuple(choice for annotation in annotations for choice in get_args(annotation))
    if len(annotations) != 1:
        return Kind.JSON, ()
    (annotation,) = annotations
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Kind.CHOICE, tuple(member.value for member in annotation)
    if get_origin(annotation) in (list, tuple, set, frozenset):
        (item, *_) = (*get_args(annotation), str)
        return (Kind.LIST if next(_bare(item)) in (str, SecretStr) else Kind.JSON), ()
    simple = {bool: Kind.FLAG, int: Kind.INTEGER, float: Kind.NUMBER}
    if annotation in simple:
        return simple[annotation], ()
    if isinstance(annotation, type) and issubclass(annotation, str | SecretStr):
        return Kind.TEXT, ()
    return Kind.JSON, ()


def _bare(annotation: Any) -> Iterator[Any]:
    """The members of a type, without `Annotated` and unions around them."""
    if get_origin(annotation) is Annotated:
        yield from _bare(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _bare(member)
    else:
        yield annotation


def _holds_secret(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, SecretStr):
        return True
    return any(
        _holds_secret(member)
        for argument in get_args(annotation)
        if not isinstance(argument, str)
        for member in _bare(argument)
    )


def _says(info: FieldInfo, word: str) -> bool:
    """Whether the declaration says so: `Field(json_schema_extra={"multiline": True})`."""
    return isinstance(info.json_schema_extra, dict) and bool(info.json_schema_extra.get(word))


def _aliases(name: str, info: FieldInfo) -> tuple[str, ...]:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        names = [choice for choice in alias.choices if isinstance(choice, str)]
    else:
        names = [alias] if isinstance(alias, str) else []
    return tuple(other for other in names if other != name)


def canonical(config_class: type[Config], config: Mapping[str, Any]) -> JSONDict:
    """`config` by the fields' own names, so that two configurations can be laid together."""
    own = {alias: field.name for field in fields(config_class) for alias in field.aliases}
    return {
        own[name] if name in own and own[name] not in config else name: value
        for name, value in config.items()
    }
