"""What no index finds: a page looks through a stretch of the record, and leads on to the next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.models import Delivery
from connectors.outbox import Order, delivery_for
from tests.calling import Caller
from tests.making import make_connector, make_event, make_message

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Someone who may do everything, of whose lists a page looks through three rows."""
    monkeypatch.setattr("connectors.api.paging.AT_ONCE", 3)
    return Caller(everything=True)


@pytest.fixture
def deliveries() -> list[str]:
    """Ten deliveries, newest first, of which the second, the eighth and the ninth are of the shop."""
    connector, now = make_connector(), timezone.now()
    rows = [delivery_for(Order(connector, make_message(), "test")) for _ in range(10)]
    for number, row in enumerate(rows):
        row.created_at = now - timedelta(seconds=number)
        row.message["namespace"] = "shop" if number in (1, 7, 8) else "default"
    Delivery.objects.bulk_create(rows)
    return [str(row.pk) for row in rows]


def pages(caller: Caller, page: Any, way: str = "next") -> list[list[str]]:
    """The rows of this page, and of all to which it leads."""
    found = []
    while True:
        found.append([row["id"] for row in page["results"]])
        if page[way] is None:
            return found
        page = caller.get(page[way].removeprefix("http://testserver"))


def test_pages_lead_on_until_every_row_is_found(caller: Caller, deliveries: list[str]) -> None:
    found = pages(caller, caller.get("deliveries/", namespace="shop"))
    assert found == [[deliveries[1]], [], deliveries[7:9], []]
    found = pages(caller, caller.get("deliveries/", namespace="shop", limit=1))
    assert [pk for page in found for pk in page] == [deliveries[1], *deliveries[7:9]]


def test_what_is_searched_for_is_looked_for_by_stretches_too(caller: Caller, deliveries: list[str]) -> None:
    Delivery.objects.filter(pk=deliveries[7]).update(note="refused")
    found = pages(caller, caller.get("deliveries/", search="refused"))
    assert found == [[], [], [deliveries[7]], []]


def test_the_same_way_leads_back_over_stretches(caller: Caller, deliveries: list[str]) -> None:
    page = caller.get("deliveries/", namespace="shop")
    while page["next"]:
        page = caller.get(page["next"].removeprefix("http://testserver"))
    assert pages(caller, page, "previous") == [[], deliveries[7:9], [], [deliveries[1]], []]


@pytest.mark.parametrize(
    "query",
    [{"event": "event-1"}, {"status": "pending"}, {"connector": "1", "since": "2020-01-01T00:00:00Z"}, {}],
)
def test_what_an_index_finds_takes_no_stretches(
    caller: Caller, deliveries: list[str], query: dict[str, str]
) -> None:
    if "connector" in query:
        query = {**query, "connector": str(Delivery.objects.values_list("connector_id", flat=True)[0])}
    assert caller.get("deliveries/", **query)["next"] is None


def test_a_stretch_is_of_the_connector_that_is_asked_for(caller: Caller, deliveries: list[str]) -> None:
    other = delivery_for(Order(make_connector("other"), make_message(), "test"))
    other.created_at = timezone.now() - timedelta(days=1)
    other.save(force_insert=True)
    page = caller.get("deliveries/", connector=other.connector_id, namespace=other.message["namespace"])
    assert ([row["id"] for row in page["results"]], page["next"]) == ([str(other.pk)], None)


def test_events_are_looked_through_in_stretches_too(caller: Caller) -> None:
    now = timezone.now()
    for number in range(5):
        namespace = "shop" if number == 4 else "default"
        seen = now - timedelta(seconds=number)
        make_event(fingerprint=f"key-{number}", namespace=namespace, first_seen=seen).save()
    assert [len(page) for page in pages(caller, caller.get("events/", namespace="shop"))] == [0, 1]


def test_both_queries_go_by_the_index_of_the_time(caller: Caller, deliveries: list[str]) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's plans follow what it knows of the rows, and here there are none")
    with CaptureQueriesContext(connection) as queries:
        caller.get("deliveries/", namespace="shop")
    edge, rows = [query["sql"] for query in queries.captured_queries][-2:]
    with connection.cursor() as cursor:
        for sql in (edge, rows):
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(row[3] for row in cursor.fetchall())
            assert "USING INDEX connectors_delivery_created_at" in plan or "USING COVERING INDEX" in plan, (
                plan
            )
    assert "LIMIT 2 OFFSET 2" in edge
    assert '"created_at" >=' in rows


def test_no_row_is_compared_with_another_to_be_told_once(caller: Caller, deliveries: list[str]) -> None:
    with CaptureQueriesContext(connection) as asked:
        caller.get("deliveries/", status=["pending", "failed"])
        caller.get("events/", status=["firing", "resolved"])
    assert not [each["sql"] for each in asked if "DISTINCT" in each["sql"]]
