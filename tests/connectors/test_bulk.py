"""Rows written many at a time are the rows that were meant, on every database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from connectors import bulk
from connectors.ids import uuid7
from connectors.message import Severity
from connectors.models import Connector, Delivery, Tally
from connectors.outbox import Order, delivery_for
from events.models import Event
from tests.making import WHEN, make_connector, make_event, make_message

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[0, bulk.FEW], autouse=True, ids=["many", "few"])
def _as_if(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL a few rows go another way than many: the rows of these tests go both."""
    monkeypatch.setattr(bulk, "FEW", request.param)


ODD = "tab\t newline\n back\\slash 'quotes' \"double\" \\N \\. ☃ {a,b} NULL"


def a_delivery(connector: Connector, **more: object) -> Delivery:
    delivery = delivery_for(Order(connector, make_message(title=ODD, details={"odd": ODD}), "test"))
    for name, value in more.items():
        setattr(delivery, name, value)
    return delivery


def test_a_row_is_read_back_as_it_was_written() -> None:
    written = a_delivery(make_connector(), note=ODD, settled_at=WHEN + timedelta(microseconds=1))

    bulk.insert([written])

    found = Delivery.objects.get()
    assert found.said() == written.said()
    found.message = written.message  # the same but for tuples, which JSON does not know
    for field in Delivery._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(written, field.attname), field.name
    assert written._state.adding is False


def test_nothing_at_all_can_be_written() -> None:
    bulk.insert([])
    bulk.insert_values(Delivery, ("id",), [])


def test_a_row_that_is_there_already_is_refused() -> None:
    delivery = a_delivery(make_connector())
    bulk.insert([delivery])

    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert([delivery])


def test_what_is_too_long_is_refused_and_not_cut_off() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite knows no lengths")

    with pytest.raises(DataError), transaction.atomic():
        bulk.insert([a_delivery(make_connector(), origin="x" * 121)])


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d"])
def test_what_postgresql_cannot_store_is_an_error_of_the_database(text: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite stores anything")

    with pytest.raises(DataError), transaction.atomic():
        bulk.insert([make_event(details={"text": text})])


def test_members_of_enumerations_are_written_as_their_values() -> None:
    event = make_event(severity=Severity.CRITICAL)

    bulk.insert([event])

    assert Event.objects.filter(severity="critical").count() == 1


def test_values_are_written_as_rows_whose_other_columns_have_their_defaults() -> None:
    connector, written = make_connector(), a_delivery(make_connector("other"))
    names = ("id", "connector_id", "origin", "message", "message_id", "key", "priority")
    message = make_message(title=ODD, details={"odd": ODD})
    rows = [(uuid7(), connector.pk, origin, message.encoded(), ODD, "k", 3) for origin in ("%s", "b")]

    bulk.insert_values(Delivery, names, rows)

    first, second = Delivery.objects.order_by("id")
    assert (first.pk, second.pk) == (rows[0][0], rows[1][0])
    assert first.said() == written.said()
    assert (first.connector, first.message_id, first.priority) == (connector, ODD, 3)
    assert (first.status, first.remote, first.settled_at, first.origin) == ("pending", {}, None, "%s")


def test_rows_that_differ_in_odd_characters_are_read_back_as_they_were_written() -> None:
    odd = [ODD, "plain", "carriage\r return", "paragraph\u2029 and\x85 line"]
    events = [make_event(fingerprint=str(n), title=text, details={"it": text}) for n, text in enumerate(odd)]

    bulk.insert(events)

    found = Event.objects.order_by("fingerprint").values_list("title", "details")
    assert list(found) == [(text, {"it": text}) for text in odd]


def test_rows_that_are_all_alike_are_all_written() -> None:
    rows = [("things", "[]", 1)] * 3

    bulk.insert_values(Tally, ("name", "labels", "amount"), rows)

    assert (
        list(Tally.objects.values_list("name", "labels", "amount", "fresh"))
        == [("things", "[]", 1, True)] * 3
    )


def test_true_and_one_in_json_stay_what_they_are() -> None:
    events = [make_event(fingerprint=str(value), details={"it": value}) for value in (True, 1)]

    bulk.insert(events)

    assert [event.details["it"] is True for event in Event.objects.order_by("id")] == [True, False]


def test_half_a_surrogate_pair_in_a_title_is_refused_and_nothing_written() -> None:
    # SQLite's driver does not get as far as asking the database.
    refusal = DataError if connection.vendor == "postgresql" else UnicodeEncodeError
    for events in ([make_event(title="\ud83d")], [make_event(title="\ud83d"), make_event(fingerprint="b")]):
        with pytest.raises(refusal), transaction.atomic():
            bulk.insert(events)
    assert not Event.objects.exists()


def test_an_instance_is_what_the_model_makes_of_the_same() -> None:
    given = {"id": uuid7(), "fingerprint": "a", "cluster_id": 7, "first_seen": WHEN, "last_seen": WHEN}
    made, meant = bulk.instance(Event, **given), Event(**given)

    for field in Event._meta.concrete_fields:
        assert getattr(made, field.attname) == getattr(meant, field.attname), field.name
    assert (made._state.adding, made._state.db) == (True, None)


def test_what_instances_have_by_default_they_do_not_share() -> None:
    first, second = bulk.instance(Event), bulk.instance(Event)

    assert first.pk != second.pk
    assert first.details is not second.details


def test_an_instance_can_be_saved() -> None:
    bulk.instance(Event, fingerprint="a", occurred_at=WHEN).save()

    assert Event.objects.get().occurred_at == WHEN


def test_an_instance_has_no_other_columns_than_its_model() -> None:
    with pytest.raises(TypeError, match="Event has no cluster, colour"):
        bulk.instance(Event, cluster=None, colour="red")
