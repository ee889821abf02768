"""Connectors as JSON files say them, and back. Pure: it knows no database.

A file holds one connector, a list of them, or `{"connectors": [...]}`. Each has a name, a type and a config;
the config may also say which events the connector receives (`events`, `conditions`, `severity`,
`namespaces`, `clusters`, `schedule`). Where that is not enough, because a connector has several
subscriptions, they stand beside the config as a list: `"subscriptions": [{"events": [...], ...}, ...]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors import registry, wellformed
from connectors.config_values import refuse_placeholder
from connectors.configuration import schema
from connectors.configuration.schema import ConfigField
from connectors.message import JSONDict
from events.routing.subscription_keys import KEYS, Wrong

IN_CONFIG = ("events", "conditions", "severity", "namespaces", "clusters", "schedule")
"""The keys of a subscription that may stand in a connector's config. No provider declares one of these."""


class SeedError(ValueError):
    """What is wrong with a file: each error begins with its place, such as `connectors[1].config.url: `."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One connector of a file. None stands for what the file does not say.

    `subscription` holds what the config itself says of the events, by the names of the Subscription model;
    `subscriptions` is the complete list, where the file has one. `path` is where it stands in the file.
    """

    name: str
    provider: str
    config: JSONDict = field(default_factory=dict)
    enabled: bool | None = None
    deliver_brief: bool | None = None
    subscription: JSONDict = field(default_factory=dict)
    subscriptions: list[JSONDict] | None = None
    path: str = ""

    def place(self, *names: str) -> str:
        """Where in the file something of this entry stands."""
        return ".".join(name for name in (self.path, *names) if name)


def parse(document: object) -> list[Entry]:
    """Every connector of a decoded file. Raises SeedError with all that is wrong with it."""
    wrong = wellformed.problem(document)
    if wrong:
        raise SeedError([wrong])
    errors: list[str] = []
    entries = []
    for path, item in _items(document):
        reader = _Reader(path, errors)
        entry = reader.entry(item)
        if entry is not None:
            entries.append(entry)
    seen: dict[str, str] = {}
    for entry in entries:
        if entry.name in seen:
            errors.append(f"{entry.place('name')}: {entry.name!r} is already the name of {seen[entry.name]}.")
        seen.setdefault(entry.name, entry.path)
    if errors:
        raise SeedError(errors)
    return entries


def to_json(entry: Entry) -> JSONDict:
    """The entry as a file says it: in the short form where that says it all."""
    said: JSONDict = {"name": entry.name, "type": entry.provider}
    for name, value in (("enabled", entry.enabled), ("deliver_brief", entry.deliver_brief)):
        if value is not None:
            said[name] = value
    blocks = [_block_to_json(block) for block in entry.subscriptions or []]
    short = len(blocks) == 1 and set(blocks[0]) <= set(IN_CONFIG)
    said["config"] = {**entry.config, **blocks[0]} if short else entry.config
    if not short and entry.subscriptions is not None:
        said["subscriptions"] = blocks
    return said


def _block_to_json(block: JSONDict) -> JSONDict:
    """A subscription without what goes without saying, except the events: none is not the same as all."""
    return {
        name: block[key.field]
        for name, key in KEYS.items()
        if key.field in block and (name == "events" or block[key.field] != key.default)
    }


# --- Reading one connector ------------------------------------------------------------------------------


def _items(document: object) -> Iterator[tuple[str, object]]:
    if isinstance(document, dict) and "connectors" in document:
        others = sorted(set(document) - {"connectors"})
        if others:
            raise SeedError([f"{name}: Only “connectors” may stand here." for name in others])
        if not isinstance(document["connectors"], list):
            raise SeedError(["connectors: This must be a list."])
        yield from ((f"connectors[{index}]", item) for index, item in enumerate(document["connectors"]))
    elif isinstance(document, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(document))
    else:
        yield "", document


