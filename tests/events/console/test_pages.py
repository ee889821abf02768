"""The admin's pages of events and subscriptions, driven as a browser drives them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from connectors.models import Connector
from connectors.outbox import Order, delivery_for
from events.models import Event, Subscription
from tests.connectors.console.test_connector_admin import messages_of, staff
from tests.making import make_connector, make_event, make_message, make_subscription

pytestmark = pytest.mark.django_db

ADD_WEBHOOK = reverse("admin:connectors_connector_add") + "?provider=webhook"
WEBHOOK = {
    "name": "hook",
    "config_url": "https://hooks.example.com/a",
    "config_method": "POST",
    "config_format": "kubegraf",
}


def inline(index: int = 0, total: int = 1, initial: int = 0, **fields: Any) -> dict[str, Any]:
    """The subscriptions on a connector's page, as posted."""
    posted = {f"subscriptions-{index}-{name}": value for name, value in fields.items()}
    return {"subscriptions-TOTAL_FORMS": total, "subscriptions-INITIAL_FORMS": initial, **posted}


def page(name: str, *args: Any) -> str:
    """The address of one of the admin's pages of events."""
    return reverse(f"admin:events_{name}", args=args)


# --- Subscriptions on the connector's page --------------------------------------------------------------


def test_a_new_connector_is_asked_which_events_it_receives(admin_client: Client) -> None:
    html = admin_client.get(ADD_WEBHOOK).text
    assert 'name="subscriptions-0-event_types" value="pod_crash_loop"' in html
    assert 'name="subscriptions-0-event_types" value="pod_crash"' in html


def test_a_connector_is_added_with_its_subscription(admin_client: Client) -> None:
    posted = inline(event_types=["pod_crash"], min_severity="high", enabled="on", namespaces="production")
    assert admin_client.post(ADD_WEBHOOK, {**WEBHOOK, **posted}).status_code == 302
    subscription = Subscription.objects.get()
    assert subscription.connector == Connector.objects.get()
    assert (subscription.event_types, subscription.namespaces) == (["pod_crash"], ["production"])


UNTOUCHED = {"enabled": "on", "min_severity": "info", "send_resolved": "on"}


def test_a_new_connector_whose_subscription_nobody_touched_receives_everything(admin_client: Client) -> None:
    html = admin_client.post(ADD_WEBHOOK, {**WEBHOOK, **inline(**UNTOUCHED)}, follow=True).text
    subscription = Subscription.objects.get()
    assert (subscription.event_types, subscription.min_severity) == ([], "info")
    assert "It receives no events yet" not in messages_of(html)


def test_a_further_subscription_that_nobody_filled_in_is_not_meant(admin_client: Client) -> None:
    first = inline(total=2, event_types=["pod_crash"], **UNTOUCHED)
    admin_client.post(ADD_WEBHOOK, {**WEBHOOK, **inline(index=1, **UNTOUCHED), **first})
    assert [row.event_types for row in Subscription.objects.all()] == [["pod_crash"]]


def test_on_the_page_of_a_connector_a_subscription_that_nobody_filled_in_is_not_meant(
    admin_client: Client,
) -> None:
    address = reverse("admin:connectors_connector_change", args=(make_connector().pk,))
    assert admin_client.post(address, {**WEBHOOK, **inline(**UNTOUCHED)}).status_code == 302
    assert Subscription.objects.count() == 0


def test_a_mistake_in_a_subscription_keeps_both_out(admin_client: Client) -> None:
    posted = inline(event_types=["pod_crash"], min_severity="high", conditions='{"namespac": 1}')
    answer = admin_client.post(ADD_WEBHOOK, {**WEBHOOK, **posted})
    assert "Did you mean &#x27;namespace&#x27;?" in answer.text
    assert (Connector.objects.count(), Subscription.objects.count()) == (0, 0)


def test_a_connector_without_a_subscription_is_told_of(admin_client: Client) -> None:
    html = admin_client.post(ADD_WEBHOOK, {**WEBHOOK, **inline(total=0)}, follow=True).text
    assert "It receives no events yet" in messages_of(html)


def test_subscriptions_have_a_list_of_their_own(admin_client: Client) -> None:
    make_subscription(make_connector(), "hpa_maxed", conditions={"count": 2}, namespaces=["production"])
    html = admin_client.get(page("subscription_changelist")).text
    for words in ("Autoscalers at their maximum in production with count ≥ 2", "hook"):
        assert words in html


BACKTEST = reverse("admin:events_subscription_backtest")


def test_a_backtest_names_what_would_have_been_sent_and_escapes_it(admin_client: Client) -> None:
    make_event(title="<script>alert(1)</script>").save()
    html = admin_client.post(BACKTEST, {"event_types": ["pod_crash"], "min_severity": "info"}).text
    assert "Over the last 7 days this would have sent 1 message (1 opening, 0 resolutions)." in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    assert Subscription.objects.count() == 0


