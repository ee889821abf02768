"""The form of subscriptions: what they offer, what they take, where errors land."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.models import Connector
from events import catalog
from events.console.subscription_form import SubscriptionForm, event_type_choices
from events.models import Subscription
from tests.making import make_connector, make_subscription

pytestmark = pytest.mark.django_db

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: production
clusters: [{name: production, cluster: {server: "https://kubernetes.example.com:6443"}}]
users: [{name: kubegraf, user: {token: hush-hush-4711}}]
contexts: [{name: production, context: {cluster: production, user: kubegraf}}]
"""


def subscription_form(connector: Connector, **posted: Any) -> SubscriptionForm:
    """The form of a new subscription, as posted."""
    return SubscriptionForm({"connector": connector.pk, "min_severity": "info", **posted})


def errors_of(form: Any) -> dict[str, list[str]]:
    """Every error, by field."""
    return {name: list(texts) for name, texts in form.errors.items()}


# --- Subscriptions --------------------------------------------------------------------------------------


def test_every_name_of_the_catalog_is_offered_under_its_heading() -> None:
    groups = dict(event_type_choices())
    offered = [name for group in groups.values() for name, _ in group]
    assert sorted(offered) == sorted([catalog.ALL, *catalog.ALIASES, *catalog.EVENT_TYPES])
    assert "hpa_maxed" in [name for name, _ in groups["Application"]]


def test_an_event_type_that_nothing_here_finds_says_so() -> None:
    form = str(subscription_form(make_connector())["event_types"])

    def row(name: str) -> str:
        start = form.index(f'value="{name}"')
        return form[start : form.index("</label>", start)]

    words = "Not watched for yet: comes only where it is reported over the API."
    assert words in row("high_cpu")
    others = ("pod_crash_loop", "cluster_unhealthy", "pod_crash", "prometheus_alert")
    assert [name for name in others if words in row(name)] == []


def test_a_subscription_is_read_whole() -> None:
    form = subscription_form(
        make_connector(),
        event_types=["pod_crash", "hpa_maxed"],
        min_severity="high",
        namespaces="prod-*\nstaging",
        clusters="eu, us",
        conditions='{"restart_count": 5}',
    )
    assert errors_of(form) == {}
    saved = form.save()
    assert (saved.event_types, saved.min_severity) == (["pod_crash", "hpa_maxed"], "high")
    assert (saved.namespaces, saved.clusters) == (["prod-*", "staging"], ["eu", "us"])
    assert saved.conditions == {"restart_count": 5}


def test_a_new_subscription_begins_with_every_severity() -> None:
    assert SubscriptionForm()["min_severity"].value() == "info"


def test_nothing_said_is_everything() -> None:
    saved = subscription_form(make_connector()).save()
    assert (saved.event_types, saved.namespaces, saved.clusters, saved.conditions) == ([], [], [], {})


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ('{"namespac": "a"}', "There is no condition 'namespac'. Did you mean 'namespace'?"),
        ('{"restart_count": "many"}', "'restart_count' wants a number."),
        ('["namespace"]', 'Conditions are an object such as {"namespace": "production"}.'),
        ("{", "This is not JSON: Expecting property name enclosed in double quotes in line 1, column 2."),
    ],
)
def test_conditions_that_cannot_hold_are_refused_at_their_field(conditions: str, words: str) -> None:
    form = subscription_form(make_connector(), conditions=conditions)
    assert errors_of(form) == {"conditions": [words]}


def test_an_unknown_event_type_is_refused_at_its_field() -> None:
    form = subscription_form(make_connector(), event_types=["pod_crush"])
    assert list(errors_of(form)) == ["event_types"]


def test_a_stored_type_that_is_no_longer_known_is_shown_rather_than_dropped() -> None:
    subscription = make_subscription(make_connector(), "hpa_maxed")
    Subscription.objects.update(event_types=["hpa_maxed", "retired_type"])
    subscription.refresh_from_db()
    assert "there is no such type any more" in SubscriptionForm(instance=subscription).as_p()
    posted = {"connector": subscription.connector_id, "min_severity": "info"}
    form = SubscriptionForm({**posted, "event_types": ["retired_type"]}, instance=subscription)
    assert "There is no event type 'retired_type'" in errors_of(form)["event_types"][0]


OFFICE = {"timezone": "Europe/Berlin", "days": ["mon", "fri"], "from": "08:00", "to": "18:00"}


def hours(**more: Any) -> dict[str, Any]:
    """The inputs of a schedule, as posted."""
    said = {"mode": "hours", **OFFICE, **more}
    return {f"schedule_{name}": value for name, value in said.items()}


def test_hours_are_read_from_their_inputs() -> None:
    assert subscription_form(make_connector(), **hours()).save().schedule == OFFICE


def test_hours_are_shown_in_their_inputs() -> None:
    html = SubscriptionForm(instance=make_subscription(make_connector(), schedule=OFFICE)).as_p()
    assert 'name="schedule_timezone" value="Europe/Berlin"' in html
    assert 'name="schedule_to" value="18:00"' in html


def test_an_end_at_midnight_is_that_of_the_day() -> None:
    form = subscription_form(make_connector(), **hours(to="00:00"))
    assert form.save().schedule == {**OFFICE, "to": "24:00"}


def test_always_is_no_schedule_whatever_its_inputs_say() -> None:
    assert subscription_form(make_connector(), **hours(mode="always")).save().schedule == {}


def test_hours_that_cannot_be_are_refused_at_their_field() -> None:
    form = subscription_form(make_connector(), **hours(timezone="Nowhere"))
    assert errors_of(form) == {
        "schedule": ["There is no time zone 'Nowhere'. It is a name such as Europe/Berlin or UTC."]
    }


def test_a_form_sent_in_as_it_was_shown_is_no_change() -> None:
    connector = make_connector()
    subscription = make_subscription(
        connector, "hpa_maxed", namespaces=["a", "b"], conditions={"count": 2}, schedule=OFFICE
    )
    posted = {
        "connector": connector.pk,
        "enabled": "on",
        "event_types": ["hpa_maxed"],
        "min_severity": "info",
        "namespaces": "a\r\nb",
        "conditions": '{"count": 2}',
        **hours(),
        "send_resolved": "on",
    }
    assert SubscriptionForm(posted, instance=subscription).changed_data == []
