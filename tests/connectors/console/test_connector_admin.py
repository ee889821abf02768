"""The admin's pages of connectors and deliveries, driven as a browser drives them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors import registry, tally
from connectors.configuration import setup
from connectors.health import health
from connectors.models import Attempt, Connector, Delivery, DeliveryStatus, Outcome
from connectors.outbox import Order, delivery_for
from events.remembered import Baseline
from tests.connectors.test_tally import ended
from tests.making import make_cluster, make_connector, make_message, make_resolve, make_subscription
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db

PAGE_QUERIES = 12
URL = "https://hooks.example.com/whole-address-is-secret"
HUSH = "hush-hush-4711"
NO_INLINES = {
    "subscriptions-TOTAL_FORMS": "0",
    "subscriptions-INITIAL_FORMS": "0",
}
ADD = reverse("admin:connectors_connector_add")
LIST = reverse("admin:connectors_connector_changelist")
DELIVERIES = reverse("admin:connectors_delivery_changelist")
SAVE_AND_TEST = 'name="_test"'


@pytest.fixture
def loopback(settings: Any) -> None:
    """Lets connectors reach the receivers of a test."""
    settings.ALLOW_HTTP = True
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


def page_of(connector: Connector, name: str = "change") -> str:
    """The address of one of a connector's pages."""
    return reverse(f"admin:connectors_connector_{name}", args=(connector.pk,))


def make_delivery(connector: Connector, **more: Any) -> Delivery:
    """A delivery on record."""
    delivery = delivery_for(Order(connector, make_message(), "subscription:1"))
    for name, value in more.items():
        setattr(delivery, name, value)
    delivery.save(force_insert=True)
    return delivery


def save_and_test(url: str) -> dict[str, str]:
    """The form of a webhook, as the button posts it."""
    form = {"name": "hook", "config_url": url, "config_method": "POST", "config_format": "kubegraf"}
    return {**form, **NO_INLINES, "_test": ""}


def staff(client: Client, *permissions: str) -> Client:
    """The client signed in as someone who may enter the admin and has these rights."""
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def messages_of(html: str) -> str:
    """The text of the messages on a page."""
    found = re.search(r'<ul class="messagelist[^>]*>(.*?)</ul>', html, re.DOTALL)
    return re.sub(r"<[^>]+>|\s+", " ", found[1]).strip() if found else ""


def answer_on(html: str) -> str:
    """What the page says came of the last test."""
    found = re.search(r'<div class="kg-message[^>]*role="status">(.*?)</div>', html, re.DOTALL)
    return re.sub(r"<[^>]+>|\s+", " ", found[1]).strip() if found else ""


# --- Adding ---------------------------------------------------------------------------------------------


def test_adding_asks_for_the_type_first(admin_client: Client) -> None:
    html = admin_client.get(ADD).text
    for provider in registry.all_providers().values():
        assert f'href="?provider={provider.slug}"' in html
        assert provider.label in html


def test_an_unknown_type_asks_again(admin_client: Client) -> None:
    assert "Which type of connector?" in admin_client.get(ADD, {"provider": "carrier-pigeon"}).text


def test_a_connector_is_added_and_its_page_shown(admin_client: Client) -> None:
    posted = {"name": "hook", "config_url": URL, "config_method": "PUT", "config_format": "kubegraf"}
    answer = admin_client.post(f"{ADD}?provider=webhook", {**posted, **NO_INLINES})
    connector = Connector.objects.get()
    assert answer.headers["Location"].partition("?")[0] == page_of(connector)
    assert (connector.provider, connector.options["method"], connector.enabled) == ("webhook", "PUT", False)
    assert setup.join(connector)["url"] == URL


