"""The pages of deliveries and dead letters: finding, understanding, sending once more, cancelling."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from connectors import dead_letters, tasks
from connectors.console import looking_back, pages, record_filters
from connectors.engine.claim import claim
from connectors.engine.digest import ORIGIN
from connectors.handover import Handover
from connectors.models import Attempt, Connector, Delivery
from tests.connectors.console.test_connector_admin import make_delivery, messages_of, queries_of, staff
from tests.making import make_connector, make_event, make_message

pytestmark = pytest.mark.django_db

DELIVERIES = reverse("admin:connectors_delivery_changelist")
DEAD_LETTERS = reverse("admin:connectors_deadletter_changelist")
REDELIVER_ALL = reverse("admin:connectors_deadletter_redeliver")


@pytest.fixture
def hook() -> Connector:
    return make_connector()


def page_of(delivery: Delivery, name: str = "change") -> str:
    return reverse(f"admin:connectors_delivery_{name}", args=(delivery.pk,))


def ago(minutes: float) -> Any:
    return timezone.now() - timedelta(minutes=minutes)


def listed(answer: Any) -> list[Delivery]:
    return list(answer.context["cl"].result_list)


def said(**more: Any) -> dict[str, Any]:
    return make_message(**more).to_json()


# --- The list -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"severity": "low"}, {"low"}),
        ({"severity": "no such severity"}, {"low", "old"}),
        ({"since": "1h"}, {"low"}),
        ({"since": "7d"}, {"low", "old"}),
        ({"until": "2100-01-01T00:00"}, {"low", "old"}),
        ({"since": "2100-01-01T00:00"}, set()),
        ({"event": "old"}, {"old"}),
        ({"connector__id__exact": "4711"}, set()),
    ],
)
def test_the_list_is_narrowed_by_what_is_asked_for(
    admin_client: Client, hook: Connector, query: dict[str, str], found: set[str]
) -> None:
    make_delivery(hook, message_id="low", priority=1)
    make_delivery(hook, message_id="old", priority=4, created_at=ago(120))

    answer = admin_client.get(DELIVERIES, query)

    assert {delivery.message_id for delivery in listed(answer)} == found


def options(page: str) -> list[str]:
    """The choices of the list of connectors, as they stand in the page."""
    return re.findall(r"<option value=[^>]*>[^<]*</option>", page.partition('name="connector__id__exact"')[2])


def test_of_many_connectors_one_is_chosen_from_a_list(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_filters, "FEW", 1)
    other = make_connector(name="other")

    page = admin_client.get(DELIVERIES, {"connector__id__exact": other.pk, "status__exact": "failed"}).text

    assert options(page) == [
        '<option value=""></option>',
        f'<option value="{hook.pk}">{hook.name}</option>',
        f'<option value="{other.pk}" selected>other</option>',
    ]
    assert '<input type="hidden" name="status__exact" value="failed">' in page


def test_of_few_connectors_each_has_a_link(admin_client: Client, hook: Connector) -> None:
    make_connector(name="other")
    page = admin_client.get(DELIVERIES).text
    assert options(page) == []
    assert f'href="?connector__id__exact={hook.pk}"' in page


def test_what_is_left_of_deleted_connectors_is_found_beside_a_list_of_many(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_filters, "FEW", 0)
    make_delivery(hook, message_id="kept")
    left = make_delivery(make_connector(name="other"), message_id="left")
    Delivery.objects.filter(pk=left.pk).update(connector=None)
    [query] = re.findall(r'href="\?([^"]*)">Since deleted</a>', admin_client.get(DELIVERIES).text)

    assert listed(admin_client.get(f"{DELIVERIES}?{query}")) == [left]


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "2025-02-30T10:00"},
        {"until": "9999-12-31T23:59:59-23:59"},
        {"sent_in": "no id"},
        {"event": "half\0an id"},
        {"status__exact": "\0"},
    ],
)
def test_what_no_row_could_have_is_not_asked_for(admin_client: Client, query: dict[str, str]) -> None:
    answer = admin_client.get(DELIVERIES, query)

    assert answer.headers["Location"] == f"{DELIVERIES}?e=1"
    exported = admin_client.get(f"{DELIVERIES}export/", query)
    assert exported.headers["Location"] == "../?e=1"


@pytest.mark.parametrize("which", ["delivery", "event"])
def test_an_id_finds_what_it_names(admin_client: Client, hook: Connector, which: str) -> None:
    make_delivery(hook)
    event = make_event()
    wanted = make_delivery(hook, message_id=str(event.pk))

    answer = admin_client.get(DELIVERIES, {"q": str(wanted.pk if which == "delivery" else event.pk)})

    assert listed(answer) == [wanted]


def test_a_search_looks_through_the_latest_and_offers_to_look_further(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_back, "AT_ONCE", 2)
    deliveries = [make_delivery(hook, created_at=ago(minutes)) for minutes in (9, 7, 5, 3, 1)]

    first = admin_client.get(DELIVERIES, {"q": "my-app-123"})
    second = admin_client.get(DELIVERIES + first.context["cl"].further_back)

    # The one whose time is the boundary is looked at, too.
    assert listed(first) == [deliveries[4], deliveries[3], deliveries[2]]
    assert "Look further back" in first.text
    assert listed(second) == [deliveries[1], deliveries[0]]
    assert "Look further back" not in second.text


@pytest.mark.parametrize("query", [{}, {"status__exact": "pending"}, {"since": "24h"}, {"event": "event-1"}])
def test_what_an_index_finds_is_looked_for_in_all_of_the_record(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    monkeypatch.setattr(looking_back, "AT_ONCE", 1)
    for minutes in range(4):
        make_delivery(hook, created_at=ago(minutes))

    assert len(listed(admin_client.get(DELIVERIES, query))) == 4


def test_a_rare_reason_is_looked_for_among_the_latest_of_its_state(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_back, "AT_ONCE", 1)
    failed = make_delivery(hook, created_at=ago(9), status="failed", reason="tls")
    for minutes in range(4):
        make_delivery(hook, created_at=ago(minutes))

    answer = admin_client.get(DELIVERIES, {"status__exact": "failed", "reason__exact": "tls"})

    assert listed(answer) == [failed]


def test_a_long_record_is_not_counted(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "COUNTED", 3)
    for _ in range(5):
        make_delivery(hook)

    html = admin_client.get(DELIVERIES).text

    assert "the latest 3 deliveries; there are more" in " ".join(html.split())


def test_a_page_of_the_list_takes_few_queries(
    admin_client: Client, hook: Connector, django_assert_num_queries: Any
) -> None:
    for number in range(60):
        make_delivery(hook if number % 2 else make_connector(f"hook {number}"))
    queries_of(admin_client, DELIVERIES, django_assert_num_queries, 5)
    queries_of(admin_client, f"{DELIVERIES}?q=my-app&p=2", django_assert_num_queries, 6)


def test_titles_are_text_whatever_they_hold(admin_client: Client, hook: Connector) -> None:
    make_delivery(hook, message=said(title="<script>alert(1)</script>"))

    html = admin_client.get(DELIVERIES).text

    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_an_empty_record_says_how_to_begin(admin_client: Client) -> None:
    html = admin_client.get(DELIVERIES).text

    assert "Nothing has been sent yet" in html
    assert "Export CSV" not in html


# --- Cancelling -----------------------------------------------------------------------------------------


def test_cancelling_asks_why_and_does_nothing_yet(admin_client: Client, hook: Connector) -> None:
    waiting = make_delivery(hook)
    posted = {"action": "cancel_selected", "_selected_action": [str(waiting.pk)]}

    html = admin_client.post(DELIVERIES, posted).text

    assert "Cancel one delivery?" in html
    assert Delivery.objects.get().status == "pending"


def test_selected_deliveries_are_cancelled_on_record(admin_client: Client, hook: Connector) -> None:
    waiting = make_delivery(hook)
    settled = make_delivery(hook, status="delivered", settled_at=timezone.now())
    selected = [str(waiting.pk), str(settled.pk)]
    posted = {"action": "cancel_selected", "_selected_action": selected, "why": "A drill."}

    html = admin_client.post(DELIVERIES, posted, follow=True).text

    assert messages_of(html).startswith("1 of 2 are cancelled. The others have settled")
    assert Delivery.objects.get(pk=waiting.pk).note == "Cancelled by admin: A drill."
    assert Delivery.objects.get(pk=settled.pk).status == "delivered"


def test_all_that_is_listed_means_as_many_as_were_counted(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.console.delivery_admin.COUNTED", 2)
    oldest, *latest = [make_delivery(hook, created_at=ago(minutes)) for minutes in (3, 2, 1)]
    posted = {"action": "cancel_selected", "select_across": "1", "why": ""}

    admin_client.post(DELIVERIES, {**posted, "_selected_action": [str(latest[0].pk)]})

    assert set(Delivery.objects.filter(status="cancelled")) == set(latest)
    assert Delivery.objects.get(pk=oldest.pk).status == "pending"


def test_one_delivery_is_cancelled_from_its_page(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook)
    assert page_of(delivery, "cancel") in admin_client.get(page_of(delivery)).text

    html = admin_client.post(page_of(delivery, "cancel"), {"why": "A drill."}, follow=True).text

    assert messages_of(html) == "Cancelled: it is not sent any more."
    assert "Cancelled by admin: A drill." in html
    assert page_of(delivery, "cancel") not in html


def test_one_that_is_being_sent_cannot_be_called_back(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook)
    claim(hook.pk)
    assert page_of(delivery, "cancel") not in admin_client.get(page_of(delivery)).text

    html = admin_client.post(page_of(delivery, "cancel"), follow=True).text

    assert messages_of(html).startswith("It is being sent right now")
    assert Delivery.objects.get().status == "pending"


def test_what_is_under_way_is_seen_in_the_list_and_on_its_page(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook)
    claim(hook.pk)

    assert "being sent now" in admin_client.get(DELIVERIES).text
    html = admin_client.get(page_of(delivery)).text

    assert "being sent now" in html
    assert "Attempt 1" in html
    assert "under way" in html


def test_cancelling_takes_the_right_to_change_a_token_and_a_post(
    client: Client, admin_client: Client, hook: Connector
) -> None:
    delivery = make_delivery(hook)
    button = page_of(delivery, "cancel")
    viewer = staff(client, "view_delivery")
    assert viewer.post(button).status_code == 403
    assert button not in viewer.get(page_of(delivery)).text
    posted = {"action": "cancel_selected", "_selected_action": [str(delivery.pk)], "why": ""}
    viewer.post(DELIVERIES, posted)
    assert admin_client.get(button).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("strict"))
    assert strict.post(button).status_code == 403
    assert Delivery.objects.get().status == "pending"


# --- The page of one ------------------------------------------------------------------------------------


def test_a_failed_delivery_says_why_and_what_to_do(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook, status="failed", reason="auth", note="HTTP 401")

    html = admin_client.get(page_of(delivery)).text

    assert "The credentials are wrong, revoked, or not enough." in html
    assert "Enter new ones in the connector, test it, resume it." in html
    assert "HTTP 401" in html


def test_a_delivery_names_its_service_and_what_asked_for_it(admin_client: Client, hook: Connector) -> None:
    html = admin_client.get(page_of(make_delivery(hook))).text

    assert "(Webhook)" in html
    assert "<dd>subscription no. 1</dd>" in html


def test_an_exchange_is_laid_out_for_reading(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook, status="failed")
    request = {"method": "POST", "url": "https://hooks.example.com/x", "headers": {"User-Agent": "KubeGraf"}}
    response = {"status": 502, "body": '{"error":"<b>down</b>"}', "truncated": True}
    exchange = {"request": request, "response": response, "duration_ms": 12}
    refused = {"request": request, "error": {"reason": "timeout", "text": "No answer."}}
    for number, recorded in enumerate((exchange, refused, {"request": None, "response": 3}), 1):
        Attempt.objects.create(delivery=delivery, number=number, outcome="failed", exchanges=[recorded])

    html = admin_client.get(page_of(delivery)).text

    assert "POST https://hooks.example.com/x" in html
    assert "502 Bad Gateway, 12 ms" in html
    assert "<dt>User-Agent</dt><dd>KubeGraf</dd>" in html
    assert "{\n  &quot;error&quot;: &quot;&lt;b&gt;down&lt;/b&gt;&quot;\n}" in html
    assert "It was longer than what is read." in html
    assert "No answer." in html


def test_a_message_that_is_none_is_shown_as_it_is(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook, message={"title": "half a message"})

    html = admin_client.get(page_of(delivery)).text

    assert "What is on record is not a message" in html
    assert "half a message" in html


def test_a_link_in_a_message_leads_to_the_web_alone(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook, message=said(url="javascript:alert(1)"))

    assert 'href="javascript' not in admin_client.get(page_of(delivery)).text


def test_the_page_leads_to_the_event_for_whoever_may_see_it(
    admin_client: Client, client: Client, hook: Connector
) -> None:
    event = make_event()
    event.save()
    delivery = make_delivery(hook, message_id=str(event.pk))
    address = reverse("admin:events_event_change", args=(event.pk,))

    assert f'href="{address}"' in admin_client.get(page_of(delivery)).text
    assert address not in staff(client, "view_delivery").get(page_of(delivery)).text


def test_the_page_does_not_lead_to_an_event_that_is_gone(admin_client: Client, hook: Connector) -> None:
    event = make_event()
    delivery = make_delivery(hook, message_id=str(event.pk))

    assert (
        str(reverse("admin:events_event_change", args=(event.pk,)))
        not in admin_client.get(page_of(delivery)).text
    )


def test_a_digest_and_what_it_tells_of_lead_to_each_other(admin_client: Client, hook: Connector) -> None:
    digest = make_delivery(hook, origin=ORIGIN)
    content = make_delivery(hook, status="sending", sent_in=digest)

    assert page_of(digest) in admin_client.get(page_of(content)).text
    listed_in = f"{DELIVERIES}?sent_in={digest.pk}"
    assert listed_in in admin_client.get(page_of(digest)).text
    assert listed(admin_client.get(listed_in)) == [content]


def test_other_deliveries_of_the_same_event_are_at_hand(admin_client: Client, hook: Connector) -> None:
    delivery = make_delivery(hook)
    other = make_delivery(make_connector("another"), status="delivered")
    make_delivery(hook, message_id="event-2")

    html = admin_client.get(page_of(delivery)).text

    assert page_of(other) in html
    assert f"{DELIVERIES}?event=event-1" in html


def test_the_page_takes_few_queries_however_many_attempts(
    admin_client: Client, hook: Connector, django_assert_num_queries: Any
) -> None:
    delivery = make_delivery(hook)
    for number in range(1, 9):
        Attempt.objects.create(delivery=delivery, number=number)
        make_delivery(hook)
    queries_of(admin_client, page_of(delivery), django_assert_num_queries, 5)


def test_a_page_that_is_not_there_goes_back_to_the_admin(admin_client: Client, hook: Connector) -> None:
    answer = admin_client.get(reverse("admin:connectors_delivery_change", args=("0" * 32,)))

    assert answer.headers["Location"] == reverse("admin:index")


# --- Dead letters ---------------------------------------------------------------------------------------


def test_dead_letters_are_summed_up_by_connector_and_reason(admin_client: Client, hook: Connector) -> None:
    other = make_connector("other")
    for reason in ("tls", "tls", "auth"):
        make_delivery(hook, status="failed", reason=reason)
    make_delivery(other, status="failed", reason="tls")
    make_delivery(other, status="delivered")

    answer = admin_client.get(DEAD_LETTERS)

    groups = [(group.connector_name, group.reason, group.amount) for group, *_ in answer.context["groups"]]
    assert groups == [("hook", "tls", 2), ("hook", "auth", 1), ("other", "tls", 1)]
    counts = [len(listed(admin_client.get(address))) for _, address, _ in answer.context["groups"]]
    assert counts == [2, 1, 1]


def test_dead_letters_of_a_deleted_connector_are_summed_up_too(admin_client: Client, hook: Connector) -> None:
    make_delivery(hook, status="failed", reason="gone")
    hook.delete()
    make_delivery(make_connector("other"), status="failed", reason="gone")

    answer = admin_client.get(DEAD_LETTERS)

    addresses = {group.connector_name: address for group, address, _ in answer.context["groups"]}
    assert [row.connector_name for row in listed(admin_client.get(addresses["hook"]))] == ["hook"]
    assert [name for _, name in answer.context["form"].fields["connector"].choices] == ["other"]


def test_the_sums_are_of_the_latest_where_there_are_very_many(
    hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "COUNTED", 2)
    for minutes in range(5):
        make_delivery(hook, status="failed", reason="tls", created_at=ago(minutes))

    summed = dead_letters.summary()

    assert (summed.amount, summed.more) == (2, True)


def test_no_dead_letters_are_good_news(admin_client: Client, hook: Connector) -> None:
    make_delivery(hook)

    html = admin_client.get(DEAD_LETTERS).text

    assert "No dead letters" in html
    assert "Redeliver all of a connector" not in html


def redeliver_all(client: Client, connector: Connector, since: str) -> str:
    posted = {"connector": connector.pk, "since": since}
    return messages_of(client.post(REDELIVER_ALL, posted, follow=True).text)


def test_all_of_a_connector_since_a_time_are_sent_once_more(admin_client: Client, hook: Connector) -> None:
    lately = make_delivery(hook, status="failed", created_at=ago(5))
    make_delivery(hook, status="failed", created_at=ago(60))
    make_delivery(make_connector("other"), status="failed", created_at=ago(5))

    words = redeliver_all(admin_client, hook, f"{ago(30):%Y-%m-%dT%H:%M}")

    assert words == "1 through hook are sent once more."
    assert list(Delivery.objects.filter(status="pending")) == [lately]


@pytest.mark.django_db(transaction=True)
def test_it_says_so_when_they_wait_for_a_broker_that_does_not_answer(
    admin_client: Client, hook: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(connector_id: int) -> None:
        raise OperationalError("Timeout reading from socket")

    monkeypatch.setattr(tasks, "handover", Handover())
    monkeypatch.setattr(tasks.deliver, "delay", time_out)
    tasks.wake_ups.forget()
    make_delivery(hook, status="failed", created_at=ago(5))

    words = redeliver_all(admin_client, hook, f"{ago(30):%Y-%m-%dT%H:%M}")

    assert words == (
        "1 through hook are sent once more."
        " The broker does not answer at the moment: when it does, what waits goes out by itself."
    )


def test_it_says_so_when_they_wait_for_a_paused_connector(admin_client: Client, hook: Connector) -> None:
    Connector.objects.update(paused_at=timezone.now())
    make_delivery(hook, status="failed", created_at=ago(5))

    words = redeliver_all(admin_client, hook, f"{ago(30):%Y-%m-%dT%H:%M}")

    assert words == "1 through hook are sent once more. They wait: the connector is paused."


def test_a_time_that_is_none_sends_nothing(admin_client: Client, hook: Connector) -> None:
    make_delivery(hook, status="failed")

    assert redeliver_all(admin_client, hook, "yesterday") == "Since: Enter a valid date/time."
    assert Delivery.objects.get().status == "failed"


@pytest.mark.parametrize("how", ["viewer", "link", "no token"])
def test_sending_all_takes_the_right_to_change_a_token_and_a_post(
    how: str, admin_client: Client, client: Client, hook: Connector
) -> None:
    make_delivery(hook, status="failed", created_at=ago(5))
    posted = {"connector": hook.pk, "since": f"{ago(30):%Y-%m-%dT%H:%M}"}
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("strict"))
    ways: dict[str, Callable[[], Any]] = {
        "viewer": lambda: staff(client, "view_delivery").post(REDELIVER_ALL, posted),
        "link": lambda: admin_client.get(REDELIVER_ALL, posted),
        "no token": lambda: strict.post(REDELIVER_ALL, posted),
    }

    assert ways[how]().status_code in (403, 405)

    assert Delivery.objects.get().status == "failed"


def test_a_viewer_sees_dead_letters_but_no_form(client: Client, hook: Connector) -> None:
    make_delivery(hook, status="failed", reason="tls")

    html = staff(client, "view_delivery").get(DEAD_LETTERS).text

    assert "Renew the certificate" in html
    assert REDELIVER_ALL not in html


def test_dead_letters_take_few_queries(
    admin_client: Client, hook: Connector, django_assert_num_queries: Any
) -> None:
    for number in range(30):
        make_delivery(hook if number % 2 else make_connector(f"hook {number}"), status="failed", reason="tls")
    queries_of(admin_client, DEAD_LETTERS, django_assert_num_queries, 7)