class _Reader:
    """Reads one connector and notes what is wrong with it."""

    FIELDS = ("name", "type", "enabled", "deliver_brief", "config", "subscriptions")

    def __init__(self, path: str, errors: list[str]) -> None:
        self.path = path
        self.errors = errors

    def entry(self, item: object) -> Entry | None:
        """The entry, or None if it cannot be told what it is."""
        if not isinstance(item, dict):
            self.wrong("", "A connector is an object with name, type and config.")
            return None
        for name in item:
            if name not in self.FIELDS:
                self.wrong(name, f"There is no such field. There are: {', '.join(self.FIELDS)}.")
        name, provider = self.name(item.get("name")), self.provider(item.get("type"))
        config = item.get("config", {})
        if not isinstance(config, dict):
            self.wrong("config", 'This must be an object, such as {"url": "https://…"}.')
            config = {}
        subscription = self.block("config", {key: config[key] for key in IN_CONFIG if key in config})
        config = {key: value for key, value in config.items() if key not in IN_CONFIG}
        if provider:
            self.refuse_placeholders(provider, config)
        subscriptions = self.subscriptions(item.get("subscriptions"))
        if subscriptions is not None and subscription:
            self.wrong(
                "subscriptions", "Say it either here or in the config (events, conditions, …), not in both."
            )
        return Entry(
            name=name,
            provider=provider,
            config=config,
            enabled=self.flag(item, "enabled"),
            deliver_brief=self.flag(item, "deliver_brief"),
            subscription=subscription,
            subscriptions=subscriptions,
            path=self.path,
        )

    def name(self, value: object) -> str:
        """The connector's name, by which it is found again."""
        if not isinstance(value, str) or not value.strip():
            self.wrong("name", "Every connector needs a name.")
            return ""
        if len(value.strip()) > 120:
            self.wrong("name", "A name has at most 120 characters.")
        return value.strip()

    def provider(self, value: object) -> str:
        """The type, if there is such a one."""
        known = ", ".join(registry.all_providers())
        if not isinstance(value, str):
            self.wrong("type", f"Every connector needs a type. There are: {known}.")
            return ""
        try:
            return registry.provider(value).slug
        except LookupError as error:
            self.wrong("type", str(error))
            return ""

    def flag(self, item: JSONDict, name: str) -> bool | None:
        """True, false, or not said."""
        value = item.get(name)
        if value is not None and not isinstance(value, bool):
            self.wrong(name, "This must be true or false.")
            return None
        return value

    def subscriptions(self, value: object) -> list[JSONDict] | None:
        """The complete list of subscriptions, each with all its fields."""
        if value is None:
            return None
        if not isinstance(value, list):
            self.wrong("subscriptions", "This must be a list.")
            return None
        defaults = {key.field: key.default for key in KEYS.values()}
        return [
            {**defaults, **self.block(f"subscriptions[{index}]", item)} for index, item in enumerate(value)
        ]

    def block(self, place: str, block: object) -> JSONDict:
        """What is said of one subscription, by the names of the model."""
        if not isinstance(block, dict):
            self.wrong(place, 'A subscription is an object, such as {"events": ["all"]}.')
            return {}
        said: JSONDict = {}
        for name, value in block.items():
            key = KEYS.get(name)
            if key is None:
                self.wrong(f"{place}.{name}", f"There is no such field. There are: {', '.join(KEYS)}.")
                continue
            try:
                said[key.field] = key.read(value)
            except Wrong as error:
                for inside, text in error.problems.items():
                    self.wrong(f"{place}.{name}{inside}", text)
        return said

    def refuse_placeholders(self, provider: str, config: JSONDict) -> None:
        """Notes each value that an example holds in place of the real one, with what belongs there."""
        declared = {
            name: item
            for item in schema.fields(registry.provider(provider).config_class)
            for name in (item.name, *item.aliases)
        }
        for name, value in config.items():
            item = declared.get(name)
            for place, text in _texts(value, f"config.{name}"):
                if item is not None and (item.secret or _is_word(text)):
                    self.refuse_placeholder(place, text, item)

    def refuse_placeholder(self, place: str, text: str, item: ConfigField) -> None:
        """Notes `text` if it is one."""
        try:
            refuse_placeholder(text)
        except ValueError as error:
            self.wrong(place, f"{error}. {item.title}: {item.description}".rstrip(": ").rstrip())

    def wrong(self, place: str, text: str) -> None:
        """Notes an error."""
        where = ".".join(part for part in (self.path, place) if part)
        self.errors.append(f"{where}: {text}" if where else text)


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, f"{place}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{place}[{index}]")


def _is_word(text: str) -> bool:
    """Whether it is a name or an address rather than prose or a template, which may well hold three dots."""
    return not any(character.isspace() or character in "{}<>" for character in text)