def test_a_mistake_is_shown_at_its_field_and_nothing_is_saved(admin_client: Client) -> None:
    posted = {"name": "hook", "config_url": "ftp://x", "config_method": "PUT", "config_format": "kubegraf"}
    html = admin_client.post(f"{ADD}?provider=webhook", {**posted, **NO_INLINES}).text
    field = html[html.index("field-config_url") :]
    assert "beginning with https://" in field[: field.index("field-config_method")]
    assert Connector.objects.count() == 0


def test_what_is_wrong_is_said_above_the_form_too_with_the_way_to_each_field(admin_client: Client) -> None:
    row = {"subscriptions-0-min_severity": "worst", **NO_INLINES, "subscriptions-TOTAL_FORMS": "1"}
    posted = {"name": "", "config_url": URL, "config_method": "PUT", "config_format": "kubegraf", **row}
    html = admin_client.post(f"{ADD}?provider=webhook", posted).text
    note = html[html.index('class="errornote') :].partition("</div>")[0]
    assert re.findall(r'href="(.*?)">(.*?)</a>', note) == [
        ("#id_name", "Name"),
    ]
    assert "Subscription 1, Minimum severity: Select a valid choice." in note


def test_the_providers_warnings_are_shown_after_saving(admin_client: Client) -> None:
    posted = {
        "name": "team",
        "config_webhook_url": "https://hooks.slack.com/services/T0/B0/made0up",
        "config_channel": "#k8s-alerts",
        "config_api_url": "https://slack.com/api",
    }
    html = admin_client.post(f"{ADD}?provider=slack", {**posted, **NO_INLINES}, follow=True).text
    (warning,) = registry.provider("slack").warnings(setup.config_of(Connector.objects.get()))
    assert " ".join(warning.split()) in messages_of(html)


# --- Changing -------------------------------------------------------------------------------------------


def test_a_change_that_leaves_secrets_blank_keeps_them(admin_client: Client) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    posted = {"name": "renamed", "config_method": "PATCH", "config_format": "kubegraf", **NO_INLINES}
    assert admin_client.post(page_of(connector), posted).status_code == 302
    stored = Connector.objects.get()
    assert (stored.name, setup.join(stored)["headers"]) == ("renamed", {"X-Api-Key": HUSH})


def test_the_type_cannot_be_changed(admin_client: Client) -> None:
    connector = make_connector(url=URL)
    posted = {"name": "hook", "provider": "slack", "config_method": "POST", "config_format": "kubegraf"}
    admin_client.post(f"{page_of(connector)}?provider=slack", {**posted, **NO_INLINES})
    assert Connector.objects.get().provider == "webhook"


def test_a_connector_whose_type_is_gone_can_be_looked_at(admin_client: Client) -> None:
    connector = make_connector(url=URL)
    Connector.objects.update(provider="retired")
    answer = admin_client.get(page_of(connector))
    assert (answer.status_code, "Test connector" in answer.text) == (200, False)
    assert SAVE_AND_TEST not in answer.text


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, ""), (1, "1 delivery waits."), (2, "2 deliveries wait.")],
)
def test_before_a_connector_is_deleted_it_is_said_what_becomes_of_what_waits(
    admin_client: Client, number: int, words: str
) -> None:
    connector = make_connector(url=URL)
    make_delivery(connector, status=DeliveryStatus.DELIVERED)
    for _ in range(number):
        make_delivery(connector, status=DeliveryStatus.RETRYING)
    html = admin_client.get(page_of(connector, "delete")).text

    assert "stays open there" in html
    assert (words in html, bool(re.search("deliver(y|ies) waits?[.]", html))) == (True, number > 0)


