"""The pages of silences, driven as a browser drives them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from events.console.silence_admin import in_words
from events.models import Silence
from events.record import Batch, write
from tests.connectors.console.test_connector_admin import messages_of, staff
from tests.making import make_event, make_silence

pytestmark = pytest.mark.django_db

LIST = reverse("admin:events_silence_changelist")
ADD = reverse("admin:events_silence_add")


def page(silence: Silence, name: str = "change") -> str:
    return reverse(f"admin:events_silence_{name}", args=(silence.pk,))


def test_a_silence_is_made_with_a_few_fields(admin_client: Client) -> None:
    posted = {"reason": "Upgrade", "duration": "2h", "namespaces": "shop\nprod-*"}
    answer = admin_client.post(ADD, posted, follow=True)
    assert messages_of(answer.text) == "The silence is on record."
    silence = Silence.objects.get()
    assert (silence.namespaces, silence.created_by) == (["shop", "prod-*"], "admin")
    assert silence.ends_at - silence.starts_at == timedelta(hours=2)
    assert silence.state == "in_force"


def test_a_silence_may_begin_later_and_end_at_a_time(admin_client: Client) -> None:
    posted = {
        "reason": "Upgrade",
        "clusters": "*",
        "starts_at": "2999-01-01T10:00",
        "duration": "until",
        "ends_at": "2999-01-01T12:30",
    }
    assert admin_client.post(ADD, posted).status_code == 302
    silence = Silence.objects.get()
    assert (silence.state, f"{silence.ends_at:%H:%M %z}") == ("coming", "12:30 +0000")


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ({"reason": "x", "duration": "2h"}, "Say what is to be silenced"),
        ({"reason": "", "duration": "2h", "clusters": "*"}, "This field is required"),
        ({"reason": "x", "duration": "until", "clusters": "*"}, "Say when it ends"),
        (
            {"reason": "x", "duration": "2h", "clusters": "*", "starts_at": "9999-12-31T23:30"},
            "That is too far away",
        ),
        (
            {"reason": "x", "duration": "until", "clusters": "*", "ends_at": "2020-01-01T00:00"},
            "later than now",
        ),
        ({"reason": "x", "duration": "2h", "resources": "web"}, "is no resource"),
        ({"reason": "x", "duration": "2h", "event_types": "nothing"}, "Select a valid choice"),
    ],
)
def test_a_mistake_is_explained_and_nothing_is_silenced(
    admin_client: Client, posted: dict[str, str], words: str
) -> None:
    assert words in admin_client.post(ADD, posted).text
    assert Silence.objects.count() == 0


def test_the_list_has_what_is_in_force_first(admin_client: Client) -> None:
    now = timezone.now()
    make_silence(reason="over", ended_at=now, ended_by="alice")
    make_silence(reason="coming", starts_at=now + timedelta(minutes=9))
    make_silence(reason="in force")
    listed = admin_client.get(LIST).context["cl"].result_list
    assert [silence.reason for silence in listed] == ["in force", "coming", "over"]
    listed = admin_client.get(LIST, {"state": "over"}).context["cl"].result_list
    assert [silence.reason for silence in listed] == ["over"]


def test_its_page_shows_what_it_held_back_and_ends_it(admin_client: Client) -> None:
    silence = make_silence(namespaces=["default"])
    write(Batch(new=[make_event(title="Pod <i>x</i> in crash loop")]))
    html = admin_client.get(page(silence)).text
    assert "Pod &lt;i&gt;x&lt;/i&gt; in crash loop" in html
    assert "1 still open: told when the silence is over." in html

    answer = admin_client.post(page(silence, "end"), follow=True)
    assert messages_of(answer.text).startswith("Ended.")
    silence.refresh_from_db()
    assert (silence.state, silence.ended_by) == ("over", "admin")
    answer = admin_client.post(page(silence, "end"), follow=True)
    assert messages_of(answer.text).startswith("It is over already.")


def test_without_an_end_it_is_asked_for_one(admin_client: Client) -> None:
    silence = make_silence(namespaces=["default"])
    posted = {"reason": "x", "duration": "until", "ends_at": ""}
    answer = admin_client.post(page(silence) + "?edit=1", posted)
    assert answer.status_code == 200
    assert "Say when it ends, or choose how long it lasts." in answer.text


def test_once_in_force_its_end_and_reason_can_be_changed(admin_client: Client) -> None:
    silence = make_silence(namespaces=["default"])
    edit = page(silence) + "?edit=1"
    html = admin_client.get(edit).text
    assert 'name="reason"' in html
    assert 'name="namespaces"' not in html
    posted = {"reason": "It takes longer", "duration": "8h", "namespaces": "*"}
    assert admin_client.post(edit, posted).status_code == 302
    silence.refresh_from_db()
    assert (silence.reason, silence.namespaces) == ("It takes longer", ["default"])
    assert silence.ends_at - silence.starts_at == timedelta(hours=8)


def test_what_is_over_cannot_be_changed_and_nothing_deleted(admin_client: Client) -> None:
    silence = make_silence(ended_at=timezone.now(), reason="over")
    assert admin_client.post(page(silence), {"reason": "x", "duration": "2h"}).status_code == 403
    assert admin_client.post(page(silence, "delete"), {"post": "yes"}).status_code == 403
    silence.refresh_from_db()
    assert silence.reason == "over"


def test_who_may_only_look_is_offered_nothing(client: Client) -> None:
    silence = make_silence()
    viewer = staff(client, "view_silence")
    html = viewer.get(page(silence)).text
    assert "End now" not in html
    assert "What it held back" not in html
    assert viewer.post(page(silence, "end")).status_code == 403
    assert viewer.get(ADD).status_code == 403
    silence.refresh_from_db()
    assert silence.ended_at is None


@pytest.mark.parametrize(
    ("matchers", "words"),
    [
        ({"clusters": ["*"]}, "everything, on *"),
        (
            {"event_types": ["pod_crash"], "resources": ["Deployment/web"], "namespaces": ["shop"]},
            "pod_crash of Deployment/web in shop",
        ),
    ],
)
def test_what_is_silenced_is_said_in_words(matchers: dict[str, Any], words: str) -> None:
    assert in_words(Silence(**matchers)) == words


def test_the_list_takes_as_many_queries_for_twenty_as_for_one(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    for _ in range(20):
        make_silence()
    with django_assert_num_queries(4):
        assert admin_client.get(LIST).status_code == 200
