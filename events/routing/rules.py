"""The subscriptions in force, ready for matching, and kept so from one event to the next."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from django.db import connection
from django.db.models import F, JSONField, TextField
from django.db.models.functions import Cast

from connectors.message import Severity
from connectors.models import Connector
from events import catalog
from events.models import Subscription
from events.routing import schedule
from events.routing.match import EventFacts, Rule, judge, types_of

logger = logging.getLogger(__name__)

SECONDS = 10.0
"""How long rules are believed at most. A change is noticed at once by the line that it leaves in the history;
this is for what leaves none, and for the rare one whose transaction began before, and ended after, that of
another."""


CLAUSES: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "types": (("event_types", "conditions"), types_of),
    "min_severity": (("min_severity",), Severity),
    "namespaces": (("namespaces",), lambda namespaces: namespaces),
    "clusters": (("clusters",), lambda clusters: clusters),
    "conditions": (("conditions",), lambda conditions: conditions),
    "hours": (("schedule",), schedule.read),
}
"""Each clause of a Rule: the subscription's columns that say it, and how they are read.

Reading raises catalog.UnknownEventType, or ValueError for a severity or hours there are not."""


class RuleBook:
    """Rules found by what an event is and where, so that it meets only those that could want it."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        # By event type and namespace; None for rules of every type, or whose namespaces are not plain names.
        self._shelves: dict[tuple[str | None, str | None], list[Rule]] = defaultdict(list)
        for rule in sorted(rules, key=_age):
            namespaces = _plain(rule.namespaces) or (None,)
            for event_type in (None,) if rule.types is None else rule.types:
                for namespace in namespaces:
                    self._shelves[event_type, namespace].append(rule)

    def wanting(self, facts: EventFacts) -> list[Rule]:
        """The rules that want this event, one for each connector: the oldest that does."""
        shelves = [
            shelf
            for event_type in (None, facts.event_type)
            for namespace in (None, facts.namespace)
            if (shelf := self._shelves.get((event_type, namespace)))
        ]
        # Each shelf is in order already.
        candidates = shelves[0] if len(shelves) == 1 else sorted(chain.from_iterable(shelves), key=_age)
        first: dict[int, Rule] = {}
        for rule in candidates:
            if rule.connector_id not in first and judge(rule, facts).wanted:
                first[rule.connector_id] = rule
        return list(first.values())


def current() -> RuleBook:
    """The book of the subscriptions in force now."""
    return _kept.book()


def rule_for(subscription: Subscription) -> Rule:
    """A subscription made ready for matching.

    Raises catalog.UnknownEventType, or ValueError for a severity or hours there are not.
    """
    clauses: dict[str, Any] = {
        name: read(*(getattr(subscription, column) for column in columns))
        for name, (columns, read) in CLAUSES.items()
    }
    return Rule(
        subscription_id=subscription.pk,
        connector_id=subscription.connector_id,
        send_resolved=subscription.send_resolved,
        **clauses,
    )


def _age(rule: Rule) -> int:
    return rule.subscription_id


def _plain(namespaces: list[str]) -> set[str]:
    """The namespaces, if they are all names; none if one of them is a pattern."""
    return set() if any(_PATTERN.search(name) for name in namespaces) else set(namespaces)


_PATTERN = re.compile(r"[*?[]")