def test_before_rows_are_deleted_it_is_said_what_goes_with_them_in_words_that_people_know(
    admin_client: Client,
) -> None:
    cluster, connector = make_cluster("production"), make_connector(url=URL)
    Baseline.objects.create(
        cluster=cluster, event_type="deployment_scaled", kind="Deployment", name="web", uid="u", remembered=3
    )
    make_subscription(connector, "hpa_maxed")

    html = admin_client.get(reverse("admin:events_cluster_delete", args=(cluster.pk,))).text
    assert "Delete production | KubeGraf" in html
    assert "aseline" not in html
    assert "With it go" not in html
    html = admin_client.get(page_of(connector, "delete")).text
    assert re.findall("Subscription: <a href=.*?>(.*?)</a>", html) == ["Autoscalers at their maximum → hook"]
    posted = {"action": "delete_selected", "_selected_action": [str(connector.pk)]}
    html = admin_client.post(LIST, posted).text
    assert "Delete connector | KubeGraf" in html
    assert "stays open there" in html
    assert not re.search("[Oo]bject|Yes, I", html.partition("<main")[2])


def test_what_is_not_there_is_said_to_be_missing_by_its_kind(admin_client: Client) -> None:
    html = admin_client.get(page_of(Connector(pk=4711)), follow=True).text
    assert "There is no connector “4711” here. It may have been deleted." in html


def test_a_connector_that_is_not_there_cannot_be_deleted(admin_client: Client) -> None:
    address = reverse("admin:connectors_connector_delete", args=(4711,))
    assert admin_client.get(address).headers["Location"] == reverse("admin:index")


def test_no_page_shows_a_secret(admin_client: Client, client: Client) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    viewer = staff(client, "view_connector")
    for answer in (
        admin_client.get(page_of(connector)),
        admin_client.get(LIST),
        admin_client.get(page_of(connector, "history")),
        admin_client.get(page_of(connector, "delete")),
        viewer.get(page_of(connector)),
    ):
        assert answer.status_code == 200
        assert HUSH not in answer.text
        assert URL not in answer.text


def test_whoever_may_only_look_sees_options_and_that_secrets_are_set(client: Client) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH}, method="PUT")
    html = staff(client, "view_connector").get(page_of(connector)).text
    assert "<li>method: PUT</li>" in html
    assert "<li>url: set</li>" in html
    assert "Test connector" not in html


# --- Testing and resuming -------------------------------------------------------------------------------


@pytest.mark.usefixtures("loopback")
def test_the_test_button_sends_and_says_what_came_of_it(admin_client: Client, receiver: Receiver) -> None:
    connector = make_connector(url=f"http://{receiver.host}/hook")
    html = admin_client.post(page_of(connector, "test"), follow=True).text
    assert "The test message arrived." in answer_on(html)
    assert receiver.requests[0].json()["event_type"] == "test"
    delivery = Delivery.objects.order_by("id")[0]
    assert reverse("admin:connectors_delivery_change", args=(delivery.pk,)) in html


@pytest.mark.usefixtures("loopback")
def test_a_test_that_fails_says_why(admin_client: Client, receivers: Any) -> None:
    connector = make_connector(url=f"http://{receivers([(404, {}, b'gone')]).host}/hook")
    html = admin_client.post(page_of(connector, "test"), follow=True).text
    assert "The test failed." in answer_on(html)
    assert "There is nothing at this address: check the path of the URL." in answer_on(html)
    assert Delivery.objects.get().status == DeliveryStatus.FAILED


@pytest.mark.usefixtures("loopback")
def test_a_new_connector_is_saved_and_tested_by_one_button(
    admin_client: Client, receiver: Receiver, django_capture_on_commit_callbacks: Any
) -> None:
    assert SAVE_AND_TEST in admin_client.get(ADD, {"provider": "webhook"}).text
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post(f"{ADD}?provider=webhook", save_and_test(receiver.url))
    html = admin_client.get(answer.headers["Location"]).text

    assert "“hook” is added. It receives events once it is enabled." in messages_of(html)
    assert "The test message arrived." in answer_on(html)
    assert [request.json()["event_type"] for request in receiver.requests] == ["test"]


