"""Two people on the same page of the console: who saves last, over what they have not seen, is told so."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpResponse
from django.test import Client

from connectors.configuration import setup
from connectors.console.seen import SeenForm
from connectors.models import Connector
from connectors.versions import version_of
from events.models import Cluster, Silence, Subscription
from events.silences import end
from tests.calling import Caller
from tests.making import WHEN, make_cluster, make_connector, make_silence, make_subscription

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.com/a"


def person(name: str) -> Client:
    """An administrator at the console."""
    client = Client()
    client.force_login(User.objects.create_superuser(name))
    return client


def fields(page: HttpResponse) -> dict[str, str]:
    """What the page's form would send as it is."""
    form = page.context["adminform"].form  # type: ignore[attr-defined]
    formsets = [inline.formset for inline in page.context["inline_admin_formsets"]]  # type: ignore[attr-defined]
    forms = [form, *(part for found in formsets for part in (found.management_form, *found.initial_forms))]
    said: dict[str, Any] = {}
    for part in forms:
        for field in part:
            value = field.value()
            if value is None or value is False or field.name in ("kubeconfig_file", "config_body_template"):
                continue
            said[field.html_name] = (
                value if isinstance(value, list | bool) and field.name == "event_types"
                else "\n".join(value) if isinstance(value, list) else value
            )  # fmt: skip
    for found in formsets:
        said[f"{found.prefix}-TOTAL_FORMS"] = str(len(found.initial_forms))
    return said


def carried(page: HttpResponse) -> int:
    """How many versions the page's form carries along."""
    return len(re.findall(r'<input type="hidden" name="(?:[\w-]+-)?version" value="[^"]+"', page.text))


def carried_version(page: HttpResponse) -> str:
    """The version that the page's form carries along."""
    found: list[str] = re.findall(r'name="version" value="([^"]+)"', page.text)
    assert len(found) == 1
    return found[0]


CHANGES = {
    "connectors/connector": {"name": "renamed"},
    "events/subscription": {"enabled": ""},
    "events/cluster": {"enabled": ""},
    "events/silence": {"reason": "It takes longer"},
}
PLACES = tuple(CHANGES)
MODELS = {"connector": Connector, "subscription": Subscription, "cluster": Cluster, "silence": Silence}


@pytest.fixture
def addresses() -> dict[str, str]:
    """The pages of one row each."""
    connector = make_connector(url=URL)
    rows = (
        connector,
        make_subscription(make_connector("other"), "hpa_maxed"),
        make_cluster(),
        make_silence(clusters=["*"]),
    )
    return {
        place: f"/admin/{place}/{row.pk}/change/" + ("?edit=1" if place == "events/silence" else "")
        for place, row in zip(PLACES, rows, strict=True)
    }


@pytest.mark.parametrize("place", PLACES)
def test_who_saves_over_what_somebody_changed_meanwhile_is_told_by_whom(
    addresses: dict[str, str], place: str
) -> None:
    anna, bert = person("anna"), person("bert")
    address = addresses[place]
    model = MODELS[place.split("/")[1]]
    pk = int(address.split("/")[-3])
    seen = anna.get(address)
    assert carried(seen) == 1
    assert bert.post(address, {**fields(bert.get(address)), **CHANGES[place]}).status_code == 302
    changed = version_of(model.objects.get(pk=pk))  # type: ignore[attr-defined]
    late = anna.post(address, fields(seen))
    assert late.status_code == 200
    assert f"This {model._meta.verbose_name} was changed meanwhile by bert at " in late.text
    assert version_of(model.objects.get(pk=pk)) == changed  # type: ignore[attr-defined]
    assert anna.post(address, fields(anna.get(address))).status_code == 302


def test_a_change_by_the_api_counts_as_one_and_is_told_by_whom(addresses: dict[str, str]) -> None:
    anna, address = person("anna"), addresses["connectors/connector"]
    seen = anna.get(address)
    program = Caller(everything=True)
    program.patch(f"connectors/{address.split('/')[-3]}/", {"config": {"method": "PUT"}})
    words = f"This connector was changed meanwhile by {program.user.username} at "
    assert words in anna.post(address, fields(seen)).text
    assert setup.join(Connector.objects.get(name="hook"))["method"] == "PUT"


def test_who_saves_a_silence_that_somebody_has_ended_meanwhile_is_told_by_whom(
    addresses: dict[str, str],
) -> None:
    anna, address = person("anna"), addresses["events/silence"]
    seen = anna.get(address)
    silence = Silence.objects.get()
    end(silence, "bert")
    late = anna.post(address, {**fields(seen), "reason": "It takes longer"}, follow=True)
    assert "Ended by bert just now, after you had opened the page. Nothing has been saved." in late.text
    assert Silence.objects.get().reason == silence.reason


