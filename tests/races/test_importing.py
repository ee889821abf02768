"""Two imports at once, or one while events are told: each has its turn."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.models import Connector
from connectors.outbox import Order, enqueue
from events.files import importing
from events.files.seed_format import parse
from tests.events.files.test_seed_format import webhook
from tests.making import make_connector, make_message
from tests.races.at_once import Meanwhile, interrupt

pytestmark = pytest.mark.django_db(transaction=True)


def bring_in(*names: str, **config: Any) -> list[str]:
    entries = parse([{**webhook(**config), "name": name} for name in names])
    return [step.verb for step in importing.bring_in(entries)]


@pytest.mark.usefixtures("rows_are_locked")
def test_the_same_connectors_are_changed_by_two_files_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bring_in("a", "b")
    other = interrupt(monkeypatch, importing, "_configure", lambda: bring_in("b", "a", method="PUT"))

    assert bring_in("a", "b") == ["unchanged", "unchanged"]
    assert other() == ["changed", "changed"]


@pytest.mark.usefixtures("rows_are_locked")
def test_the_same_new_connectors_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    other = interrupt(monkeypatch, importing, "_write", lambda: bring_in("b", "a"))

    assert bring_in("a", "b") == ["created", "created"]
    assert other() == ["unchanged", "unchanged"]


@pytest.mark.usefixtures("rows_are_locked")
def test_connectors_are_changed_while_they_are_told_something(monkeypatch: pytest.MonkeyPatch) -> None:
    bring_in("a", "b")
    a, b = Connector.objects.order_by("pk")
    orders = [Order(a, make_message(), "test"), Order(b, make_message(), "test")]
    other = interrupt(monkeypatch, importing, "_configure", lambda: enqueue(orders))

    assert bring_in("b", "a", method="PUT") == ["changed", "changed"]
    assert len(other()) == 2


def test_many_imports_at_once_all_succeed() -> None:
    make_connector("a")
    others = [Meanwhile(lambda: bring_in("a", "b", "c")) for _ in range(8)]

    assert (
        sorted(verbs[1] for verbs in (other.result() for other in others)) == ["created"] + ["unchanged"] * 7
    )
