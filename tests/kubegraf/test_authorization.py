"""Who may do what: anonymous, viewer, operator, admin, over every address of API and console.

The tables are the whole truth: an address that the product answers to and that is in none of them fails the
first test. Each entry says the least role that may; whoever has less is refused, and nothing happens.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, resolve, reverse

from connectors.outbox import Order, delivery_for
from kubegraf import roles, tokens
from tests.calling import API
from tests.kubegraf.addresses import addresses
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "viewer", "operator", "admin", "nobody")
ANYBODY, VIEWER, OPERATOR, ADMIN, NOBODY = ROLES
"""From the least to the most. `nobody`: not even an admin, only a superuser or no one at all."""
BY_POST_ALONE = "by POST alone"

# --- The API: each method of each address ----------------------------------------------------------------

THE_API: dict[tuple[str, str], str] = {
    ("GET", ""): VIEWER,
    ("GET", "connectors/"): VIEWER,
    ("POST", "connectors/"): ADMIN,
    ("POST", "connectors/import/"): ADMIN,
    ("GET", "connectors/export/"): VIEWER,
    ("POST", "connectors/preview/"): ADMIN,
    ("GET", "connectors/{connector}/"): VIEWER,
    ("PUT", "connectors/{connector}/"): ADMIN,
    ("PATCH", "connectors/{connector}/"): ADMIN,
    ("DELETE", "connectors/{connector}/"): ADMIN,
    ("POST", "connectors/{connector}/test/"): OPERATOR,
    ("POST", "connectors/{connector}/preview/"): VIEWER,
    ("POST", "connectors/{connector}/resume/"): OPERATOR,
    ("POST", "connectors/{connector}/redeliver/"): OPERATOR,
    ("GET", "connectors/{connector}/export/"): VIEWER,
    ("POST", "connectors/{connector}/clone/"): ADMIN,
    ("GET", "subscriptions/"): VIEWER,
    ("POST", "subscriptions/"): ADMIN,
    ("GET", "subscriptions/{subscription}/"): VIEWER,
    ("PUT", "subscriptions/{subscription}/"): ADMIN,
    ("PATCH", "subscriptions/{subscription}/"): ADMIN,
    ("DELETE", "subscriptions/{subscription}/"): ADMIN,
    ("GET", "subscriptions/{subscription}/backtest/"): VIEWER,
    ("POST", "subscriptions/backtest/"): VIEWER,
    ("GET", "events/"): VIEWER,
    ("POST", "events/"): ADMIN,
    ("GET", "events/{event}/"): VIEWER,
    ("GET", "events/{event}/why/"): VIEWER,
    ("POST", "events/{event}/acknowledge/"): OPERATOR,
    ("POST", "events/{event}/resolve/"): OPERATOR,
    ("POST", "events/{event}/silence/"): OPERATOR,
    ("GET", "silences/"): VIEWER,
    ("POST", "silences/"): OPERATOR,
    ("GET", "silences/{silence}/"): VIEWER,
    ("PUT", "silences/{silence}/"): OPERATOR,
    ("PATCH", "silences/{silence}/"): OPERATOR,
    ("POST", "silences/{silence}/end/"): OPERATOR,
    ("GET", "deliveries/"): VIEWER,
    ("GET", "deliveries/export/"): VIEWER,
    ("GET", "deliveries/{delivery}/"): VIEWER,
    ("POST", "deliveries/{delivery}/redeliver/"): OPERATOR,
    ("POST", "deliveries/{delivery}/cancel/"): OPERATOR,
    ("GET", "clusters/"): VIEWER,
    ("POST", "clusters/"): ADMIN,
    ("GET", "clusters/{cluster}/"): VIEWER,
    ("PUT", "clusters/{cluster}/"): ADMIN,
    ("PATCH", "clusters/{cluster}/"): ADMIN,
    ("DELETE", "clusters/{cluster}/"): ADMIN,
    ("POST", "clusters/check/"): ADMIN,
    ("POST", "clusters/{cluster}/check/"): ADMIN,
    ("GET", "overview/"): VIEWER,
    ("GET", "event-types/"): VIEWER,
    ("GET", "event-types/hpa_maxed/"): VIEWER,
    ("GET", "providers/"): VIEWER,
    ("GET", "providers/webhook/"): VIEWER,
    ("GET", "tokens/"): VIEWER,
    ("POST", "tokens/"): VIEWER,
    ("GET", "tokens/{token}/"): ADMIN,  # somebody else's
    ("DELETE", "tokens/{token}/"): ADMIN,
    ("GET", "history/"): ADMIN,
    ("GET", "/api/schema/"): VIEWER,
    ("GET", "/api/docs/"): VIEWER,
}

# --- The console: each view by its name, what looking (GET) and sending (POST) takes ------------------------

THE_CONSOLE: dict[str, tuple[str, str]] = {
    "admin:index": (VIEWER, VIEWER),
    "admin:password_change": (VIEWER, VIEWER),
    "admin:password_change_done": (VIEWER, VIEWER),
    "admin:jsi18n": (VIEWER, VIEWER),
    "admin:search": (VIEWER, VIEWER),
    "admin:view_on_site": (VIEWER, VIEWER),
    "admin:app_list": (VIEWER, VIEWER),
    "history": (ADMIN, ADMIN),
    "admin:connectors_connector_changelist": (VIEWER, VIEWER),
    "admin:connectors_connector_add": (ADMIN, ADMIN),
    "admin:connectors_connector_change": (VIEWER, ADMIN),
    "admin:connectors_connector_delete": (ADMIN, ADMIN),
    "admin:connectors_connector_history": (VIEWER, VIEWER),
    "admin:connectors_connector_test": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_connector_resume": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_connector_enable": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_disable": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_preview": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_preview_new": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_clone": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_import": (ADMIN, ADMIN),
    "admin:connectors_connector_export": (VIEWER, VIEWER),
    "admin:connectors_delivery_changelist": (VIEWER, VIEWER),
    "admin:connectors_delivery_add": (NOBODY, NOBODY),
    "admin:connectors_delivery_change": (VIEWER, NOBODY),
    "admin:connectors_delivery_delete": (NOBODY, NOBODY),
    "admin:connectors_delivery_history": (VIEWER, VIEWER),
    "admin:connectors_delivery_redeliver": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_delivery_cancel": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_delivery_export": (VIEWER, VIEWER),
    "admin:connectors_deadletter_changelist": (VIEWER, VIEWER),
    "admin:connectors_deadletter_add": (NOBODY, NOBODY),
    "admin:connectors_deadletter_change": (VIEWER, NOBODY),
    "admin:connectors_deadletter_delete": (NOBODY, NOBODY),
    "admin:connectors_deadletter_history": (VIEWER, VIEWER),
    "admin:connectors_deadletter_redeliver": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_deadletter_export": (VIEWER, VIEWER),
    "admin:events_event_changelist": (VIEWER, VIEWER),
    "admin:events_event_add": (NOBODY, NOBODY),
    "admin:events_event_change": (VIEWER, NOBODY),
    "admin:events_event_delete": (NOBODY, NOBODY),
    "admin:events_event_history": (VIEWER, VIEWER),
    "admin:events_event_acknowledge": (BY_POST_ALONE, OPERATOR),
    "admin:events_event_resolve": (BY_POST_ALONE, OPERATOR),
    "admin:events_event_silence": (BY_POST_ALONE, OPERATOR),
    "admin:events_silence_changelist": (VIEWER, VIEWER),
    "admin:events_silence_add": (OPERATOR, OPERATOR),
    "admin:events_silence_change": (VIEWER, OPERATOR),
    "admin:events_silence_delete": (NOBODY, NOBODY),
    "admin:events_silence_history": (VIEWER, VIEWER),
    "admin:events_silence_end": (BY_POST_ALONE, OPERATOR),
    "admin:events_subscription_changelist": (VIEWER, VIEWER),
    "admin:events_subscription_add": (ADMIN, ADMIN),
    "admin:events_subscription_change": (VIEWER, ADMIN),
    "admin:events_subscription_delete": (ADMIN, ADMIN),
    "admin:events_subscription_history": (VIEWER, VIEWER),
    "admin:events_subscription_backtest": (BY_POST_ALONE, VIEWER),
    "admin:events_subscription_suggestions": (VIEWER, VIEWER),
    "admin:events_cluster_changelist": (VIEWER, VIEWER),
    "admin:events_cluster_add": (ADMIN, ADMIN),
    "admin:events_cluster_change": (VIEWER, ADMIN),
    "admin:events_cluster_delete": (ADMIN, ADMIN),
    "admin:events_cluster_history": (VIEWER, VIEWER),
    "admin:events_cluster_checkup": (BY_POST_ALONE, ADMIN),
    "admin:events_cluster_checkup_draft": (BY_POST_ALONE, ADMIN),
    "admin:auth_user_changelist": (ADMIN, ADMIN),
    "admin:auth_user_add": (ADMIN, ADMIN),
    "admin:auth_user_change": (ADMIN, ADMIN),
    "admin:auth_user_delete": (ADMIN, ADMIN),
    "admin:auth_user_history": (ADMIN, ADMIN),
    "admin:auth_user_password_change": (ADMIN, ADMIN),
    "admin:auth_group_changelist": (ADMIN, ADMIN),
    "admin:auth_group_add": (NOBODY, NOBODY),
    "admin:auth_group_change": (ADMIN, NOBODY),
    "admin:auth_group_delete": (NOBODY, NOBODY),
    "admin:auth_group_history": (ADMIN, ADMIN),
    "admin:kubegraf_apitoken_changelist": (VIEWER, VIEWER),
    "admin:kubegraf_apitoken_add": (VIEWER, VIEWER),
    "admin:kubegraf_apitoken_change": (ADMIN, NOBODY),  # somebody else's
    "admin:kubegraf_apitoken_delete": (NOBODY, NOBODY),
    "admin:kubegraf_apitoken_history": (ADMIN, ADMIN),
    "admin:kubegraf_apitoken_revoke": (BY_POST_ALONE, ADMIN),
}

# Everything else that the product answers to, and what guards it is tested by its own tests.
ELSEWHERE = {"", "metrics"}
OPEN = {"admin:login", "admin:logout"}
BY_FIELD = {"admin:autocomplete"}  # asks whether somebody may see what the field is about


NUMBERED = ("connector", "subscription", "silence", "cluster", "token", "user", "group")


def test_the_tables_have_every_address() -> None:
    reached: set[tuple[Any, str]] = set()
    for method, path in THE_API:
        filled = path.format(**dict.fromkeys(NUMBERED, "1"), event="0" * 32, delivery="0" * 32)
        reached.add((resolve(filled if filled.startswith("/") else API + filled).func, method))
    served, named = set(), set()
    for path, name, view in addresses():
        if path.startswith("api/"):
            methods = getattr(view, "actions", None) or {"get": "get"}
            served |= {(view, method.upper()) for method in methods if method != "head"}
        elif path.startswith("admin/"):
            if name != "admin:None":
                named.add(name)
        else:
            assert path in ELSEWHERE, f"{path} is in no table"
    assert served == reached
    assert named == {*THE_CONSOLE, *OPEN, *BY_FIELD}


@pytest.fixture
def things() -> dict[str, str]:
    """One row of each kind, by the names in the tables."""
    connector = make_connector(url="env:KUBEGRAF_SECRET_NOT_SET_ANYWHERE")
    delivery = delivery_for(Order(connector, make_message(), "test"))
    delivery.status = "failed"
    delivery.save(force_insert=True)
    event = make_event()
    event.save()
    somebody = User.objects.create_user("somebody")
    rows = {
        "connector": connector,
        "subscription": make_subscription(connector, "hpa_maxed"),
        "event": event,
        "delivery": delivery,
        "deadletter": delivery,
        "silence": make_silence(event_types=["hpa_maxed"]),
        "cluster": make_cluster(),
        "user": somebody,
        "group": Group.objects.get(name="Viewer"),
        "apitoken": tokens.issue(somebody, "theirs")[0],
    }
    return {name: str(row.pk) for name, row in rows.items()} | {"token": str(rows["apitoken"].pk)}


def signed_in(role: str) -> Client:
    """A browser of somebody with that role."""
    client = Client()
    if role != ANYBODY:
        user = User.objects.create_user(role)
        roles.give(user, Group.objects.filter(name__iexact=role))
        client.force_login(user)
    return client


def rows() -> list[int]:
    """How many rows there are of everything that a call could make or take away."""
    kept = {"session", "logentry"}
    return [m._base_manager.count() for m in apps.get_models() if m._meta.model_name not in kept]


def refused(answer: HttpResponse, *, console: bool) -> bool:
    """Whether the answer tells nothing: 401, 403, that there is no such row, or the way to signing in."""
    to = answer.headers.get("Location", "")
    if answer.status_code in (401, 403) or to.startswith("/admin/login/"):
        return True
    return to == "/admin/" if console else answer.status_code == 404


@pytest.mark.parametrize(("method", "path"), THE_API)
def test_over_http_a_role_may_what_the_table_says_and_nothing_else(
    things: dict[str, str], method: str, path: str
) -> None:
    address = path.format(**things)
    address = address if address.startswith("/") else API + address
    body = "" if method in ("GET", "DELETE") else json.dumps({})
    needed = ROLES.index(THE_API[method, path])
    browsers = [signed_in(role) for role in ROLES[:4]]
    for place, client in enumerate(browsers):
        before = rows()
        answer = client.generic(method, address, body, content_type="application/json")
        assert answer.status_code < 500
        assert refused(answer, console=False) is (place < needed), (ROLES[place], answer.status_code)
        if place < needed:
            assert rows() == before


@pytest.mark.parametrize("name", THE_CONSOLE)
def test_in_the_console_a_role_may_what_the_table_says_and_nothing_else(
    things: dict[str, str], name: str
) -> None:
    address = address_of(name, things)
    browsers = [signed_in(role) for role in ROLES[:4]]
    for method, least in zip(("GET", "POST"), THE_CONSOLE[name], strict=True):
        if least == BY_POST_ALONE:
            assert [browser.get(address).status_code for browser in browsers] == [302, 405, 405, 405]
            continue
        needed = ROLES.index(least)
        for place, client in enumerate(browsers):
            before = rows()
            answer = client.generic(method, address)
            assert answer.status_code < 500
            assert refused(answer, console=True) is (place < needed), (method, ROLES[place], answer)
            if place < needed or method == "GET":
                assert rows() == before


def address_of(name: str, things: dict[str, str]) -> str:
    """The address of a view, of the row of its kind where it is about one."""
    kind = name.split("_")[1] if name.count("_") > 1 else ""
    for args in ([], [things.get(kind, "")], ["connectors"], ["1", "1"]):
        try:
            return reverse(name, args=args)
        except NoReverseMatch:
            continue
    raise AssertionError(name)
