"""Who may do what, over every address of API and console, held against what is meant (`rights`)."""

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
from tests.calling import API, Caller
from tests.kubegraf.addresses import addresses
from tests.kubegraf.rights import (
    ANYBODY,
    BY_FIELD,
    BY_GET_ALONE,
    BY_POST_ALONE,
    ELSEWHERE,
    OPEN,
    ROLES,
    THE_API,
    THE_CONSOLE,
)
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

# Who may do what is asked of the ORM alone, and is the same on every database.
pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

UUIDS = ("event", "delivery", "deadletter")
NUMBERED = ("connector", "subscription", "silence", "cluster", "apitoken", "user", "group")
RIGHTS = {right for _, *needed in THE_API.values() for clause in needed for right in clause.split(" or ")}


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
        "group": Group.objects.create(name="Visitors"),
        "apitoken": tokens.issue(somebody, "theirs")[0],
    }
    return {name: str(row.pk) for name, row in rows.items()}


def record() -> dict[str, list[Any]]:
    """Everything that a call could make, change or take away."""
    beside = {"session", "logentry", "permission", "contenttype"}
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.model_name not in beside
    }


def address(path: str, things: dict[str, str]) -> str:
    """A path of the tables with the ids of these things."""
    filled = path.format(**things)
    return filled if filled.startswith("/") else API + filled


def ask(client: Client, method: str, path: str) -> Any:
    """The answer to a request with an empty object for a body, where it has one."""
    body = "" if method in ("GET", "DELETE") else json.dumps({})
    return client.generic(method, path, body, content_type="application/json")


def refused(answer: HttpResponse, *, console: bool = False) -> bool:
    """Whether the answer tells nothing: 401, 403, that there is no such row, or the way to signing in."""
    if answer.status_code in (401, 403):
        return True
    if console:
        to = answer.headers.get("Location", "")
        return answer.status_code == 302 and (to.startswith("/admin/login/") or to == "/admin/")
    return answer.status_code == 404


def test_the_tables_have_every_address() -> None:
    ids = {**dict.fromkeys(NUMBERED, "1"), **dict.fromkeys(UUIDS, "0" * 32)}
    reached = {(resolve(address(path, ids)).func, method) for method, path in THE_API}
    served, named = set(), set()
    for path, name, view in addresses():
        if path in ELSEWHERE or name == "admin:None":
            continue
        if path.startswith("api/"):
            methods = getattr(view, "actions", None) or {"get": "get"}
            served |= {(view, method.upper()) for method in methods if method != "head"}
        else:
            assert path.startswith("admin/"), f"{path} is in no table"
            named.add(name)
    assert served == reached
    assert named == {*THE_CONSOLE, *OPEN, *BY_FIELD}


# --- The API ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), THE_API)
def test_nothing_is_told_or_done_without_signing_in(things: dict[str, str], method: str, path: str) -> None:
    before = record()
    answer = ask(Client(), method, address(path, things))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Token")
    assert record() == before


@pytest.mark.parametrize(
    ("method", "path", "clause"),
    [(*call, clause) for call, (_, *needed) in THE_API.items() for clause in needed],
)
def test_nothing_is_told_or_done_without_the_right(
    things: dict[str, str], method: str, path: str, clause: str
) -> None:
    others = {right.partition(".")[2] for right in RIGHTS - set(clause.split(" or "))}
    caller = Caller(*others)
    before = record()
    assert refused(caller.call(method, address(path, things), {}))
    assert record() == before


@pytest.mark.parametrize(("method", "path"), THE_API)
def test_the_rights_in_the_table_are_enough_to_be_heard(
    things: dict[str, str], method: str, path: str
) -> None:
    _, *needed = THE_API[method, path]
    caller = Caller(*(clause.split(" or ")[0].partition(".")[2] for clause in needed))
    answer = caller.call(method, address(path, things), None if method == "GET" else {})
    assert not refused(answer), answer.text
    assert answer.status_code < 500
    assert answer.status_code != 405


@pytest.mark.parametrize(("method", "path"), THE_API)
def test_a_role_gives_the_rights_that_the_table_says_and_a_lesser_one_does_not(
    method: str, path: str
) -> None:
    least, *needed = THE_API[method, path]
    able = [
        name.lower()
        for name, role in roles.ROLES.items()
        if all(role.permissions & set(clause.split(" or ")) for clause in needed)
    ]
    assert able == [role for role in ROLES if ROLES.index(least) <= ROLES.index(role) < len(ROLES) - 1]


# --- The console -----------------------------------------------------------------------------------------


def signed_in(role: str) -> Client:
    """A browser of somebody with that role."""
    client = Client()
    if role != ANYBODY:
        user = User.objects.create_user(role)
        roles.give(user, Group.objects.filter(name__iexact=role))
        client.force_login(user)
    return client


@pytest.mark.parametrize("name", THE_CONSOLE)
def test_in_the_console_a_role_may_what_the_table_says_and_nothing_else(
    things: dict[str, str], name: str
) -> None:
    where = address_of(name, things)
    browsers = [signed_in(role) for role in ROLES[:4]]
    for method, least in zip(("GET", "POST"), THE_CONSOLE[name], strict=True):
        if least in (BY_POST_ALONE, BY_GET_ALONE):
            assert [browser.generic(method, where).status_code for browser in browsers] == [
                302,
                405,
                405,
                405,
            ]
            continue
        needed = ROLES.index(least)
        for place, client in enumerate(browsers):
            before = record()
            answer = client.generic(method, where)
            assert answer.status_code < 500
            assert refused(answer, console=True) is (place < needed), (method, ROLES[place], answer)
            if place < needed or method == "GET":
                assert record() == before


def address_of(name: str, things: dict[str, str]) -> str:
    """The address of a view, of the row of its kind where it is about one."""
    kind = name.split("_")[1] if name.count("_") > 1 else ""
    for args in ([], [things.get(kind, "")], ["webhook"], ["connectors"], ["1", "1"]):
        try:
            return reverse(name, args=args)
        except NoReverseMatch:
            continue
    raise AssertionError(name)
