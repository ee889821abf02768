"""Sending once more what has settled: chosen deliveries, or all of a connector's since a time."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors import redelivery
from connectors.message import Message
from connectors.models import Connector, Delivery, DeliveryStatus
from connectors.outbox import Order, delivery_for
from connectors.redelivery import redeliver, redeliver_since
from tests.calling import Caller, mistakes
from tests.making import make_connector, make_message, make_resolve, statuses

pytestmark = pytest.mark.django_db

OUTAGE = datetime(2025, 1, 15, tzinfo=UTC)
FAILED, CANCELLED, PENDING = DeliveryStatus.FAILED, DeliveryStatus.CANCELLED, DeliveryStatus.PENDING


def settled(
    connector: Connector,
    message: Message | None = None,
    status: DeliveryStatus = FAILED,
    at: datetime = OUTAGE,
) -> Delivery:
    """A delivery that was written and settled then."""
    delivery = delivery_for(Order(connector, message or make_message(id=str(uuid.uuid4())), "subscription:1"))
    delivery.status, delivery.created_at, delivery.settled_at = status, at, at
    delivery.save(force_insert=True)
    return delivery


def status(delivery: Delivery) -> str:
    return Delivery.objects.get(pk=delivery.pk).status


def test_a_redelivery_keeps_its_id_and_its_attempts() -> None:
    delivery = settled(make_connector())
    Delivery.objects.filter(pk=delivery.pk).update(attempt_count=8, reason="timeout", note="No answer.")

    assert redeliver([delivery]) == 1

    again = Delivery.objects.get(pk=delivery.pk)
    assert (again.status, again.attempt_count) == ("pending", 8)
    assert (again.reason, again.note, again.settled_at) == ("", "", None)


def test_what_is_on_its_way_is_left_as_it_is() -> None:
    delivery = settled(make_connector(), status=DeliveryStatus.RETRYING)
    tomorrow = timezone.now() + timedelta(days=1)
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=tomorrow, reason="timeout")

    assert redeliver([delivery]) == 0

    still = Delivery.objects.get(pk=delivery.pk)
    assert (still.status, still.next_attempt_at, still.reason) == ("retrying", tomorrow, "timeout")


def test_what_failed_since_then_is_sent_again_and_nothing_else() -> None:
    connector, other = make_connector("a"), make_connector("b")
    before = settled(connector, at=OUTAGE - timedelta(seconds=1))
    during = settled(connector)
    arrived = settled(connector, status=DeliveryStatus.DELIVERED)
    elsewhere = settled(other)
    test = settled(connector, make_message(test=True))

    assert redeliver_since(connector, OUTAGE) == 1

    assert status(during) == PENDING
    assert [status(left) for left in (before, arrived, elsewhere, test)] == [
        FAILED,
        DeliveryStatus.DELIVERED,
        FAILED,
        FAILED,
    ]


def test_more_than_a_batch_is_sent_again_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redelivery, "BATCH", 3)
    connector = make_connector()
    for _ in range(7):
        settled(connector)

    assert redeliver_since(connector, OUTAGE) == 7
    assert statuses(connector) == ["pending"] * 7


def test_with_an_opening_goes_the_resolve_that_was_cancelled_for_want_of_it() -> None:
    connector, message = make_connector(), make_message()
    settled(connector, message)
    settled(connector, make_resolve(message), CANCELLED)
    settled(connector, make_resolve(make_message(id="another")), CANCELLED)

    assert redeliver_since(connector, OUTAGE) == 2
    assert statuses(connector) == ["pending", "pending", "cancelled"]


def test_a_redelivery_keeps_its_id() -> None:
    connector = make_connector()
    delivery = settled(connector)
    redeliver_since(connector, OUTAGE)
    assert Delivery.objects.get().pk == delivery.pk


# --- Over the API ---------------------------------------------------------------------------------------


def test_the_api_sends_what_failed_again() -> None:
    connector = make_connector()
    settled(connector)
    caller = Caller("change_connector", "change_delivery")

    answer = caller.post(f"connectors/{connector.pk}/redeliver/", {"since": "2025-01-15T00:00:00Z"}, 200)

    assert answer == {"redelivered": 1}
    assert statuses(connector) == ["pending"]


def test_the_api_sends_another_status_when_asked() -> None:
    connector = make_connector()
    settled(connector)
    settled(connector, status=DeliveryStatus.DELIVERED)
    caller = Caller("change_connector", "change_delivery")
    body = {"since": "2025-01-15T00:00:00Z", "status": "delivered"}

    assert caller.post(f"connectors/{connector.pk}/redeliver/", body, 200) == {"redelivered": 1}
    assert statuses(connector) == ["failed", "pending"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2025-01-15T00:00:00Z", "status": "pending"}, "status"),
        ({"since": "2025-01-15T00:00:00Z", "statsu": "failed"}, "statsu"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_sent(body: dict[str, str], field: str) -> None:
    connector = make_connector()
    settled(connector)
    answer = Caller(everything=True).post(f"connectors/{connector.pk}/redeliver/", body, 400)
    assert list(mistakes(answer)) == [field]
    assert statuses(connector) == ["failed"]


def test_it_takes_the_right_to_change_deliveries() -> None:
    connector = make_connector()
    settled(connector)
    body = {"since": "2025-01-15T00:00:00Z"}
    answer = Caller("change_connector").post(f"connectors/{connector.pk}/redeliver/", body, 403)
    assert answer["detail"] == "You do not have permission to perform this action."
    assert statuses(connector) == ["failed"]


# --- By command -----------------------------------------------------------------------------------------


def command(*args: str) -> str:
    out = StringIO()
    call_command("redeliver", *args, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("since", ["2025-01-15", "2025-01-15T00:00:00Z", "2025-01-15T02:00:00+02:00"])
def test_the_command_sends_what_failed_since_a_day_or_a_moment(since: str) -> None:
    connector = make_connector()
    settled(connector)
    settled(connector, at=OUTAGE - timedelta(seconds=1))

    assert command("hook", "--since", since) == "1 are sent once more.\n"
    assert sorted(statuses(connector)) == ["failed", "pending"]


def test_the_command_says_that_a_paused_connector_makes_them_wait() -> None:
    connector = make_connector()
    Connector.objects.update(paused_at=timezone.now())
    settled(connector)
    assert command("hook", "--since", "2025-01-15").endswith("They wait: the connector is paused.\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("hook", "--since", "tuesday"), "--since 'tuesday' is no time."),
        (("hook", "--since", "2025-13-45"), "--since '2025-13-45' is no time."),
        (("hock", "--since", "2025-01-15"), "There is no connector named 'hock'. There are: hook."),
    ],
)
def test_the_command_says_what_is_wrong(args: tuple[str, ...], words: str) -> None:
    settled(make_connector())
    with pytest.raises(CommandError) as error:
        command(*args)
    assert str(error.value).startswith(words)
    assert Delivery.objects.get().status == FAILED


# --- Dead letters in the admin --------------------------------------------------------------------------

LETTERS = reverse("admin:connectors_deadletter_changelist")


def staff(client: Client, *permissions: str) -> Client:
    """The client signed in as someone who may enter the admin and has these rights."""
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def test_dead_letters_are_on_the_overview_of_whoever_may_see_deliveries(client: Client) -> None:
    html = staff(client, "view_delivery").get(reverse("admin:index")).text
    assert f'href="{LETTERS}"' in html
    assert "Dead letters" in html


def test_dead_letters_are_not_shown_to_others(client: Client) -> None:
    assert staff(client, "view_connector").get(LETTERS).status_code == 403


def test_the_dead_letters_are_what_has_failed_and_lead_to_the_deliveries(client: Client) -> None:
    connector = make_connector()
    failed = settled(connector, make_message(title="A dead one"))
    settled(connector, make_message(title="A living one"), DeliveryStatus.DELIVERED)

    html = staff(client, "view_delivery").get(LETTERS).text

    assert "A dead one" in html
    assert "A living one" not in html
    assert reverse("admin:connectors_delivery_change", args=(failed.pk,)) in html


def test_selected_dead_letters_are_sent_once_more(client: Client) -> None:
    connector = make_connector()
    failed = settled(connector)
    body: dict[str, Any] = {"action": "redeliver_selected", "_selected_action": [str(failed.pk)]}

    html = staff(client, "change_delivery").post(LETTERS, body, follow=True).text

    assert "1 of 1 are sent once more." in html
    assert status(failed) == PENDING


def test_sending_a_delivery_once_more_keeps_its_address(client: Client) -> None:
    failed = settled(make_connector())
    address = reverse("admin:connectors_delivery_redeliver", args=(failed.pk,))
    assert address.startswith("/admin/connectors/delivery/")
    staff(client, "change_delivery").post(address)
    assert status(failed) == PENDING