def test_what_the_engine_writes_meanwhile_is_in_nobodys_way(addresses: dict[str, str]) -> None:
    anna, address = person("anna"), addresses["connectors/connector"]
    seen = anna.get(address)
    Connector.objects.update(failures_in_row=3, paused_reason="revoked", last_failure="HTTP 502")
    assert anna.post(address, {**fields(seen), "name": "renamed"}).status_code == 302
    assert Connector.objects.filter(name="renamed").exists()


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ("connectors/connector", {"paused_reason": "revoked", "failures_in_row": 3, "tokens": [0.5]}),
        ("events/cluster", {"state": "watching", "heartbeat_at": WHEN, "health": {"answered": True}}),
    ],
)
def test_what_the_engine_writes_while_a_page_is_saved_is_not_undone_by_that(
    addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch, place: str, written: dict[str, Any]
) -> None:
    anna, address, model = person("anna"), addresses[place], MODELS[place.split("/")[1]]
    rows = model.objects.filter(pk=address.split("/")[-3])  # type: ignore[attr-defined]
    seen, read = anna.get(address), SeenForm._row_now

    def read_a_moment_later(form: Any) -> Any:
        rows.update(**written)
        return read(form)

    monkeypatch.setattr(SeenForm, "_row_now", read_a_moment_later)
    assert anna.post(address, {**fields(seen), "name": "renamed"}).status_code == 302
    assert rows.values("name", *written).get() == {"name": "renamed", **written}


def test_a_subscription_on_a_connectors_page_is_not_overwritten_either() -> None:
    subscription = make_subscription(make_connector(url=URL), "hpa_maxed")
    anna, address = person("anna"), f"/admin/connectors/connector/{subscription.connector_id}/change/"
    seen = anna.get(address)
    assert carried(seen) == 2
    Subscription.objects.update(event_types=["http_500"])
    late = anna.post(address, {**fields(seen), "name": "renamed"})
    assert late.status_code == 200
    assert "This subscription was changed meanwhile" in late.text
    assert Subscription.objects.get().event_types == ["http_500"]
    assert Connector.objects.get().name == "hook"


def test_a_person_whose_roles_somebody_has_changed_meanwhile_is_not_overwritten() -> None:
    anna, bert, ada = person("anna"), person("bert"), User.objects.create_user("ada")
    address = f"/admin/auth/user/{ada.pk}/change/"
    entered = {"username": "ada", "is_active": "on"}
    seen, seen_by_bert = (carried_version(browser.get(address)) for browser in (anna, bert))
    roles = {"roles": [Group.objects.get(name="Viewer").pk]}
    assert bert.post(address, {**entered, **roles, "version": seen_by_bert}).status_code == 302
    late = anna.post(address, {**entered, "email": "ada@example.com", "version": seen})
    assert "This person was changed meanwhile by bert at " in late.text
    ada = User.objects.get(pk=ada.pk)
    assert (ada.email, [group.name for group in ada.groups.all()]) == ("", ["Viewer"])


def test_who_signs_in_meanwhile_is_in_nobodys_way() -> None:
    anna, ada = person("anna"), User.objects.create_user("ada")
    address = f"/admin/auth/user/{ada.pk}/change/"
    seen = carried_version(anna.get(address))
    User.objects.filter(pk=ada.pk).update(last_login=WHEN)
    entered = {"username": "ada", "is_active": "on", "email": "ada@example.com", "version": seen}
    assert anna.post(address, entered).status_code == 302
    assert User.objects.get(pk=ada.pk).email == "ada@example.com"


def test_a_role_whose_rights_somebody_has_changed_meanwhile_is_not_overwritten() -> None:
    anna, group = person("anna"), Group.objects.create(name="Auditors")
    address = f"/admin/auth/group/{group.pk}/change/"
    seen = carried_version(anna.get(address))
    right = Permission.objects.get(codename="view_event")
    group.permissions.add(right)
    late = anna.post(address, {"name": "Auditors of old", "permissions": [], "version": seen})
    assert "This role was changed meanwhile" in late.text
    group.refresh_from_db()
    assert (group.name, list(group.permissions.all())) == ("Auditors", [right])


def test_a_version_that_was_made_up_saves_nothing(addresses: dict[str, str]) -> None:
    anna, address = person("anna"), addresses["events/cluster"]
    answer = anna.post(address, {**fields(anna.get(address)), "name": "renamed", "version": "made-up"})
    assert "This page cannot be saved. Reload it." in answer.text
    assert Cluster.objects.get().name == "production"


def test_a_page_tells_nothing_of_secrets_by_its_version(addresses: dict[str, str]) -> None:
    page = person("anna").get(addresses["connectors/connector"])
    assert URL not in page.text
