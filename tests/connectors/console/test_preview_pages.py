"""The live preview, in the console and over the API: who may have it, what it shows, what it never does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.models import Connector, Delivery
from tests.calling import Caller, mistakes
from tests.connectors.console.test_connector_admin import HUSH, URL, make_delivery, page_of, staff
from tests.making import make_connector, make_event

pytestmark = pytest.mark.django_db

NEW = reverse("admin:connectors_connector_preview_new", args=("webhook",))
FORM = {"name": "hook", "config_method": "POST", "config_format": "kubegraf", "digest_after": "20"}
TEMPLATE = '{"alert": "{{title}}", "state": "{{status}}"}'


# --- In the console -------------------------------------------------------------------------------------


def test_a_new_connector_is_shown_as_it_is_entered_and_not_saved(admin_client: Client) -> None:
    html = admin_client.post(NEW, {**FORM, "config_url": URL, "config_body_template": TEMPLATE}).text
    assert "To POST hooks.example.com" in html
    assert "&quot;alert&quot;: &quot;Pod my-app-123 in crash loop&quot;" in html
    assert "whole-address-is-secret" not in html
    assert Connector.objects.count() == Delivery.objects.count() == 0


def test_what_is_missing_is_named_and_the_preview_is_there_all_the_same(admin_client: Client) -> None:
    html = admin_client.post(NEW, {"config_method": "PUT", "config_format": "kubegraf"}).text
    assert "Still to be filled in: Name, URL." in html
    assert "Before it can be saved" not in html
    assert "To PUT an address still to be entered (what is missing is made up here)" in html


def test_what_is_wrong_is_said_in_words(admin_client: Client) -> None:
    html = admin_client.post(NEW, {**FORM, "config_url": "ftp://x", "config_headers": "{"}).text
    assert "Before it can be saved:" in html
    assert "<b>Headers:</b>" in html


def test_the_providers_remarks_are_shown_while_somebody_types(admin_client: Client, settings: Any) -> None:
    settings.ALLOW_HTTP = True
    html = admin_client.post(NEW, {**FORM, "config_url": "http://hooks.example.com/x"}).text
    assert "Always use https" in html


def test_a_connector_on_record_is_shown_with_its_changes_and_without_its_secrets(
    admin_client: Client,
) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    html = admin_client.post(
        page_of(connector, "preview"), {**FORM, "config_method": "PATCH", "sample": "resolved"}
    ).text
    assert "To PATCH the address that is set" in html
    assert "&quot;status&quot;: &quot;resolved&quot;" in html
    assert HUSH not in html
    assert "hooks.example.com" not in html
    assert Connector.objects.get().options == {}


def test_the_last_event_is_a_sample_for_those_who_may_see_events(
    admin_client: Client, client: Client
) -> None:
    connector = make_connector(url=URL)
    make_event(title="Something that really happened").save()
    asked = {**FORM, "sample": "last"}
    assert "Something that really happened" in admin_client.post(page_of(connector, "preview"), asked).text
    editor = staff(client, "view_connector", "change_connector")
    assert "Something that really happened" not in editor.post(page_of(connector, "preview"), asked).text
    assert '<option value="last">' not in editor.get(page_of(connector)).text


def test_without_events_the_last_delivery_is_the_sample(admin_client: Client) -> None:
    connector = make_connector(url=URL)
    make_delivery(connector, origin="test", message={"title": "only a test", "test": True})
    delivery = make_delivery(connector)
    Delivery.objects.filter(pk=delivery.pk).update(created_at=timezone.now() - timedelta(hours=1))
    html = admin_client.post(page_of(connector, "preview"), {**FORM, "sample": "last"}).text
    assert "&quot;id&quot;: &quot;event-1&quot;" in html


@pytest.mark.parametrize("right", ["view_connector", "change_connector"])
def test_the_preview_of_a_new_connector_takes_the_right_to_add(client: Client, right: str) -> None:
    answer = staff(client, right).post(NEW, FORM)
    assert (answer.status_code, "kgp" in answer.text) == (403, False)


@pytest.mark.parametrize("right", ["view_connector", "add_connector", "delete_connector"])
def test_the_preview_of_a_connector_takes_the_right_to_change_it(client: Client, right: str) -> None:
    answer = staff(client, right, "view_connector").post(page_of(make_connector(url=URL), "preview"), FORM)
    assert (answer.status_code, "kgp" in answer.text) == (403, False)


def test_a_preview_is_asked_for_by_post_with_a_token(admin_client: Client, admin_user: User) -> None:
    assert admin_client.get(NEW).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(NEW, FORM).status_code == 403


def test_there_is_no_preview_of_an_unknown_type(admin_client: Client) -> None:
    assert admin_client.post(NEW.replace("webhook", "carrier-pigeon"), FORM).status_code == 404


# --- Over the API ---------------------------------------------------------------------------------------


def preview(caller: Caller, connector: Connector, status: int = 200, **body: Any) -> Any:
    """The answer to a preview of that connector."""
    return caller.post(f"connectors/{connector.pk}/preview/", body, status=status)


def test_the_api_shows_a_sample_by_name() -> None:
    connector = make_connector(url=URL, body_template=TEMPLATE)
    answer = preview(Caller("view_connector"), connector, sample="resolved")
    assert answer["content"] == {"alert": "Pod my-app-123 in crash loop", "state": "resolved"}


def test_the_api_shows_a_draft_laid_over_what_is_stored_without_saving_it() -> None:
    connector = make_connector(url=URL, method="PUT")
    caller = Caller("view_connector", "change_connector")
    answer = preview(caller, connector, config={"body_template": TEMPLATE})
    assert (answer["target"], answer["content"]["state"]) == ("PUT the address that is set", "firing")
    assert Connector.objects.get().options == {"method": "PUT"}


def test_a_draft_over_the_api_takes_the_right_to_change() -> None:
    connector = make_connector(url=URL)
    answer = preview(Caller("view_connector"), connector, 403, config={})
    assert "connectors.change_connector" in answer["detail"]


def test_a_wrong_draft_is_refused_by_field() -> None:
    caller = Caller("view_connector", "change_connector")
    answer = preview(caller, make_connector(url=URL), 400, config={"method": "GET"})
    assert list(mistakes(answer)) == ["config.method"]


def test_there_may_be_no_last_message() -> None:
    preview(Caller(everything=True), make_connector(url=URL), 409, sample="last")


def test_the_api_shows_a_connector_that_there_is_not_yet() -> None:
    body = {"type": "webhook", "config": {"url": URL, "body_template": TEMPLATE}}
    answer = Caller("add_connector").post("connectors/preview/", body, status=200)
    assert (answer["format"], answer["target"]) == ("json", "POST hooks.example.com")
    assert Connector.objects.count() == 0
