"""Pages of a collection: every row once, in order, at the cost of the page alone."""

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
def caller() -> Caller:
    """Someone who may do everything."""
    return Caller(everything=True)


@pytest.fixture
def deliveries() -> list[str]:
    """Seven deliveries, four of them of the same moment; their ids, newest first."""
    connector = make_connector()
    now = timezone.now()
    rows = []
    for number in range(7):
        row = delivery_for(Order(connector, make_message(), "test"))
        row.created_at = now - timedelta(seconds=max(0, number - 3))
        row.save(force_insert=True)
        rows.append(row)
    rows.sort(key=lambda row: (row.created_at, row.pk.int), reverse=True)
    return [str(row.pk) for row in rows]


def ids(page: Any) -> list[str]:
    """The rows of a page."""
    return [str(row["id"]) for row in page["results"]]


def test_pages_hold_every_row_once_and_in_order(caller: Caller, deliveries: list[str]) -> None:
    page, found = caller.get("deliveries/", limit=2), []
    while True:
        found.append(ids(page))
        if page["next"] is None:
            break
        page = caller.get(page["next"].removeprefix("http://testserver"))
    assert found == [deliveries[0:2], deliveries[2:4], deliveries[4:6], deliveries[6:]]


def test_the_same_way_leads_back(caller: Caller, deliveries: list[str]) -> None:
    def follow(link: str) -> Any:
        return caller.get(link.removeprefix("http://testserver"))

    first = caller.get("deliveries/", limit=3)
    assert first["previous"] is None
    second = follow(first["next"])
    third = follow(second["next"])
    assert (ids(third), third["next"]) == (deliveries[6:], None)
    back = follow(third["previous"])
    assert ids(back) == ids(second)
    start = follow(back["previous"])
    assert (ids(start), start["previous"]) == (ids(first), None)
    assert ids(follow(start["next"])) == ids(second)


def test_rows_that_come_meanwhile_move_nothing(caller: Caller, deliveries: list[str]) -> None:
    first = caller.get("deliveries/", limit=3)
    delivery_for(Order(make_connector("other"), make_message(), "test")).save(force_insert=True)
    Delivery.objects.filter(pk=deliveries[0]).delete()
    second = caller.get(first["next"].removeprefix("http://testserver"))
    assert ids(second) == deliveries[3:6]


def test_filters_stay_in_the_links(caller: Caller, deliveries: list[str]) -> None:
    Delivery.objects.filter(pk__in=deliveries[:3]).update(status="failed")
    first = caller.get("deliveries/", limit=2, status="failed")
    second = caller.get(first["next"].removeprefix("http://testserver"))
    assert (ids(first), ids(second), second["next"]) == (deliveries[:2], deliveries[2:3], None)


def test_what_is_ordered_by_name_is_paged_by_name(caller: Caller) -> None:
    for name in ("b", "a", "ä", "c"):
        make_connector(name)
    page, found = caller.get("connectors/", limit=1), []
    while page:
        found += [row["name"] for row in page["results"]]
        page = page["next"] and caller.get(page["next"].removeprefix("http://testserver"))
    assert sorted(found) == ["a", "b", "c", "ä"]
    assert found == [row["name"] for row in caller.get("connectors/")["results"]]


@pytest.mark.parametrize("cursor", ["x", "WzFd", "a:b:c", "%00", "€"])
def test_a_cursor_that_is_none_leads_nowhere(caller: Caller, cursor: str) -> None:
    answer = caller.call("GET", f"events/?cursor={cursor}")
    assert (answer.status_code, "There is no such page" in answer.text) == (404, True)


def test_a_cursor_of_another_list_leads_nowhere(caller: Caller, deliveries: list[str]) -> None:
    link = caller.get("deliveries/", limit=1)["next"]
    answer = caller.call("GET", "events/?" + link.partition("?")[2])
    assert (answer.status_code, "There is no such page" in answer.text) == (404, True)


def test_nothing_is_counted(caller: Caller, django_assert_num_queries: Any) -> None:
    for number in range(3):
        make_event(fingerprint=f"key-{number}").save()
    with django_assert_num_queries(2) as queries:  # the token and its user, the rows
        page = caller.get("events/", limit=2)
    assert (len(page["results"]), "count" in page) == (2, False)
    assert not any("COUNT" in query["sql"] for query in queries.captured_queries)


@pytest.mark.parametrize("collection", ["events", "deliveries"])
def test_a_page_is_found_by_an_index_and_not_by_sorting_everything(caller: Caller, collection: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's plans follow what it knows of the rows, and here there are none")
    for number in range(3):
        make_event(fingerprint=f"key-{number}").save()
        delivery_for(Order(make_connector(f"hook {number}"), make_message(), "test")).save(force_insert=True)
    first = caller.get(f"{collection}/", limit=1)
    with CaptureQueriesContext(connection) as queries:
        caller.get(first["next"].removeprefix("http://testserver"))
    sql = queries.captured_queries[-1]["sql"]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = " / ".join(row[-1] for row in cursor.fetchall())
    assert "USING INDEX" in plan
    assert "TEMP B-TREE FOR ORDER BY" not in plan