class Reader:
    """Reads the rules from the database again and again, and makes anew only those that have changed.

    The columns come as the texts that they are stored as: comparing them with what they were costs next to
    nothing, decoding ten thousand of them would cost most of the whole.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[Any, ...], Rule]] = {}

    def read(self) -> tuple[list[Rule], bool]:
        """Every subscription in force, and whether any is another one than the last time.

        One that cannot be read is logged and left out.
        """
        found: dict[int, tuple[tuple[Any, ...], Rule]] = {}
        known, changed = self._known, False
        decoded: dict[str, dict[Any, Any]] = {name: {} for name in CLAUSES}
        for row in _rows():
            before = known.get(row[0])
            if before is not None and before[0] == row:
                found[row[0]] = before
                continue
            try:
                found[row[0]] = (row, _rule(row, decoded))
            except (catalog.UnknownEventType, ValueError) as error:
                logger.error("subscription %s is not in force: %s", row[0], error)
                continue
            changed = True
        changed = changed or len(found) != len(known)
        self._known = found
        return [rule for _, rule in found.values()], changed


_COLUMNS = tuple(dict.fromkeys(column for columns, _ in CLAUSES.values() for column in columns))
_JSON = frozenset(
    column for column in _COLUMNS if isinstance(Subscription._meta.get_field(column), JSONField)
)
_TEXTS_OF = {
    name: itemgetter(*(_COLUMNS.index(column) + 3 for column in columns))
    for name, (columns, _) in CLAUSES.items()
}
"""What of one of `_rows` each clause is read from: a text, or a tuple where there are several."""


def _rows() -> Iterable[tuple[Any, ...]]:
    """The subscriptions in force: id, connector, whether resolutions are sent, and the clauses' columns."""
    columns = [Cast(column, TextField()) if column in _JSON else F(column) for column in _COLUMNS]
    in_force = Subscription.objects.filter(enabled=True, connector__enabled=True).order_by("pk")
    return in_force.values_list("pk", "connector_id", "send_resolved", *columns).iterator(chunk_size=2000)


def _rule(row: tuple[Any, ...], decoded: dict[str, dict[Any, Any]]) -> Rule:
    """One of `_rows` made ready for matching; `decoded` is what texts of other rows stand for, by clause.

    Raises as `rule_for` does.
    """
    clauses: dict[str, Any] = {}
    for name, texts_of in _TEXTS_OF.items():
        texts = texts_of(row)
        alike = decoded[name]
        if texts not in alike:
            alike[texts] = _decoded(name, texts)
        clauses[name] = alike[texts]
    return Rule(subscription_id=row[0], connector_id=row[1], send_resolved=row[2], **clauses)


def _decoded(name: str, texts: Any) -> Any:
    columns, read = CLAUSES[name]
    given = texts if isinstance(texts, tuple) else (texts,)
    return read(
        *(
            json.loads(text) if column in _JSON and text is not None else text
            for column, text in zip(columns, given, strict=True)
        )
    )


class _Kept:
    """The last book that was made, for as long as nothing has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._reader = Reader()
        self._book = RuleBook(())
        self._stamp: Any = None
        self._made_at = 0.0

    def book(self) -> RuleBook:
        # Asked before the rules are read: what is saved in between makes the next stamp another one.
        stamp = _stamp()
        with self._lock:
            if stamp == self._stamp and time.monotonic() - self._made_at < SECONDS:
                return self._book
        with self._reading:
            rules, changed = self._reader.read()
            book = RuleBook(rules) if changed else self._book
            with self._lock:
                self._book, self._stamp, self._made_at = book, stamp, time.monotonic()
        return book


def _stamp() -> Any:
    """Another one whenever a subscription or a connector was saved or deleted.

    It consists of the last row of each table, found at the end of an index, so that it costs the same however
    many there are. The history has a line for every change that matters here; what is written many at a time
    has none, but new ids. The moments tell apart what was given an id that had been rolled back.
    """
    with connection.cursor() as cursor:
        cursor.execute(_last_rows())
        return cursor.fetchall()


@cache
def _last_rows() -> str:
    tables = [
        (model._meta.db_table, key, moment)
        for each in (Subscription, Connector)
        for model, key, moment in (
            (each, "id", "updated_at"),
            (each.history.model, "history_id", "history_date"),
        )
    ]
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT {number}, {key}, {moment} FROM {table} ORDER BY {key} DESC LIMIT 1) t{number}"  # noqa: S608 - our own names
        for number, (table, key, moment) in enumerate(tables)
    )


_kept = _Kept()