@pytest.mark.parametrize("right", ["view_subscription", "view_event"])
def test_a_backtest_takes_the_right_to_see_subscriptions_and_events(client: Client, right: str) -> None:
    assert staff(client, right).post(BACKTEST, {"min_severity": "info"}).status_code == 403


def test_a_backtest_is_asked_for_by_post(client: Client) -> None:
    both = staff(client, "view_subscription", "view_event")
    assert both.post(BACKTEST, {"min_severity": "info"}).status_code == 200
    assert both.get(BACKTEST).status_code == 405


@pytest.mark.parametrize(
    ("right", "names"),
    [
        ("view_event", {"namespaces": ["shop"], "clusters": ["production"]}),
        ("view_subscription", {"namespaces": [], "clusters": []}),
    ],
)
def test_names_are_suggested_from_the_record_to_those_who_may_see_it(
    client: Client, right: str, names: dict[str, list[str]]
) -> None:
    make_event(namespace="shop").save()
    assert staff(client, right).get(reverse("admin:events_subscription_suggestions")).json() == names


# --- Events ---------------------------------------------------------------------------------------------


def test_an_event_shows_its_details_recommendations_and_deliveries(admin_client: Client) -> None:
    event = make_event(
        details={"restart_count": 5, "last_error": "<script>alert(1)</script>"},
        recommendations=[
            {"action": "Look", "command": "kubectl logs my-app-123"},
            {"action": "Wait"},
        ],
    )
    event.save()
    delivery = delivery_for(Order(make_connector(), make_message(id=str(event.pk)), "subscription:1"))
    delivery.save(force_insert=True)
    html = admin_client.get(page("event_change", event.pk)).text
    assert "<dt>restart count</dt><dd>5</dd>" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)" not in html
    assert 'id="command-1">kubectl logs my-app-123</pre>' in html
    assert "<li>Wait</li>" in html
    assert reverse("admin:connectors_delivery_change", args=(delivery.pk,)) in html


def test_deliveries_are_shown_to_those_who_may_see_them(client: Client) -> None:
    event = make_event()
    event.save()
    delivery = delivery_for(Order(make_connector(), make_message(id=str(event.pk)), "subscription:1"))
    delivery.save(force_insert=True)
    html = staff(client, "view_event").get(page("event_change", event.pk)).text
    assert reverse("admin:connectors_delivery_change", args=(delivery.pk,)) not in html


def test_events_cannot_be_added_changed_or_deleted(admin_client: Client) -> None:
    event = make_event()
    event.save()
    assert admin_client.get(page("event_add")).status_code == 403
    assert admin_client.post(page("event_change", event.pk), {"title": "nothing"}).status_code == 403
    assert admin_client.post(page("event_delete", event.pk), {"post": "yes"}).status_code == 403
    assert Event.objects.get().title == event.title


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"event_type": "pod_crash_loop"}, 1),
        ({"event_type": "hpa_maxed"}, 0),
        ({"status__exact": "firing"}, 1),
        ({"severity__exact": "low"}, 0),
        ({"q": "my-app-123"}, 1),
        ({"q": "nowhere"}, 0),
    ],
)
def test_events_are_found_by_filters_and_search(
    admin_client: Client, query: dict[str, str], found: int
) -> None:
    make_event(title="Pod my-app-123 in crash loop").save()
    answer = admin_client.get(page("event_changelist"), query)
    assert len(answer.context["cl"].result_list) == found


def test_a_subscription_offers_no_menu_of_windows_beside_its_connector(admin_client: Client) -> None:
    make_connector()
    html = admin_client.get(page("subscription_add")).text
    assert 'name="connector"' in html
    assert "_popup=1" not in html


# --- The admin as a whole -------------------------------------------------------------------------------


def test_the_sidebar_has_connectors_and_deliveries_under_integrations(admin_client: Client) -> None:
    apps = {app["name"]: app for app in admin_client.get(reverse("admin:index")).context["app_list"]}
    names = {model["name"] for model in apps["Integrations"]["models"]}
    assert names == {"Connectors", "Dead letters", "Deliveries"}


def test_the_admin_is_called_kubegraf_and_has_no_page_of_tokens(admin_client: Client) -> None:
    html = admin_client.get(reverse("admin:index")).text
    assert "KubeGraf" in html
    assert "Token" not in html


@pytest.mark.parametrize(("name", "queries"), [("event_changelist", 6), ("subscription_changelist", 5)])
def test_a_list_takes_as_many_queries_for_one_as_for_twenty(
    admin_client: Client, name: str, queries: int, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        make_event(fingerprint=f"key-{number}").save()
        make_subscription(make_connector(f"hook {number}"), "hpa_maxed")
    with django_assert_num_queries(queries):
        assert admin_client.get(page(name)).status_code == 200
