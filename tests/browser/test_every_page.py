"""Every page there is, one by one as the admin's addresses have them, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from playwright.sync_api import Page

from connectors.models import Delivery
from connectors.outbox import Order, delivery_for
from kubegraf import tokens
from tests.browser.looking import NARROW, WIDE, barriers, dangling, overflow, sideways
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

ALONE = ["admin:index", "admin:password_change", "admin:password_change_done", "history"]
ALONE += ["admin:connectors_connector_import"]


def one_of_each(person: User) -> list[Model]:
    """A row for every kind of page."""
    event = make_event(cluster=make_cluster())
    event.save()
    connector = make_connector()
    delivery = delivery_for(Order(connector, make_message(id=str(event.pk)), "test"))
    delivery.status = "failed"
    delivery.save(force_insert=True)
    token, _ = tokens.issue(person, "CI", "read")
    rows = [event, event.cluster, connector, make_subscription(connector), make_silence(), delivery, token]
    return [row for row in [*rows, person, Group.objects.earliest("pk")] if row is not None]


def addresses(rows: list[Model]) -> Iterator[str]:
    """Where every registered page is found, those included that some refuse."""
    yield from map(reverse, ALONE)
    known = {type(row): row for row in rows}
    for model in admin.site._registry:
        row = known.get(Delivery) if issubclass(model, Delivery) else known[model]
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for page in ("changelist", "add"):
            yield reverse(f"{name}_{page}")
        for page in ("change", "history", "delete", "password_change"):
            try:
                yield reverse(f"{name}_{page}", args=(row.pk if row else None,))
            except NoReverseMatch:  # only people have a password
                continue


def test_every_page_there_is_fits_and_has_no_barriers(page: Page, admin: User) -> None:
    wrong, seen = [], 0
    for address in addresses(one_of_each(admin)):
        page.set_viewport_size(WIDE)
        # Asked first, for what is refused is logged by the browser as an error.
        if page.request.get(address, max_redirects=0).status != 200:
            continue
        page.goto(address)
        seen += 1
        wrong += [f"{address}: {one}" for one in [*barriers(page), *dangling(page)]]
        headings = page.get_by_role("heading", level=1).all_inner_texts()
        wrong += (
            [f"{address}: its first heading is {headings}"] if len(headings) != 1 or not headings[0] else []
        )
        page.set_viewport_size(NARROW)
        wrong += [f"{address}: {overflow(page)} px too wide"] if overflow(page) else []
        wrong += [f"{address}: {one}" for one in sideways(page)]
    assert wrong == []
    assert seen > 35
