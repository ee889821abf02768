"""Brings connectors and their subscriptions to what a file says, by name; all of a file, or nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from connectors import bulk, registry
from connectors.configuration import schema, setup
from connectors.configuration.reconfigure import configured
from connectors.message import JSONDict
from connectors.models import Connector
from connectors.provider import Config
from events.files.seed_format import Entry, SeedError
from events.models import Subscription
from events.routing.subscription_keys import KEYS

RIGHTS = (
    "connectors.add_connector",
    "connectors.change_connector",
    "events.add_subscription",
    "events.change_subscription",
    "events.delete_subscription",
)
"""What bringing in a file takes, whatever is in it."""

_LOCK = 0x6B68
"""Our own among PostgreSQL's advisory locks."""


class CannotSubscribe(ValueError):
    """What is said of the events cannot be put into practice; its text says why."""


@dataclass(slots=True)
class Step:
    """What a file asks for one connector. `changes` are in words, without secrets."""

    connector: Connector
    new: bool
    changes: list[str] = field(default_factory=list)
    save: list[Connector | Subscription] = field(default_factory=list)
    delete: list[Subscription] = field(default_factory=list)

    @property
    def verb(self) -> str:
        """created, changed or unchanged."""
        if self.new:
            return "created"
        return "changed" if self.changes else "unchanged"


def bring_in(entries: Iterable[Entry], *, dry_run: bool = False, guard: bool = False) -> list[Step]:
    """Brings the database to what the entries say, and tells each step; `dry_run` only tells.

    `guard`: whoever asks need not know the secrets that are stored, so that none is sent to a new address.
    Raises SeedError with all errors of all entries, and then nothing is written.
    """
    errors: list[str] = []
    steps = []
    entries = list(entries)
    with transaction.atomic():
        _take_turns()
        stored = _locked({entry.name for entry in entries})
        for entry in entries:
            try:
                steps.append(_step(entry, stored.get(entry.name), guard))
            except SeedError as error:
                errors += error.errors
        if errors:
            raise SeedError(errors)
        if not dry_run:
            for step in steps:
                _write(step)
    return steps


def subscribe(connector: Connector, said: Mapping[str, Any]) -> Subscription:
    """The connector's one subscription with what is said of it; a new one if there is none. Not saved.

    Raises CannotSubscribe if there are several.
    """
    existing = list(connector.subscriptions.all()[:2]) if connector.pk else []
    if len(existing) > 1:
        raise CannotSubscribe(
            "This connector has several subscriptions, so it cannot be told which one is meant:"
            " change them one by one, or give all of them as “subscriptions”."
        )
    subscription = existing[0] if existing else Subscription(connector=connector)
    for name, value in said.items():
        setattr(subscription, name, value)
    return subscription


def _take_turns() -> None:
    """Waits until no other file is brought in. On SQLite a transaction that writes is alone anyway."""
    if connection.vendor == bulk.POSTGRESQL:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _locked(names: set[str]) -> dict[str, Connector]:
    """The connectors of these names, in the order in which whoever tells them something locks them."""
    rows = Connector.objects.select_for_update().filter(name__in=names).order_by("pk")
    return {row.name: row for row in rows}


def _step(entry: Entry, connector: Connector | None, guard: bool) -> Step:
    if connector is None:
        new = Connector(name=entry.name, provider=entry.provider, enabled=True)
        step = Step(new, new=True)
    elif connector.provider != entry.provider:
        raise SeedError(
            [
                f"{entry.place('type')}: {entry.name!r} is a connector of type {connector.provider!r}, and a"
                " type cannot be changed. Give the new one another name."
            ]
        )
    else:
        step = Step(connector, new=False)
    _configure(step, entry, guard)
    for name in ("enabled", "deliver_brief"):
        _change(step, step.connector, name, getattr(entry, name), name)
    if step.new or step.changes:
        step.save.append(step.connector)
    _subscriptions(step, entry)
    return step


def _configure(step: Step, entry: Entry, guard: bool) -> None:
    """Puts the entry's configuration over the stored one."""
    connector = step.connector
    config_class: type[Config] = registry.provider(entry.provider).config_class
    secret = schema.secret_fields(config_class)
    before = {} if step.new else setup.join(connector)
    try:
        result = configured(connector, entry.config, guard=guard)
    except setup.ConfigError as error:
        raise SeedError(
            [
                f"{entry.place('config', name)}: {text}"
                for name, texts in error.errors.items()
                for text in texts
            ]
        ) from None
    connector.options = result.options
    connector.secrets = result.secrets
    after = setup.join(connector)
    for name in sorted(set(before) | set(after)):
        if before.get(name) != after.get(name):
            words = (
                "set anew" if name in secret else f"{_short(before.get(name))} → {_short(after.get(name))}"
            )
            step.changes.append(f"config.{name}: {words}")


def _subscriptions(step: Step, entry: Entry) -> None:
    """Brings the subscriptions to what the entry says; with nothing said, a new connector gets everything."""
    connector = step.connector
    if entry.subscriptions is not None:
        existing = list(connector.subscriptions.order_by("pk")) if connector.pk else []
        for index, said in enumerate(entry.subscriptions):
            target = existing[index] if index < len(existing) else Subscription(connector=connector)
            _subscription(step, target, said, f"subscriptions[{index}]")
        for index in range(len(entry.subscriptions), len(existing)):
            step.delete.append(existing[index])
            step.changes.append(f"subscriptions[{index}]: deleted")
    elif entry.subscription or step.new:
        try:
            target = subscribe(connector, {})
        except CannotSubscribe as error:
            raise SeedError([f"{entry.place('config')}: {error}"]) from None
        _subscription(step, target, entry.subscription, "config")


def _subscription(step: Step, subscription: Subscription, said: JSONDict, place: str) -> None:
    changes = len(step.changes)
    if subscription.pk is None:
        step.changes.append(f"{place}: a new subscription")
    words = {key.field: name for name, key in KEYS.items()}
    for name, value in said.items():
        _change(step, subscription, name, value, f"{place}.{words[name]}")
    if len(step.changes) > changes:
        step.save.append(subscription)


def _change(step: Step, row: Connector | Subscription, name: str, value: Any, words: str) -> None:
    """Sets a field of a row, if something is said of it that is not so already."""
    was = getattr(row, name)
    if value is not None and value != was:
        setattr(row, name, value)
        step.changes.append(f"{words}: {_short(was)} → {_short(value)}")


def _write(step: Step) -> None:
    for subscription in step.delete:
        subscription.delete()
    for row in step.save:
        row.save()


def _short(value: Any) -> str:
    text = repr(value) if value not in (None, "", [], {}) else "nothing"
    return text if len(text) <= 80 else f"{text[:79]}…"
