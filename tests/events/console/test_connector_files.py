"""Copies of connectors, and connectors as files, in the console and over the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from connectors.api.rest import LARGEST_BODY
from connectors.configuration import setup
from connectors.fields import crypter
from connectors.models import Connector, Delivery
from events.files import cloning, importing
from events.models import Subscription
from tests.calling import Caller
from tests.connectors.console.test_connector_admin import HUSH, LIST, URL, messages_of, page_of, staff
from tests.making import make_connector, make_subscription

pytestmark = pytest.mark.django_db

IMPORT = reverse("admin:connectors_connector_import")
EXPORT = reverse("admin:connectors_connector_export")
FILE = {"name": "hook", "type": "webhook", "config": {"url": URL, "method": "PUT"}}


def rights(*names: str) -> list[str]:
    """Permissions in full as codenames."""
    return [name.partition(".")[2] for name in names]


def hidden(html: str) -> str:
    """The sealed file on a page."""
    return html.partition('name="sealed" value="')[2].partition('"')[0]


# --- Copies ---------------------------------------------------------------------------------------------


def test_a_copy_is_disabled_and_has_secrets_and_subscriptions(admin_client: Client) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH}, method="PUT")
    make_subscription(connector, "hpa_maxed", namespaces=["production"], conditions={"count": 2})
    answer = admin_client.post(page_of(connector, "clone"), follow=True)
    copy = Connector.objects.exclude(pk=connector.pk).get()
    assert (copy.name, copy.enabled, copy.options) == ("hook (copy)", False, {"method": "PUT"})
    assert setup.join(copy) == setup.join(connector)
    subscription = copy.subscriptions.get()
    assert (subscription.event_types, subscription.namespaces) == (["hpa_maxed"], ["production"])
    assert subscription.conditions == {"count": 2}
    assert "This is a copy of “hook”, disabled" in messages_of(answer.text)
    assert HUSH not in answer.text
    assert URL not in answer.text


def test_the_secrets_of_a_copy_do_not_go_to_a_new_address(admin_client: Client) -> None:
    copy = cloning.clone(make_connector(url=URL, headers={"X-Api-Key": HUSH}))
    posted = {
        "name": "mine",
        "config_method": "POST",
        "config_format": "kubegraf",
        "config_url": "https://elsewhere.example.com/catch",
        "subscriptions-TOTAL_FORMS": "0",
        "subscriptions-INITIAL_FORMS": "0",
    }
    html = admin_client.post(page_of(copy), posted).text
    assert "a stored secret is not sent to a new address" in html
    copy.refresh_from_db()
    assert setup.join(copy)["url"] == URL


def test_copies_of_copies_have_names_of_their_own() -> None:
    connector = make_connector("n" * 120)
    names = [cloning.clone(connector).name for _ in range(3)]
    assert names == ["n" * 113 + " (copy)", "n" * 111 + " (copy 2)", "n" * 111 + " (copy 3)"]


def test_a_connector_whose_secrets_cannot_be_read_is_not_copied(admin_client: Client, settings: Any) -> None:
    connector = make_connector(url=URL)
    settings.FIELD_ENCRYPTION_KEY = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]
    html = admin_client.post(page_of(connector, "clone"), follow=True).text
    assert "so that it cannot be copied" in messages_of(html)
    assert Connector.objects.count() == 1


@pytest.mark.parametrize("left_out", cloning.RIGHTS)
def test_copying_takes_every_right_that_entering_it_anew_would(client: Client, left_out: str) -> None:
    connector = make_connector(url=URL)
    held = ["view_connector", *rights(*(right for right in cloning.RIGHTS if right != left_out))]
    answer = staff(client, *held).post(page_of(connector, "clone"))
    assert (answer.status_code, Connector.objects.count()) == (403, 1)
    assert Caller(*held).call("POST", f"connectors/{connector.pk}/clone/").status_code == 403
    assert Connector.objects.count() == 1


def test_a_copy_over_the_api_holds_no_secret() -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    answer = Caller(everything=True).post(f"connectors/{connector.pk}/clone/")
    assert (answer["name"], answer["enabled"], answer["config"]["url"]) == ("hook (copy)", False, "set")
    assert HUSH not in json.dumps(answer)


# --- Out ------------------------------------------------------------------------------------------------


def test_an_export_is_a_file_without_secrets_that_can_be_imported(admin_client: Client) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH}, method="PUT")
    make_subscription(connector, "hpa_maxed")
    answer = admin_client.get(EXPORT)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="connectors.json"'
    config = {"method": "PUT", "events": ["hpa_maxed"]}
    assert answer.json() == {
        "connectors": [{"name": "hook", "type": "webhook", "enabled": True, "config": config}]
    }
    assert "hook: unchanged" in " ".join(
        admin_client.post(IMPORT, {"text": answer.text}).text.split()
    ).replace("</b> (Webhook)", "")


def test_one_connector_is_exported_alone_and_several_by_choice(admin_client: Client) -> None:
    one, two, _ = (make_connector(name) for name in ("one", "two", "three"))
    assert [c["name"] for c in admin_client.get(f"{EXPORT}?id={one.pk}").json()["connectors"]] == ["one"]
    posted = {"action": "export_selected", "_selected_action": [str(one.pk), str(two.pk)]}
    found = admin_client.post(LIST, posted).json()["connectors"]
    assert {connector["name"] for connector in found} == {"one", "two"}


def test_the_api_exports_one_or_all_with_references_on_request() -> None:
    connector = make_connector(url=URL)
    make_connector("other")
    caller = Caller("view_connector", "view_subscription")
    names = [entry["name"] for entry in caller.get("connectors/export/")["connectors"]]
    assert sorted(names) == ["hook", "other"]
    (entry,) = caller.get(f"connectors/{connector.pk}/export/", references="true")["connectors"]
    assert entry["config"]["url"] == "env:KUBEGRAF_SECRET_HOOK_URL"


def test_a_connector_whose_type_is_gone_is_left_out() -> None:
    gone = make_connector("gone")
    Connector.objects.update(provider="retired")
    make_connector("there")
    caller = Caller("view_connector", "view_subscription")
    assert [entry["name"] for entry in caller.get("connectors/export/")["connectors"]] == ["there"]
    assert caller.call("GET", f"connectors/{gone.pk}/export/").status_code == 409


def test_an_export_takes_the_right_to_see_subscriptions_too(client: Client) -> None:
    connector = make_connector(url=URL)
    assert staff(client, "view_connector").get(EXPORT).status_code == 403
    assert Caller("view_connector").call("GET", f"connectors/{connector.pk}/export/").status_code == 403


# --- In -------------------------------------------------------------------------------------------------


def test_an_import_tells_first_and_changes_nothing(admin_client: Client) -> None:
    make_connector(url=URL, headers={"X-Api-Key": HUSH})
    html = admin_client.post(IMPORT, {"text": json.dumps(FILE)}).text
    assert "config.method: nothing → &#x27;PUT&#x27;" in html
    assert Connector.objects.get().options == {}


def test_what_is_confirmed_is_brought_in(admin_client: Client) -> None:
    sealed = hidden(admin_client.post(IMPORT, {"text": json.dumps(FILE)}).text)
    answer = admin_client.post(IMPORT, {"sealed": sealed}, follow=True)
    assert messages_of(answer.text) == "“hook”: created."
    connector = Connector.objects.get()
    assert (setup.join(connector)["url"], connector.options) == (URL, {"method": "PUT"})
    assert Subscription.objects.count() == 1


def test_an_uploaded_file_is_taken_like_a_pasted_one(admin_client: Client) -> None:
    upload = SimpleUploadedFile("connectors.json", json.dumps({"connectors": [FILE]}).encode())
    assert "created" in admin_client.post(IMPORT, {"file": upload}).text
    assert Connector.objects.count() == 0


def test_no_page_of_an_import_repeats_a_secret(admin_client: Client) -> None:
    good = admin_client.post(IMPORT, {"text": json.dumps(FILE)})
    bad = admin_client.post(IMPORT, {"text": json.dumps({**FILE, "type": "carrier-pigeon"})})
    for answer in (good, bad):
        assert "whole-address-is-secret" not in answer.text
    assert "whole-address-is-secret" not in hidden(good.text)


def test_not_even_a_file_that_cannot_be_read_is_repeated(admin_client: Client) -> None:
    for text in ("canary\0", "canary" + " " * LARGEST_BODY):
        answer = admin_client.post(IMPORT, {"text": text})
        assert "canary" not in answer.text
        assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Paste something, or choose a file."),
        ("{", "Nothing was changed."),
        ('{"name": "x", "type": "carrier-pigeon"}', "carrier-pigeon"),
    ],
)
def test_what_cannot_be_brought_in_is_said(admin_client: Client, text: str, words: str) -> None:
    html = admin_client.post(IMPORT, {"text": text}).text
    assert words in html
    assert hidden(html) == ""
    assert Connector.objects.count() == 0


def test_an_import_does_not_send_stored_secrets_to_a_new_address(admin_client: Client) -> None:
    make_connector(url=URL, headers={"X-Api-Key": HUSH})
    moved = {**FILE, "config": {"url": "https://elsewhere.example.com/catch"}}
    html = admin_client.post(IMPORT, {"text": json.dumps(moved)}).text
    assert "a stored secret is not sent to a new address" in html
    assert setup.join(Connector.objects.get())["url"] == URL


def test_only_what_was_sealed_for_the_same_person_is_brought_in(admin_client: Client) -> None:
    text = json.dumps(FILE)
    for sealed in ("nonsense", crypter().encrypt(f"import:0:{text}".encode()).decode(), ""):
        html = admin_client.post(IMPORT, {"sealed": sealed}).text
        assert "looked at too long ago" in html
    assert Connector.objects.count() == 0


@pytest.mark.parametrize("left_out", importing.RIGHTS)
def test_an_import_takes_every_right_that_it_may_use(client: Client, left_out: str) -> None:
    held = rights(*(right for right in importing.RIGHTS if right != left_out))
    someone = staff(client, "view_connector", *held)
    assert someone.get(IMPORT).status_code == 403
    assert someone.post(IMPORT, {"text": json.dumps(FILE)}).status_code == 403
    assert IMPORT not in someone.get(LIST).text
    assert Connector.objects.count() == Delivery.objects.count() == 0
