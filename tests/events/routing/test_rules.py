"""The subscriptions in force: found quickly, kept as long as nothing has changed."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pytest_django import DjangoAssertNumQueries

from connectors.message import Severity
from events.models import Subscription
from events.routing import rules
from events.routing.match import EventFacts, Rule
from events.routing.rules import CLAUSES, RuleBook
from tests.making import make_connector, make_subscription

FACTS = EventFacts(event_type="pod_crash_loop", severity=Severity.HIGH, namespace="shop")


def rule(number: int, connector: int = 1, **more: object) -> Rule:
    return Rule(subscription_id=number, connector_id=connector, **more)  # type: ignore[arg-type]  # any clause


def wanting(*given: Rule) -> list[int]:
    return [found.subscription_id for found in RuleBook(given).wanting(FACTS)]


def test_rules_are_found_by_type_and_by_namespace() -> None:
    assert wanting(
        rule(1, 1),
        rule(2, 2, types=frozenset({"pod_crash_loop"})),
        rule(3, 3, namespaces=["other", "shop"]),
        rule(4, 4, types=frozenset({"pod_crash_loop"}), namespaces=["shop"]),
        rule(5, 5, namespaces=["sh*"]),
        rule(6, 6, types=frozenset({"node_unhealthy"})),
        rule(7, 7, namespaces=["other"]),
        rule(8, 8, namespaces=["oth?r"]),
        rule(9, 9, namespaces=["sh[ao]p"]),
    ) == [1, 2, 3, 4, 5, 9]


def test_of_one_connectors_rules_the_oldest_that_wants_it_counts() -> None:
    assert wanting(
        rule(9, namespaces=["shop"]), rule(3, types=frozenset({"pod_crash_loop"})), rule(2, namespaces=["x"])
    ) == [3]
    assert wanting(rule(9), rule(3)) == [3]


def current() -> list[int]:
    return [found.subscription_id for found in rules.current().wanting(FACTS)]


@pytest.mark.django_db
def test_the_book_is_kept_while_nothing_changes(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    subscription = make_subscription(make_connector())
    assert current() == [subscription.pk]

    with django_assert_num_queries(1):  # whether anything has changed
        assert current() == [subscription.pk]


@pytest.mark.django_db
def test_a_change_is_noticed_at_once() -> None:
    connector = make_connector()
    first, second = make_subscription(connector), make_subscription(make_connector("second"))
    assert current() == [first.pk, second.pk]

    first.namespaces = ["elsewhere"]
    first.save()
    assert current() == [second.pk]

    second.delete()
    assert current() == []

    first.namespaces = []
    first.save()
    assert current() == [first.pk]

    connector.enabled = False
    connector.save()
    assert current() == []


@pytest.mark.django_db
def test_subscriptions_written_many_at_a_time_are_noticed_at_once() -> None:
    connector = make_connector()
    assert current() == []

    Subscription.objects.bulk_create([Subscription(connector=connector)])

    assert current() == list(Subscription.objects.values_list("pk", flat=True))


@pytest.mark.django_db
def test_subscriptions_deleted_many_at_a_time_are_noticed_at_once() -> None:
    first, second = make_subscription(make_connector()), make_subscription(make_connector("second"))
    assert current() == [first.pk, second.pk]

    Subscription.objects.filter(pk=first.pk).delete()

    assert current() == [second.pk]


@pytest.mark.django_db
def test_a_rule_is_kept_when_another_subscription_changes() -> None:
    make_subscription(make_connector())
    second = make_subscription(make_connector("second"))
    kept, changed = rules.current().wanting(FACTS)

    second.min_severity = "low"
    second.save()

    again, anew = rules.current().wanting(FACTS)
    assert again is kept
    assert (changed.min_severity, anew.min_severity) == (Severity.INFO, Severity.LOW)


@pytest.mark.django_db
def test_the_book_is_kept_when_all_was_read_again_and_nothing_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_subscription(make_connector())
    monkeypatch.setattr(rules, "SECONDS", 0.0)

    assert rules.current() is rules.current()


@pytest.mark.django_db
def test_a_rule_of_many_read_at_once_is_the_rule_of_its_subscription() -> None:
    subscription = make_subscription(
        make_connector(),
        "pod_crash",
        min_severity="low",
        namespaces=["sh*"],
        clusters=["", "é"],
        conditions={"count": 1},
        schedule={"timezone": "Europe/Berlin", "days": ["mon"], "from": "08:00", "to": "18:00"},
        send_resolved=False,
    )

    assert rules.Reader().read() == ([rules.rule_for(subscription)], True)


@pytest.mark.django_db
def test_what_no_row_tells_is_noticed_a_little_later(monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = make_subscription(make_connector())
    assert current() == [subscription.pk]
    type(subscription).objects.update(enabled=False)

    monkeypatch.setattr(rules, "SECONDS", 0.0)

    assert current() == []


def test_every_clause_of_a_rule_is_read_from_a_subscription() -> None:
    clauses = {field.name for field in fields(Rule)} - {"subscription_id", "connector_id", "send_resolved"}
    assert set(CLAUSES) == clauses
