"""The subscriptions in force, ready for matching, and kept so from one event to the next."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Count, Max

from connectors.message import Severity
from connectors.models import Connector
from events import catalog, schedule
from events.match import EventFacts, Rule, judge, types_of
from events.models import Subscription

logger = logging.getLogger(__name__)

SECONDS = 10.0
"""How long rules are believed at most. A change is noticed at once by when its row was saved; this is for the
rare one whose transaction began before, and ended after, that of another."""


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
            for event_type in (None,) if rule.types is None else rule.types:
                for namespace in _plain(rule.namespaces) or (None,):
                    self._shelves[event_type, namespace].append(rule)

    def wanting(self, facts: EventFacts) -> list[Rule]:
        """The rules that want this event, one for each connector: the oldest that does."""
        first: dict[int, Rule] = {}
        candidates = [
            rule
            for event_type in (None, facts.event_type)
            for namespace in (None, facts.namespace)
            for rule in self._shelves.get((event_type, namespace), ())
        ]
        candidates.sort(key=_age)
        for rule in candidates:
            if rule.connector_id not in first and judge(rule, facts).wanted:
                first[rule.connector_id] = rule
        return list(first.values())


def current() -> RuleBook:
    """The book of the subscriptions in force now."""
    return _kept.book()


def current_rules() -> list[Rule]:
    """Every subscription in force, ready for matching. One that cannot be read is logged and left out."""
    rules = []
    subscriptions = Subscription.objects.filter(enabled=True, connector__enabled=True).order_by("pk")
    for subscription in subscriptions.iterator(chunk_size=2000):
        try:
            rules.append(rule_for(subscription))
        except (catalog.UnknownEventType, ValueError) as error:
            logger.error("subscription %s is not in force: %s", subscription.pk, error)
    return rules


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
    return set() if any(set("*?[") & set(name) for name in namespaces) else set(namespaces)


class _Kept:
    """The last book that was made, for as long as nothing has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._book = RuleBook(())
        self._stamp: Any = None
        self._made_at = 0.0

    def book(self) -> RuleBook:
        # Asked before the rules are read: what is saved in between makes the next stamp another one.
        stamp = _stamp()
        with self._lock:
            if stamp == self._stamp and time.monotonic() - self._made_at < SECONDS:
                return self._book
        book = RuleBook(current_rules())
        with self._lock:
            self._book, self._stamp, self._made_at = book, stamp, time.monotonic()
        return book


def _stamp() -> Any:
    """Another one whenever a subscription or a connector was saved or deleted."""
    count_and_last = {"count": Count("pk"), "last": Max("updated_at")}
    return (
        Subscription.objects.aggregate(**count_and_last),
        Connector.objects.aggregate(**count_and_last),
    )


_kept = _Kept()
