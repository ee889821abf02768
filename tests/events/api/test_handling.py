"""Acknowledging, resolving and silencing over HTTP, and asking why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors.models import Delivery
from events.models import Event, Silence
from events.record import Batch, write
from tests.calling import API, Caller, mistakes
from tests.making import make_connector, make_event, make_silence, make_subscription

pytestmark = pytest.mark.django_db


def opened(**more: Any) -> Event:
    event = make_event(**more)
    write(Batch(new=[event]))
    return event


@pytest.fixture
def event() -> Event:
    """An open event of which a connector was told."""
    make_subscription(make_connector())
    told = opened()
    Delivery.objects.update(status="delivered", attempt_count=1)
    return told


@pytest.fixture
def operator() -> Caller:
    return Caller("view_event", "handle_event", "view_silence", "add_silence", "change_silence")


def test_an_event_is_acknowledged_and_that_shows(event: Event, operator: Caller) -> None:
    answer = operator.post(f"events/{event.pk}/acknowledge/", {"note": "looking"}, 200)
    assert (answer["acknowledged_by"], answer["note"]) == (operator.user.username, "looking")
    again = operator.post(f"events/{event.pk}/acknowledge/", None, 200)
    assert again["acknowledged_at"] == answer["acknowledged_at"]
    assert [row["id"] for row in operator.get("events/", acknowledged="true")["results"]] == [str(event.pk)]
    assert operator.get("events/", acknowledged="false")["results"] == []
    assert Delivery.objects.count() == 2


def test_an_event_is_resolved_by_hand_once(event: Event, operator: Caller) -> None:
    answer = operator.post(f"events/{event.pk}/resolve/", {}, 200)
    assert (answer["status"], answer["resolved_by"]) == ("resolved", operator.user.username)
    assert operator.post(f"events/{event.pk}/resolve/", {}, 200)["resolved_at"] == answer["resolved_at"]
    operator.post(f"events/{event.pk}/acknowledge/", {}, 409)


def test_what_occurred_cannot_be_resolved(operator: Caller) -> None:
    event = opened(status="occurred")
    operator.post(f"events/{event.pk}/resolve/", {}, 409)
    event.refresh_from_db()
    assert event.status == "occurred"


@pytest.mark.parametrize("what", ["acknowledge", "resolve", "silence"])
def test_who_may_only_look_cannot_do_anything(event: Event, what: str) -> None:
    body = {"reason": "x", "duration": "1h"} if what == "silence" else {}
    Caller("view_event", "change_event").post(f"events/{event.pk}/{what}/", body, 403)
    event.refresh_from_db()
    assert (event.acknowledged_at, event.status, Silence.objects.count()) == (None, "firing", 0)


def test_a_misspelt_note_is_refused_and_nothing_happens(event: Event, operator: Caller) -> None:
    operator.post(f"events/{event.pk}/acknowledge/", {"notes": "looking"}, 400)
    event.refresh_from_db()
    assert event.acknowledged_at is None


def test_a_silence_from_an_event_is_for_exactly_that_kind(operator: Caller) -> None:
    event = opened(resource="Pod/my[app]", subject="")
    answer = operator.post(f"events/{event.pk}/silence/", {"duration": "2h", "reason": "Known"})
    assert (answer["event_types"], answer["resources"]) == (["pod_crash_loop"], ["Pod/my[[]app]"])
    assert (answer["clusters"], answer["namespaces"]) == (["production"], ["default"])
    assert answer["created_by"] == operator.user.username
    assert opened(fingerprint="again", resource="Pod/my[app]", subject="").held
    assert not opened(fingerprint="other", resource="Pod/other", subject="").held
    assert not opened(fingerprint="type", resource="Pod/my[app]", event_type="hpa_maxed").held
    assert len(operator.get("events/", silenced="true")["results"]) == 1
    assert len(operator.get("events/", silence=answer["id"])["results"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"duration": "2h"}, "reason"),
        ({"reason": "x"}, "duration"),
        ({"reason": "x", "duration": "soon"}, "duration"),
        ({"reason": "x", "duration": "900d"}, "duration"),
        ({"reason": "x", "duration": "2h", "ends_at": "2999-01-01T00:00:00Z"}, "duration"),
        ({"reason": "x", "ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
    ],
)
def test_an_impossible_silence_of_an_event_is_refused(
    event: Event, operator: Caller, body: dict[str, str], field: str
) -> None:
    assert list(mistakes(operator.post(f"events/{event.pk}/silence/", body, 400))) == [field]
    assert Silence.objects.count() == 0


def test_why_names_holds_and_answers(event: Event) -> None:
    silence = make_silence()
    held = opened(fingerprint="held")
    caller = Caller("view_event", "view_subscription")
    answer = caller.get(f"events/{event.pk}/why/")
    [told] = answer["answers"]
    assert (told["outcome"], told["delivery_status"], told["connector_name"]) == ("told", "delivered", "hook")
    answer = caller.get(f"events/{held.pk}/why/")
    assert answer["holds"] == [
        {
            "kind": "silenced",
            "words": "Silenced: The database is upgraded",
            "event": None,
            "silence": silence.pk,
            "past": False,
        }
    ]
    [not_told] = answer["answers"]
    assert (not_told["outcome"], not_told["delivery"]) == ("held back", None)
    assert Caller("view_event").call("GET", f"events/{event.pk}/why/").status_code == 403


# --- Silences -------------------------------------------------------------------------------------------


def test_a_silence_is_made_changed_and_ended(operator: Caller) -> None:
    made = operator.post("silences/", {"namespaces": ["prod-*"], "duration": "2h", "reason": "Upgrade"})
    assert (made["state"], made["created_by"]) == ("in_force", operator.user.username)
    longer = operator.patch(f"silences/{made['id']}/", {"duration": "4h", "reason": "It takes longer"})
    assert longer["ends_at"] > made["ends_at"]
    ended = operator.post(f"silences/{made['id']}/end/", None, 200)
    assert (ended["state"], ended["ended_by"]) == ("over", operator.user.username)
    operator.post(f"silences/{made['id']}/end/", None, 409)
    operator.patch(f"silences/{made['id']}/", {"duration": "9h"}, 400)
    assert operator.call("DELETE", f"silences/{made['id']}/").status_code in (403, 405)
    assert Silence.objects.count() == 1


def test_what_a_silence_in_force_covers_cannot_be_changed(operator: Caller) -> None:
    silence = make_silence(namespaces=["shop"])
    answer = operator.patch(f"silences/{silence.pk}/", {"namespaces": ["*"]}, 400)
    assert list(mistakes(answer)) == ["namespaces"]
    coming = make_silence(namespaces=["shop"], starts_at=timezone.now() + timedelta(minutes=5))
    assert operator.patch(f"silences/{coming.pk}/", {"namespaces": ["*"]})["namespaces"] == ["*"]


def test_nobody_overwrites_a_silence_that_they_have_not_seen(operator: Caller) -> None:
    silence = make_silence(namespaces=["shop"])
    seen = operator.call("GET", f"silences/{silence.pk}/").headers["ETag"]
    operator.patch(f"silences/{silence.pk}/", {"reason": "It takes longer"})
    late = operator.client.patch(
        f"{API}silences/{silence.pk}/",
        {"reason": "It is done"},
        content_type="application/json",
        headers={"Authorization": f"Token {operator.token}", "If-Match": seen},
    )
    silence.refresh_from_db()
    assert (late.status_code, silence.reason) == (412, "It takes longer")


def test_nobody_ends_a_silence_that_they_have_not_seen(operator: Caller) -> None:
    silence = make_silence(namespaces=["shop"])
    seen = operator.call("GET", f"silences/{silence.pk}/").headers["ETag"]
    operator.patch(f"silences/{silence.pk}/", {"duration": "8h"})

    def end(etag: str) -> int:
        headers = {"Authorization": f"Token {operator.token}", "If-Match": etag}
        return operator.client.post(f"{API}silences/{silence.pk}/end/", headers=headers).status_code

    assert end(seen) == 412
    silence.refresh_from_db()
    assert silence.ended_at is None
    assert end(operator.call("GET", f"silences/{silence.pk}/").headers["ETag"]) == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "x", "duration": "1h"}, ""),
        ({"reason": "x", "clusters": ["*"]}, "ends_at"),
        ({"duration": "1h", "clusters": ["*"]}, "reason"),
        ({"reason": "x", "duration": "1h", "event_types": ["pod_crsh"]}, "event_types"),
        ({"reason": "x", "duration": "1h", "resources": ["web"]}, "resources"),
        ({"reason": "x", "duration": "1h", "clusters": ["*"], "who": "me"}, "who"),
        ({"reason": "x", "ends_at": "2020-01-01T00:00:00Z", "clusters": ["*"]}, "ends_at"),
    ],
)
def test_an_impossible_silence_is_refused(operator: Caller, body: dict[str, Any], field: str) -> None:
    assert list(mistakes(operator.post("silences/", body, 400))) == [field]
    assert Silence.objects.count() == 0


def test_silences_are_found_by_state(operator: Caller) -> None:
    now = timezone.now()
    rows = {
        "in_force": make_silence(),
        "coming": make_silence(starts_at=now + timedelta(minutes=5)),
        "over": make_silence(ended_at=now),
    }
    for state, row in rows.items():
        assert [found["id"] for found in operator.get("silences/", state=state)["results"]] == [row.pk]
        assert operator.get(f"silences/{row.pk}/")["state"] == state


def test_who_may_only_look_cannot_silence() -> None:
    silence = make_silence()
    caller = Caller("view_silence")
    caller.post("silences/", {"clusters": ["*"], "duration": "1h", "reason": "x"}, 403)
    caller.post(f"silences/{silence.pk}/end/", None, 403)
    silence.refresh_from_db()
    assert (Silence.objects.count(), silence.ended_at) == (1, None)
