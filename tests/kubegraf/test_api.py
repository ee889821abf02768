"""Who may do what, over every address that the API has, and what it says to those who may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from connectors.models import Connector, Delivery
from connectors.outbox import Order, delivery_for
from kubegraf import tokens
from tests.calling import API, Caller
from tests.making import make_cluster, make_connector, make_event, make_message, make_subscription

pytestmark = pytest.mark.django_db

# What each method of each address takes: a right, or "signed in". It is the whole table: an address
# that is not in it fails the test below.
TABLE: dict[tuple[str, str], str] = {
    ("GET", ""): "signed in",
    ("GET", "connectors/"): "connectors.view_connector",
    ("POST", "connectors/"): "connectors.add_connector",
    ("POST", "connectors/import/"): "connectors.add_connector",
    ("GET", "connectors/export/"): "connectors.view_connector",
    ("POST", "connectors/preview/"): "connectors.add_connector",
    ("GET", "connectors/{connector}/"): "connectors.view_connector",
    ("PUT", "connectors/{connector}/"): "connectors.change_connector",
    ("PATCH", "connectors/{connector}/"): "connectors.change_connector",
    ("DELETE", "connectors/{connector}/"): "connectors.delete_connector",
    ("POST", "connectors/{connector}/test/"): "connectors.test_connector",
    ("POST", "connectors/{connector}/preview/"): "connectors.view_connector",
    ("POST", "connectors/{connector}/resume/"): "connectors.test_connector",
    ("POST", "connectors/{connector}/redeliver/"): "connectors.change_delivery",
    ("GET", "connectors/{connector}/export/"): "connectors.view_connector",
    ("POST", "connectors/{connector}/clone/"): "connectors.add_connector",
    ("GET", "subscriptions/"): "events.view_subscription",
    ("POST", "subscriptions/"): "events.add_subscription",
    ("GET", "subscriptions/{subscription}/"): "events.view_subscription",
    ("PUT", "subscriptions/{subscription}/"): "events.change_subscription",
    ("PATCH", "subscriptions/{subscription}/"): "events.change_subscription",
    ("DELETE", "subscriptions/{subscription}/"): "events.delete_subscription",
    ("GET", "subscriptions/{subscription}/backtest/"): "events.view_subscription",
    ("POST", "subscriptions/backtest/"): "events.view_subscription",
    ("GET", "events/"): "events.view_event",
    ("POST", "events/"): "events.add_event",
    ("GET", "events/{event}/"): "events.view_event",
    ("GET", "deliveries/"): "connectors.view_delivery",
    ("GET", "deliveries/{delivery}/"): "connectors.view_delivery",
    ("POST", "deliveries/{delivery}/redeliver/"): "connectors.change_delivery",
    ("POST", "deliveries/{delivery}/cancel/"): "connectors.change_delivery",
    ("GET", "deliveries/export/"): "connectors.view_delivery",
    ("GET", "clusters/"): "events.view_cluster",
    ("POST", "clusters/"): "events.add_cluster",
    ("GET", "clusters/{cluster}/"): "events.view_cluster",
    ("PUT", "clusters/{cluster}/"): "events.change_cluster",
    ("PATCH", "clusters/{cluster}/"): "events.change_cluster",
    ("DELETE", "clusters/{cluster}/"): "events.delete_cluster",
    ("POST", "clusters/{cluster}/check/"): "events.change_cluster",
    ("POST", "clusters/check/"): "events.add_cluster",
    ("GET", "overview/"): "signed in",
    ("GET", "event-types/"): "signed in",
    ("GET", "event-types/hpa_maxed/"): "signed in",
    ("GET", "providers/"): "signed in",
    ("GET", "providers/webhook/"): "signed in",
    ("GET", "tokens/"): "signed in",
    ("POST", "tokens/"): "signed in",
    ("GET", "tokens/{token}/"): "signed in",  # one's own
    ("DELETE", "tokens/{token}/"): "signed in",
    ("GET", "history/"): "connectors.view_historicalconnector",
    ("GET", "/api/schema/"): "signed in",
}
TAKES_MORE = {
    "connectors/{connector}/redeliver/": "change_delivery",
    "connectors/{connector}/clone/": "events.add_subscription",
    "connectors/{connector}/export/": "events.view_subscription",
    "connectors/export/": "events.view_subscription",
    "connectors/import/": "delete_subscription",
    "subscriptions/backtest/": "view_event",
    "subscriptions/{subscription}/backtest/": "view_event",
}
"""Of the addresses that take further rights, one that is missing."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def things() -> dict[str, Any]:
    """One row of each kind, by the names in the table."""
    connector = make_connector(url="env:KUBEGRAF_SECRET_NOT_SET_ANYWHERE")
    delivery = delivery_for(Order(connector, make_message(), "test"))
    delivery.save(force_insert=True)
    event = make_event()
    event.save()
    return {
        "connector": connector.pk,
        "subscription": make_subscription(connector, "hpa_maxed").pk,
        "event": event.pk,
        "delivery": delivery.pk,
        "cluster": make_cluster().pk,
        "token": tokens.issue(User.objects.create_user("owner"), "theirs")[0].pk,
    }