@pytest.mark.usefixtures("loopback")
def test_what_is_tested_with_saving_is_what_was_saved(
    admin_client: Client, receiver: Receiver, django_capture_on_commit_callbacks: Any
) -> None:
    connector = make_connector(url=URL)
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post(page_of(connector), save_and_test(receiver.url))

    assert answer.headers["Location"] == f"{page_of(connector)}#test"
    assert "The test message arrived." in answer_on(admin_client.get(page_of(connector)).text)


def test_what_is_wrong_is_neither_saved_nor_tested(
    admin_client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    connector = make_connector(url=URL)
    with django_capture_on_commit_callbacks(execute=True):
        html = admin_client.post(page_of(connector), save_and_test("ftp://example.com")).text

    assert "beginning with https://" in html
    assert (Connector.objects.get().secrets, Delivery.objects.count()) == (connector.secrets, 0)


def test_whoever_may_not_test_saves_alone(client: Client, django_capture_on_commit_callbacks: Any) -> None:
    adder = staff(client, "add_connector", "view_connector")
    assert SAVE_AND_TEST not in adder.get(ADD, {"provider": "webhook"}).text
    with django_capture_on_commit_callbacks(execute=True):
        adder.post(f"{ADD}?provider=webhook", save_and_test(URL))

    assert (Connector.objects.count(), Delivery.objects.count()) == (1, 0)


@pytest.mark.parametrize("button", ["test", "resume"])
def test_a_button_is_not_pressed_by_following_a_link(admin_client: Client, button: str) -> None:
    connector = make_connector(url=URL)
    Connector.objects.update(paused_at=timezone.now())
    assert admin_client.get(page_of(connector, button)).status_code == 405
    assert (Delivery.objects.count(), Connector.objects.get().paused_at is None) == (0, False)


@pytest.mark.parametrize("button", ["test", "resume"])
def test_a_button_takes_a_csrf_token(button: str, admin_user: User) -> None:
    connector = make_connector(url=URL)
    Connector.objects.update(paused_at=timezone.now())
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(page_of(connector, button)).status_code == 403
    assert (Delivery.objects.count(), Connector.objects.get().paused_at is None) == (0, False)


@pytest.mark.parametrize("button", ["test", "resume"])
def test_a_button_takes_the_right_to_change(client: Client, button: str) -> None:
    connector = make_connector(url=URL)
    Connector.objects.update(paused_at=timezone.now())
    assert staff(client, "view_connector").post(page_of(connector, button)).status_code == 403
    assert (Delivery.objects.count(), Connector.objects.get().paused_at is None) == (0, False)


def test_a_button_of_a_connector_that_is_gone_goes_back_to_the_admin(admin_client: Client) -> None:
    answer = admin_client.post(reverse("admin:connectors_connector_test", args=(4711,)))
    assert answer.headers["Location"] == reverse("admin:index")


def test_resume_is_offered_for_a_paused_connector_alone(admin_client: Client) -> None:
    connector = make_connector(url=URL)
    address = page_of(connector, "resume")
    assert address not in admin_client.get(page_of(connector)).text
    Connector.objects.update(paused_at=timezone.now(), paused_reason="The token was revoked.")
    html = admin_client.get(page_of(connector)).text
    assert address in html
    assert "Paused: The token was revoked." in html


def test_resume_ends_the_pause(admin_client: Client) -> None:
    connector = make_connector(url=URL)
    Connector.objects.update(paused_at=timezone.now(), paused_reason="The token was revoked.")
    html = admin_client.post(page_of(connector, "resume"), follow=True).text
    assert Connector.objects.get().paused_at is None
    assert "Resumed" in messages_of(html)


def may_test() -> Permission:
    """The right to test connectors, whether or not the models declare it yet."""
    kind = ContentType.objects.get_for_model(Connector)
    return Permission.objects.get_or_create(
        codename="test_connector", content_type=kind, defaults={"name": "Can test connector"}
    )[0]


@pytest.mark.usefixtures("loopback")
def test_whoever_may_test_needs_no_right_to_change(client: Client, receiver: Receiver) -> None:
    connector = make_connector(url=receiver.url)
    may_test()
    operator = staff(client, "test_connector")
    html = operator.get(page_of(connector)).text
    assert page_of(connector, "test") in html
    assert page_of(connector, "enable") not in html
    assert "The test message arrived." in answer_on(
        operator.post(page_of(connector, "test"), follow=True).text
    )
    Connector.objects.update(paused_at=timezone.now())
    operator.post(page_of(connector, "resume"))
    assert Connector.objects.get().paused_at is None
    assert operator.post(page_of(connector), {"name": "mine"}).status_code == 403
    assert Connector.objects.get().name == connector.name


def test_a_test_may_also_open_and_close_something(admin_client: Client) -> None:
    connector = make_connector()
    opened = make_delivery(
        connector,
        origin="test",
        key="kubegraf-test-0a",
        status=DeliveryStatus.DELIVERED,
        settled_at=timezone.now(),
    )
    closing = make_resolve(make_message(test=True)).to_json()
    make_delivery(connector, origin="test", key=opened.key, message=closing, status=DeliveryStatus.DELIVERED)
    assert "The test message arrived and was closed again." in answer_on(
        admin_client.get(page_of(connector)).text
    )


# --- Enabling -------------------------------------------------------------------------------------------


def steps_on(html: str) -> list[str]:
    """The steps on a page, each with what it is: done, now or nothing."""
    return re.findall(r'<li class="(kg-done|kg-now|)"', html)


@pytest.mark.usefixtures("loopback")
def test_the_steps_say_what_is_done(admin_client: Client, receiver: Receiver) -> None:
    assert steps_on(admin_client.get(ADD, {"provider": "webhook"}).text) == ["kg-now", "", ""]
    connector = make_connector(url=receiver.url)
    Connector.objects.update(enabled=False)
    assert steps_on(admin_client.get(page_of(connector)).text) == ["kg-done", "kg-now", ""]
    admin_client.post(page_of(connector, "test"))
    assert steps_on(admin_client.get(page_of(connector)).text) == ["kg-done", "kg-done", "kg-now"]
    admin_client.post(page_of(connector, "enable"))
    assert steps_on(admin_client.get(page_of(connector)).text) == ["kg-done"] * 3


def test_what_has_delivered_counts_as_tested_and_the_page_says_why(admin_client: Client) -> None:
    connector = make_connector()
    Connector.objects.update(last_success_at=timezone.now())
    html = admin_client.get(page_of(connector)).text
    assert steps_on(html) == ["kg-done"] * 3
    assert "Messages have arrived through it, though no test is on record." in html
    assert html.count("o test is on record") == 1


def test_a_connector_is_enabled_and_disabled_on_its_page(admin_client: Client) -> None:
    connector = make_connector(url=URL)
    html = admin_client.post(page_of(connector, "disable"), follow=True).text
    assert "“hook” receives no more events." in messages_of(html)
    assert Connector.objects.get().enabled is False
    assert 'aria-checked="false"' in html
    admin_client.post(page_of(connector, "enable"))
    assert Connector.objects.get().enabled is True


def test_saving_the_form_leaves_the_switch_alone(admin_client: Client) -> None:
    connector = make_connector(url=URL)
    posted = {"name": "hook", "config_method": "PUT", "config_format": "kubegraf", **NO_INLINES}
    admin_client.post(page_of(connector), posted)
    assert Connector.objects.get().enabled is True


@pytest.mark.parametrize("button", ["enable", "disable"])
def test_the_switch_takes_the_right_to_change_and_a_post(
    client: Client, admin_client: Client, button: str
) -> None:
    connector = make_connector(url=URL)
    Connector.objects.update(enabled=button == "disable")
    may_test()
    assert (
        staff(client, "test_connector", "view_connector").post(page_of(connector, button)).status_code == 403
    )
    assert admin_client.get(page_of(connector, button)).status_code == 405
    assert Connector.objects.get().enabled is (button == "disable")


@pytest.mark.parametrize(("action", "on"), [("enable_selected", True), ("disable_selected", False)])
def test_selected_connectors_are_switched(admin_client: Client, action: str, on: bool) -> None:
    connectors = [make_connector(name) for name in ("one", "two")]
    Connector.objects.update(enabled=not on)
    posted = {"action": action, "_selected_action": [str(connector.pk) for connector in connectors]}
    words = messages_of(admin_client.post(LIST, posted, follow=True).text)
    assert words == f"“one”, “two” receive{' events from now on' if on else ' no more events'}."
    assert set(Connector.objects.values_list("enabled", flat=True)) == {on}


# --- The list -------------------------------------------------------------------------------------------


def test_the_list_finds_connectors_by_how_they_fare(admin_client: Client) -> None:
    now = timezone.now()
    earlier = now - timedelta(hours=1)
    for name, more in {
        "paused": {"paused_at": now, "last_success_at": now},
        "failing": {"last_success_at": earlier, "last_failure_at": now},
        "never arrived": {"last_failure_at": now},
        "broken": {"last_success_at": now, "breaker": "open"},
        "untried": {},
        "working": {"last_success_at": now, "last_failure_at": earlier},
        "always well": {"last_success_at": now},
    }.items():
        make_connector(name)
        Connector.objects.filter(name=name).update(**more)
    found = {
        state: {row.name for row in admin_client.get(LIST, {"state": state}).context["cl"].result_list}
        for state in ("paused", "failing", "untried", "working")
    }
    assert found == {
        "paused": {"paused"},
        "failing": {"failing", "never arrived", "broken"},
        "untried": {"untried"},
        "working": {"working", "always well"},
    }
    for state, names in found.items():
        assert {health(connector).state for connector in Connector.objects.filter(name__in=names)} == {state}


def test_the_list_shows_how_each_one_fares(admin_client: Client) -> None:
    connector = make_connector()
    make_delivery(connector)
    tally.add_attempts([ended(connector, 0.1), ended(connector, 0.1, Outcome.FAILED, "timeout")])
    html = admin_client.get(LIST).text
    assert "50.0 %" in html
    assert re.search(r"field-waiting[^>]*>\s*(?:<[^>]*>\s*)*1\s*<", html)


# --- Deliveries -----------------------------------------------------------------------------------------


def test_the_record_cannot_be_added_to_changed_or_cut(admin_client: Client) -> None:
    delivery = make_delivery(make_connector())
    page = reverse("admin:connectors_delivery_change", args=(delivery.pk,))
    assert admin_client.post(page, {"note": "nothing happened"}).status_code == 403
    assert admin_client.get(reverse("admin:connectors_delivery_add")).status_code == 403
    delete = reverse("admin:connectors_delivery_delete", args=(delivery.pk,))
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    assert Delivery.objects.get().note == ""


def test_a_delivery_shows_its_message_and_every_attempt(admin_client: Client) -> None:
    delivery = make_delivery(make_connector(), status=DeliveryStatus.FAILED, attempt_count=1)
    Attempt.objects.create(
        delivery=delivery,
        number=1,
        outcome=Outcome.FAILED,
        reason="server_error",
        error="HTTP 502 from hooks.example.com",
        http_status=502,
        exchanges=[{"request": {"method": "POST"}, "response": {"body": "<script>alert(1)</script>"}}],
    )
    html = admin_client.get(reverse("admin:connectors_delivery_change", args=(delivery.pk,))).text
    assert "Pod my-app-123 in crash loop" in html
    assert "HTTP 502 from hooks.example.com" in html
    assert "HTTP 502</span>" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)" not in html


