"""Rows on a bad night: secrets under another key, a type that is there no more, what was deleted, odd JSON.

No page and no call ends in an error of ours for them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from connectors.models import Connector, Delivery
from connectors.outbox import Order, delivery_for
from events.models import Event
from tests.calling import Caller
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

pytestmark = pytest.mark.django_db

LISTS = (
    "connectors_connector",
    "connectors_delivery",
    "connectors_deadletter",
    "events_event",
    "events_silence",
    "events_cluster",
    "events_subscription",
    "kubegraf_apitoken",
    "auth_user",
    "auth_group",
)
COLLECTIONS = (
    "connectors",
    "subscriptions",
    "events",
    "silences",
    "deliveries",
    "clusters",
    "overview",
    "history",
    "connectors/export",
    "deliveries/export",
)


@pytest.fixture
def night() -> tuple[Connector, Delivery, Event]:
    """A connector with all that belongs to one."""
    connector = make_connector(url="env:KUBEGRAF_SECRET_NOT_SET_ANYWHERE")
    subscription = make_subscription(connector)
    event = make_event(cluster=make_cluster())
    event.save()
    delivery = delivery_for(
        Order(connector, make_message(id=str(event.pk)), f"subscription:{subscription.pk}")
    )
    delivery.status = "failed"
    delivery.save(force_insert=True)
    make_silence(namespaces=["default"])
    return connector, delivery, event


def all_is_answered(connector: Connector | None, delivery: Delivery, event: Event) -> None:
    """Every page and every call that shows them, and those that do something with the connector."""
    client, caller = Client(), Caller(everything=True)
    client.force_login(User.objects.create_superuser("root"))
    addresses = [reverse("admin:index"), reverse("history")]
    addresses += [reverse(f"admin:{name}_changelist") for name in LISTS]
    addresses += [
        reverse("admin:connectors_delivery_change", args=(delivery.pk,)),
        reverse("admin:events_event_change", args=(event.pk,)),
        reverse("admin:connectors_connector_export"),
    ]
    calls = [("GET", f"{name}/") for name in COLLECTIONS]
    calls += [
        ("GET", f"deliveries/{delivery.pk}/"),
        ("GET", f"events/{event.pk}/"),
        ("GET", f"events/{event.pk}/why/"),
    ]
    posts = [("connectors_delivery", "redeliver", delivery.pk), ("events_event", "acknowledge", event.pk)]
    if connector is not None:
        addresses += [
            reverse(f"admin:connectors_connector_{name}", args=(connector.pk,))
            for name in ("change", "history", "delete")
        ]
        posts += [
            ("connectors_connector", name, connector.pk)
            for name in ("preview", "test", "resume", "disable", "enable", "clone")
        ]
        calls += [("GET", f"connectors/{connector.pk}/"), ("GET", f"connectors/{connector.pk}/export/")]
        calls += [
            ("POST", f"connectors/{connector.pk}/{name}/") for name in ("preview", "test", "resume", "clone")
        ]
        calls += [("PATCH", f"connectors/{connector.pk}/")]
    for address in addresses:
        assert client.get(address).status_code == 200, address
    for kind, name, pk in posts:
        answer = client.post(reverse(f"admin:{kind}_{name}", args=(pk,)), {})
        assert answer.status_code < 500, (kind, name)
    for method, path in calls:
        assert caller.call(method, path, {} if method != "GET" else None).status_code < 500, path


def test_all_is_answered_when_nothing_is_wrong(night: Any) -> None:
    all_is_answered(*night)


def test_a_connector_whose_secrets_are_under_another_key(night: Any, settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    all_is_answered(*night)


def test_a_connector_whose_type_is_there_no_more(night: Any) -> None:
    Connector.objects.update(provider="carrier_pigeon")
    Delivery.objects.update(provider="carrier_pigeon")
    all_is_answered(*night)


def test_what_was_deleted_is_still_on_record(night: Any) -> None:
    connector, delivery, event = night
    connector.delete()
    event.cluster.delete()
    all_is_answered(None, delivery, event)


@pytest.mark.parametrize("odd", [[], {}, "text", 7, None, {"title": {"a": 1}, "status": []}])
def test_messages_and_details_that_are_none(night: Any, odd: object) -> None:
    connector, delivery, event = night
    Delivery.objects.update(message=odd if odd is not None else {})
    Event.objects.update(details=odd if isinstance(odd, dict) else {}, recommendations=[])
    Connector.objects.update(options=odd if isinstance(odd, dict) else {})
    all_is_answered(connector, delivery, event)


def test_nothing_at_all() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    for name in LISTS:
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200, name
    assert json.loads(Caller(everything=True).call("GET", "overview/").content)["dead_letters"] == 0
