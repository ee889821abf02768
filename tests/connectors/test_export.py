"""Deliveries as CSV."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from connectors import export
from connectors.models import Connector, Delivery
from connectors.outbox import Order, delivery_for
from tests.calling import API, Caller, mistakes
from tests.making import WHEN, make_connector, make_message

pytestmark = pytest.mark.django_db

EXPORT = reverse("admin:connectors_delivery_export")


def put(connector: Connector, number: int = 0, **said: Any) -> Delivery:
    delivery = delivery_for(Order(connector, make_message(**said), "subscription:1"))
    delivery.created_at = WHEN + timedelta(minutes=number)
    delivery.save(force_insert=True)
    return delivery


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def answered(answer: Any) -> list[dict[str, str]]:
    """What a browser would save."""
    assert isinstance(answer, StreamingHttpResponse)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="deliveries-')
    return rows(answer.getvalue().decode())


def test_a_line_says_what_was_sent_and_how_it_went() -> None:
    delivery = put(make_connector())
    Delivery.objects.update(status="failed", reason="timeout", note="No answer.", settled_at=WHEN)

    (row,) = rows("".join(export.lines(Delivery.objects.all())))

    assert list(row) == list(export.COLUMNS)
    assert (row["id"], row["connector"], row["type"]) == (str(delivery.pk), "hook", "webhook")
    assert (row["status"], row["reason"], row["note"]) == ("failed", "timeout", "No answer.")
    assert (row["title"], row["severity"]) == ("Pod my-app-123 in crash loop", "critical")
    assert (row["created_at"], row["sent_in"]) == ("2025-01-15T10:30:00Z", "")


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_a_cell_that_a_spreadsheet_would_calculate_is_made_text(beginning: str) -> None:
    put(make_connector(), title=f"{beginning}HYPERLINK(1)")

    (row,) = rows("".join(export.lines(Delivery.objects.all())))

    assert row["title"].startswith("'")


def test_a_name_of_a_connector_is_no_formula_either() -> None:
    put(make_connector("=cmd()"))

    (row,) = rows("".join(export.lines(Delivery.objects.all())))

    assert row["connector"] == "'=cmd()"


def test_many_are_read_in_batches_the_latest_first(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr("connectors.export._BATCH", 2)
    connector = make_connector()
    for number in (0, 1, 1, 1, 2):
        put(connector, number)

    with django_assert_num_queries(3):
        found = rows("".join(export.lines(Delivery.objects.all())))

    latest_first = Delivery.objects.order_by("-created_at", "-pk")
    assert [row["id"] for row in found] == [str(delivery.pk) for delivery in latest_first]


def test_a_file_ends_somewhere() -> None:
    connector = make_connector()
    for number in range(5):
        put(connector, number)

    assert len(rows("".join(export.lines(Delivery.objects.all(), at_most=3)))) == 3


# --- In the admin ---------------------------------------------------------------------------------------


def test_what_is_listed_is_exported(admin_client: Client) -> None:
    put(make_connector("a"))
    wanted = put(make_connector("b"))

    found = answered(admin_client.get(EXPORT, {"connector__id__exact": wanted.connector_id}))

    assert [row["id"] for row in found] == [str(wanted.pk)]


def test_what_is_selected_is_exported(admin_client: Client) -> None:
    connector = make_connector()
    put(connector)
    wanted = put(connector)
    posted = {"action": "export_selected", "_selected_action": [str(wanted.pk)]}

    found = answered(admin_client.post(reverse("admin:connectors_delivery_changelist"), posted))

    assert [row["id"] for row in found] == [str(wanted.pk)]


def test_dead_letters_are_exported_alone(admin_client: Client) -> None:
    connector = make_connector()
    put(connector)
    dead = put(connector)
    Delivery.objects.filter(pk=dead.pk).update(status="failed")

    found = answered(admin_client.get(reverse("admin:connectors_deadletter_export")))

    assert [row["id"] for row in found] == [str(dead.pk)]


@pytest.mark.parametrize(("right", "status"), [("view_delivery", 200), ("view_connector", 403)])
def test_the_file_takes_the_right_to_view(client: Client, right: str, status: int) -> None:
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename=right))
    client.force_login(user)

    assert client.get(EXPORT).status_code == status


# --- Over the API ---------------------------------------------------------------------------------------


def test_the_api_exports_what_its_filters_leave() -> None:
    caller = Caller("view_delivery")
    connector = make_connector()
    put(connector)
    wanted = put(connector, id="event-2")
    headers = {"Authorization": f"Token {caller.token}", "Accept": "text/csv"}

    answer = caller.client.get(f"{API}deliveries/export/", {"event": "event-2"}, headers=headers)

    assert [row["id"] for row in answered(answer)] == [str(wanted.pk)]


def test_the_api_refuses_a_filter_there_is_not() -> None:
    answer = Caller("view_delivery").call("GET", "deliveries/export/?sttus=failed")

    assert answer.status_code == 400
    assert "sttus" in answer.text


@pytest.mark.parametrize("name", ["limit", "cursor"])
def test_a_file_has_no_pages(name: str) -> None:
    answer = Caller(everything=True).call("GET", f"deliveries/export/?{name}=1")
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, [name])