def test_a_remote_address_that_is_no_web_address_is_not_linked(admin_client: Client) -> None:
    delivery = make_delivery(make_connector(), remote_url="javascript:alert(1)")
    html = admin_client.get(reverse("admin:connectors_delivery_change", args=(delivery.pk,))).text
    assert "javascript:alert" not in html


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status__exact": "failed"}, {"failed"}),
        ({"provider": "webhook"}, {"failed", "delivered"}),
        ({"provider": "slack"}, set()),
        ({"reason__exact": "timeout"}, {"failed"}),
        ({"q": "my-app-123"}, {"failed", "delivered"}),
        ({"q": "nowhere"}, set()),
    ],
)
def test_deliveries_are_found_by_filters_and_search(
    admin_client: Client, query: dict[str, str], found: set[str]
) -> None:
    connector = make_connector()
    make_delivery(connector, status="failed", reason="timeout")
    make_delivery(connector, status="delivered")
    answer = admin_client.get(DELIVERIES, query)
    assert {delivery.status for delivery in answer.context["cl"].result_list} == found


def test_redeliver_sends_once_more_under_the_same_id(admin_client: Client) -> None:
    delivery = make_delivery(make_connector(), status=DeliveryStatus.FAILED, settled_at=timezone.now())
    answer = admin_client.post(
        reverse("admin:connectors_delivery_redeliver", args=(delivery.pk,)), follow=True
    )
    assert messages_of(answer.text) == "1 of 1 are sent once more."
    assert Delivery.objects.get().status == DeliveryStatus.PENDING