def counts() -> tuple[int, ...]:
    """How many rows there are that a call could make or take away."""
    return tuple(model.objects.count() for model in (Connector, Delivery))


def addresses(resolver: URLResolver, prefix: str = "") -> list[tuple[str, Any]]:
    """Every address of the API, with its view."""
    found = []
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern).lstrip("^").rstrip("$").replace("\\Z", "")
        if isinstance(entry, URLPattern):
            found.append((path, entry.callback))
        else:
            found += addresses(entry, path)
    # The page of the description is for browsers (test_api_docs).
    return [(path, view) for path, view in found if path.startswith("api/") and path != "api/docs/"]


def test_the_table_has_every_method_of_every_address() -> None:
    known = {view for _, view in addresses(get_resolver())}
    reached = set()
    for method, path in TABLE:
        match = get_resolver().resolve(
            (path if path.startswith("/") else API + path).format(
                connector=1,
                subscription=1,
                cluster=1,
                token=1,
                event="0" * 32,
                delivery="0" * 32,
            )
        )
        reached.add((match.func, method))
    served = {
        (view, method.upper())
        for view in known
        for method in getattr(view, "actions", None) or {"get": "get"}
        if method.upper() in METHODS
    }
    assert served == reached


@pytest.mark.parametrize(("method", "path"), TABLE)
def test_nothing_is_told_or_done_without_signing_in(things: dict[str, Any], method: str, path: str) -> None:
    path = path.format(**things)
    before = counts()
    answer = Client().generic(method, path if path.startswith("/") else API + path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert counts() == before


@pytest.mark.parametrize(("method", "path"), [key for key, right in TABLE.items() if right != "signed in"])
def test_nothing_is_told_or_done_without_the_right(things: dict[str, Any], method: str, path: str) -> None:
    right = TABLE[method, path].split(".")[1]
    others = {value.split(".")[1] for value in TABLE.values() if "." in value} - {right}
    before = counts()
    assert Caller(*others).call(method, path.format(**things), {}).status_code == 403
    assert counts() == before


@pytest.mark.parametrize(("method", "path"), TABLE)
def test_the_right_in_the_table_is_enough_to_be_heard(things: dict[str, Any], method: str, path: str) -> None:
    right = TABLE[method, path].partition(".")[2]
    body = None if method == "GET" else {}
    answer = Caller(*filter(None, [right])).call(method, path.format(**things), body)
    if path in TAKES_MORE:
        assert TAKES_MORE[path] in answer.content.decode()  # it takes several, and says which
    elif path == "tokens/{token}/":
        assert answer.status_code == 404  # somebody else's
    else:
        assert answer.status_code not in (401, 403, 404, 405, 500), answer.content


def test_a_token_of_someone_who_is_no_longer_active_is_refused() -> None:
    caller = Caller(everything=True)
    User.objects.update(is_active=False)
    assert caller.call("GET", "connectors/").status_code == 401


def test_a_session_takes_a_csrf_token_to_write() -> None:
    user = User.objects.create_superuser("admin")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    body = json.dumps({"name": "production", "access": "in_cluster"})
    assert client.get(f"{API}clusters/").status_code == 200
    refused = client.post(f"{API}clusters/", body, content_type="application/json")
    assert (refused.status_code, "CSRF" in refused.text) == (403, True)


@pytest.mark.parametrize("path", ["connectors/{connector}/test/", "connectors/{connector}/resume/"])
def test_nothing_is_done_by_following_a_link(things: dict[str, Any], path: str) -> None:
    before = counts()
    assert Caller(everything=True).call("GET", path.format(**things)).status_code == 405
    assert counts() == before


def test_only_json_is_taken() -> None:
    caller = Caller(everything=True)
    headers = {"Authorization": f"Token {caller.token}"}
    answer = caller.client.post(f"{API}clusters/", {"name": "production"}, headers=headers)
    assert answer.status_code == 415


def test_the_overview_lists_every_collection() -> None:
    assert set(Caller().get("")) == {
        "connectors",
        "subscriptions",
        "events",
        "deliveries",
        "clusters",
        "event-types",
        "overview",
        "providers",
        "tokens",
        "history",
    }
