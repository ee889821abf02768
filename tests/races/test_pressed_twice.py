"""Buttons that are pressed twice in one moment, or on what is just being deleted."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connectors import outbox
from connectors.console import connector_admin
from connectors.models import Connector, Delivery
from connectors.outbox import Order, enqueue
from events import silencing
from events.files import cloning
from events.models import Event, Silence
from events.record import Batch, write
from kubegraf import tokens
from kubegraf.models import ApiToken
from tests.calling import Caller
from tests.making import make_connector, make_event, make_message
from tests.races.at_once import interrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_are_locked")]


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("alice"))
    return client


def test_silence_makes_one_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Batch(new=[make_event()]))
    caller, said = Caller(everything=True), {"duration": "2h", "reason": "It is known"}

    def press() -> Any:
        return caller.post(f"events/{Event.objects.get().pk}/silence/", said)["id"]

    again = interrupt(monkeypatch, silencing, "of_kind", press)

    assert press() == again()
    assert Silence.objects.count() == 1


def test_copy_makes_a_copy_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    connector, caller = make_connector(), Caller(everything=True)

    def press() -> Any:
        return caller.post(f"connectors/{connector.pk}/clone/")["name"]

    again = interrupt(monkeypatch, cloning.Connector, "save", press)

    assert {press(), again()} == {"hook (copy)", "hook (copy 2)"}


def test_redeliver_sends_once_and_says_why_not_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    enqueue([Order(make_connector(), make_message(), "test")])
    Delivery.objects.update(status="failed")
    caller = Caller(everything=True)

    def press() -> Any:
        answer = caller.call("POST", f"deliveries/{Delivery.objects.get().pk}/redeliver/", {})
        return answer.status_code, answer.json().get("detail")

    again = interrupt(monkeypatch, outbox.transaction, "on_commit", press)

    assert press() == (200, None)
    assert again() == (409, "It is still on its way (pending).")


def test_disable_of_a_connector_that_is_just_deleted_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, console: Client
) -> None:
    connector, may = make_connector(), connector_admin.ConnectorAdmin.has_change_permission

    def deleted_before_it_is_done(*asked: Any) -> bool:
        Connector.objects.all().delete()
        return may(*asked)

    monkeypatch.setattr(connector_admin.ConnectorAdmin, "has_change_permission", deleted_before_it_is_done)
    page = console.post(f"/admin/connectors/connector/{connector.pk}/disable/")

    assert page.status_code == 302
    assert not Connector.objects.exists()


def test_a_token_that_goes_with_its_owner_can_be_revoked_meanwhile() -> None:
    caller = Caller()
    token = ApiToken.objects.get()
    caller.user.delete()

    tokens.revoke(token)

    assert not ApiToken.objects.exists()