def test_selected_deliveries_are_sent_once_more(admin_client: Client) -> None:
    connector = make_connector()
    settled = make_delivery(connector, status=DeliveryStatus.DELIVERED, settled_at=timezone.now())
    waiting = make_delivery(connector)
    posted = {"action": "redeliver_selected", "_selected_action": [str(settled.pk), str(waiting.pk)]}
    html = admin_client.post(DELIVERIES, posted, follow=True).text
    assert messages_of(html).startswith("1 of 2 are sent once more. The others")
    assert Delivery.objects.get(pk=settled.pk).status == DeliveryStatus.PENDING


def test_redeliver_takes_the_right_to_change_a_token_and_a_post(client: Client, admin_client: Client) -> None:
    delivery = make_delivery(make_connector(), status=DeliveryStatus.FAILED)
    button = reverse("admin:connectors_delivery_redeliver", args=(delivery.pk,))
    viewer = staff(client, "view_delivery")
    assert viewer.post(button).status_code == 403
    assert 'value="redeliver_selected"' not in viewer.get(DELIVERIES).text
    assert admin_client.get(button).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("strict"))
    assert strict.post(button).status_code == 403
    assert Delivery.objects.get().status == DeliveryStatus.FAILED


# --- What pages cost ------------------------------------------------------------------------------------


def test_a_connectors_page_takes_as_many_queries_for_one_delivery_as_for_twenty(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    connector = make_connector(url=URL)
    make_delivery(connector)
    queries_of(admin_client, page_of(connector), django_assert_num_queries, PAGE_QUERIES)
    for _ in range(19):
        make_delivery(connector)
    queries_of(admin_client, page_of(connector), django_assert_num_queries, PAGE_QUERIES)


def queries_of(client: Client, address: str, django_assert_num_queries: Any, count: int) -> None:
    """The page takes exactly that many queries, what a process reads once and keeps left out."""
    assert client.get(address).status_code == 200
    with django_assert_num_queries(count):
        assert client.get(address).status_code == 200


def test_the_list_of_connectors_takes_as_many_queries_for_one_as_for_twenty(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        make_connector(f"hook {number}")
    queries_of(admin_client, LIST, django_assert_num_queries, 7)


def test_the_list_of_deliveries_takes_as_many_queries_for_one_as_for_twenty(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    connector = make_connector()
    for _ in range(20):
        make_delivery(connector)
    queries_of(admin_client, DELIVERIES, django_assert_num_queries, 5)
