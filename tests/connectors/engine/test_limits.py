"""How fast a connector sends, whoever sends through it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse

from connectors.console.connector_form import form_for
from connectors.engine import limits
from connectors.engine.bucket import Buckets
from connectors.engine.send import deliver
from connectors.message import Severity
from connectors.models import Connector, Delivery
from connectors.outbox import Order, enqueue, resume
from connectors.provider import Rate
from connectors.providers.github import GitHub
from connectors.trial import try_out
from tests.calling import Caller, mistakes
from tests.making import make_connector, make_message, statuses
from tests.receiver import Answer, Received, Receiver
from tests.running import Processes

# --- Buckets --------------------------------------------------------------------------------------------


def buckets(*rates: Rate) -> Buckets:
    """Full ones."""
    return Buckets.after(rates, (), 0)


@pytest.mark.parametrize(("rate", "size"), [(Rate(1), 1), (Rate(4), 4), (Rate(80, 60), 80), (Rate(0.5), 1)])
def test_a_full_bucket_lets_as_many_through_as_its_rate_names_and_one_at_least(rate: Rate, size: int) -> None:
    full = buckets(rate)

    assert full.whole == size
    assert full.less(size).whole == 0


def test_a_bucket_fills_evenly_and_not_beyond_its_size() -> None:
    rates = (Rate(4),)

    assert Buckets.after(rates, (0.0,), 0.5).tokens == (2.0,)
    assert Buckets.after(rates, (0.0,), 60).tokens == (4.0,)


def test_of_several_rates_the_narrowest_counts() -> None:
    both = Buckets((Rate(1), Rate(80, 60)), (1.0, 0.25))

    assert both.whole == 0
    assert both.seconds_to_next == pytest.approx(0.75 * 60 / 80)


def test_after_the_time_to_the_next_there_is_one() -> None:
    rates = (Rate(3, 7),)
    empty = Buckets(rates, (0.1,))

    assert Buckets.after(rates, empty.tokens, empty.seconds_to_next).whole == 1
    assert buckets(*rates).seconds_to_next == 0


def test_buckets_are_full_when_the_number_of_rates_has_changed() -> None:
    assert Buckets.after((Rate(1), Rate(80, 60)), (0.0,), 0).tokens == (1.0, 80)


def test_a_clock_that_was_set_back_takes_nothing_out() -> None:
    assert Buckets.after((Rate(4),), (2.0,), -3600).tokens == (2.0,)


def test_github_is_never_sent_more_in_an_hour_than_it_lets_be_created() -> None:
    held = buckets(*GitHub.rates)
    sent: list[int] = []
    for _ in range(2 * 3_600):
        sent.append(held.whole)
        held = Buckets.after(held.rates, held.less(held.whole).tokens, 1)

    assert max(sum(sent[start : start + 60]) for start in range(3_600)) <= 80
    assert max(sum(sent[start : start + 3_600]) for start in range(3_600)) <= 500


# --- Connectors -----------------------------------------------------------------------------------------


def slack(receiver: Receiver, **more: object) -> Connector:
    connector = make_connector("slack", "slack", webhook_url=f"{receiver.url}/services/T0/B0/abc123")
    Connector.objects.filter(pk=connector.pk).update(**more)
    return connector


def queue(connector: Connector, *names: str, severity: Severity = Severity.HIGH) -> None:
    enqueue([Order(connector, make_message(id=n, key=n, title=n, severity=severity), "test") for n in names])


def told(receiver: Receiver) -> list[str]:
    """The titles of what came in, in that order, from Slack's fallback text: `High: a (Pod/…)`."""
    return [request.json()["text"].split(": ")[1].split(" (")[0] for request in receiver.requests]


@pytest.mark.django_db(transaction=True)
def test_slack_gets_one_message_a_second(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver)
    queue(connector, "a", "b", "c")

    assert deliver(connector.pk) is False
    assert told(receiver) == ["a"]

    clock.shift(0.9)
    deliver(connector.pk)
    assert told(receiver) == ["a"]

    clock.shift(0.1)
    deliver(connector.pk)
    assert told(receiver) == ["a", "b"]
    assert statuses(connector) == ["delivered", "delivered", "pending"]
    assert Delivery.objects.filter(status="pending").values_list("attempt_count", flat=True)[0] == 0


@pytest.mark.django_db(transaction=True)
def test_what_is_critical_is_ahead_when_there_is_room_for_one(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slack(receiver)
    queue(connector, "a", "b")
    deliver(connector.pk)
    queue(connector, "worse", severity=Severity.CRITICAL)

    clock.shift(1)
    deliver(connector.pk)

    assert told(receiver) == ["a", "worse"]


@pytest.mark.django_db(transaction=True)
def test_one_of_those_who_ask_is_told_when_to_ask_again(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slack(receiver)
    queue(connector, "a", "b", "c")
    waits: list[float] = []

    for _ in range(3):
        deliver(connector.pk, later=waits.append)
    assert waits == [pytest.approx(1)]

    clock.shift(1)
    deliver(connector.pk, later=waits.append)
    assert waits == [pytest.approx(1), pytest.approx(1)]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_saw_the_bucket_at_the_same_time_one_is_to_ask_again(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    slack(receiver)
    queue(Connector.objects.get(), "a", "b")
    first, *others = [Connector.objects.get() for _ in range(3)]
    assert limits.claim_within(first).claimed.deliveries

    admissions = [limits.claim_within(other) for other in others]

    assert [admission.again_in for admission in admissions] == [pytest.approx(1.0), None]
    assert not any(admission.claimed.deliveries for admission in admissions)


@pytest.mark.django_db(transaction=True)
def test_nobody_is_to_ask_again_when_nothing_waits(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver)
    queue(connector, "a")
    waits: list[float] = []

    deliver(connector.pk, later=waits.append)

    assert (told(receiver), waits) == (["a"], [])


@pytest.mark.django_db(transaction=True)
def test_a_connectors_own_rate_stands_in_for_its_providers(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slack(receiver, rate_per_second=3)
    queue(connector, *"abcde")

    deliver(connector.pk)

    assert sorted(told(receiver)) == ["a", "b", "c"]


@pytest.mark.django_db(transaction=True)
def test_a_connector_without_a_rate_is_not_held_up(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = make_connector(url=f"{receiver.url}/in")
    queue(connector, *(str(n) for n in range(40)))

    deliver(connector.pk)

    assert statuses(connector) == ["delivered"] * 40
    connector.refresh_from_db()
    assert (connector.tokens, connector.tokens_at) == ([], None)


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_resolve_takes_no_token(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver)
    enqueue([Order(connector, make_message(id="x", key="x", status="resolved"), "test")])
    Delivery.objects.update(status="pending")
    queue(connector, "a")

    deliver(connector.pk)

    assert statuses(connector) == ["cancelled", "delivered"]


def slowed_down(receiver: Receiver, headers: dict[str, str]) -> Connector:
    """A connector whose first message was one too many."""
    connector = make_connector(url=f"{receiver.url}/in")
    receiver.script([(429, headers, b"slow down")])
    queue(connector, "a")
    deliver(connector.pk)
    return connector


def asks_to_wait(**headers: str) -> Callable[[Received], Answer]:
    """A receiver that takes nothing for now."""
    return lambda _: (429, headers, b"slow down")


@pytest.mark.django_db(transaction=True)
def test_all_wait_as_long_as_the_service_asks_when_one_was_too_many(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = make_connector(url=f"{receiver.url}/in")
    receiver.script(asks_to_wait(**{"Retry-After": "600"}))
    queue(connector, "a")
    deliver(connector.pk)

    queue(connector, "b", "c")
    clock.shift(599)
    deliver(connector.pk)
    assert len(receiver.requests) == 1
    assert list(Delivery.objects.order_by("id").values_list("attempt_count", flat=True)) == [1, 0, 0]

    receiver.script([])
    clock.shift(1)
    deliver(connector.pk)
    assert statuses(connector) == ["delivered"] * 3


@pytest.mark.django_db(transaction=True)
def test_a_service_that_asks_to_wait_for_a_day_is_asked_again_in_an_hour(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = make_connector(url=f"{receiver.url}/in")
    receiver.script(asks_to_wait(**{"Retry-After": "86400"}))
    queue(connector, "a")
    deliver(connector.pk)
    receiver.script([])
    queue(connector, "b")

    clock.shift(3_600)
    deliver(connector.pk)

    assert statuses(connector) == ["retrying", "delivered"]


@pytest.mark.django_db(transaction=True)
def test_others_go_on_where_the_service_does_not_say_how_long_to_wait(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slowed_down(receiver, {})
    queue(connector, "b")

    deliver(connector.pk)

    assert statuses(connector) == ["retrying", "delivered"]


@pytest.mark.django_db(transaction=True)
def test_a_clock_that_was_set_back_makes_no_wait_longer(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slowed_down(receiver, {"Retry-After": "600"})
    clock.shift(-86_400)
    queue(connector, "b")

    deliver(connector.pk)

    assert statuses(connector) == ["retrying", "delivered"]


@pytest.mark.django_db(transaction=True)
def test_whoever_resumes_a_connector_has_it_wait_no_longer(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slowed_down(receiver, {"Retry-After": "600"})
    queue(connector, "b")

    resume(connector)
    deliver(connector.pk)

    assert statuses(connector) == ["retrying", "delivered"]


@pytest.mark.django_db(transaction=True)
def test_a_test_is_never_held_up(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver)
    queue(connector, "a", "b")
    deliver(connector.pk)

    trial = try_out(connector)

    assert trial.delivery.status == "delivered"
    assert len(receiver.requests) == 2


@pytest.mark.django_db(transaction=True)
def test_senders_share_one_bucket(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver, rate_per_second=5)
    queue(connector, *(str(n) for n in range(20)))
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        deliver(connector.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(receiver.requests) == 5
    assert sorted(statuses(connector)) == ["delivered"] * 5 + ["pending"] * 15


@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
def test_a_worker_keeps_the_rate_by_itself(receiver: Receiver, processes: Processes) -> None:
    connector = slack(receiver, rate_per_second=2)
    processes.worker()

    queue(connector, *"abcdef")

    arrivals = [request.at for request in receiver.wait_for(6, 30)]
    # Two at once, then one every half second; the first may have been late by what a busy machine adds.
    assert arrivals[5] - arrivals[0] >= 1.0


# --- Telling it -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_api_takes_a_rate_and_gives_it_back() -> None:
    caller, path = Caller(everything=True), f"connectors/{make_connector().pk}/"

    assert caller.get(path)["rate_per_second"] is None
    assert caller.patch(path, {"rate_per_second": 0.5})["rate_per_second"] == 0.5
    assert caller.patch(path, {"rate_per_second": None})["rate_per_second"] is None


@pytest.mark.django_db
@pytest.mark.parametrize("rate", [0, -1, "fast", 1e9])
def test_the_api_refuses_a_rate_that_is_none(rate: object) -> None:
    connector = make_connector()

    answer = Caller(everything=True).patch(f"connectors/{connector.pk}/", {"rate_per_second": rate}, 400)

    assert list(mistakes(answer)) == ["rate_per_second"]
    connector.refresh_from_db()
    assert connector.rate_per_second is None


@pytest.mark.django_db
def test_the_form_says_what_holds_without_a_rate_and_asks_for_a_threshold_only_where_there_are_digests() -> (
    None
):
    slack_form, webhook_form, github_form = (form_for(slug)() for slug in ("slack", "webhook", "github"))

    assert slack_form.fields["rate_per_second"].help_text == "Empty for what the service allows: 1 a second."
    assert webhook_form.fields["rate_per_second"].help_text == "Empty for no limit."
    assert "1 a second, 100 in 15 minutes." in github_form.fields["rate_per_second"].help_text
    assert "digest_after" in slack_form.fields
    assert "digest_after" not in webhook_form.fields


@pytest.mark.django_db
def test_the_admin_keeps_what_is_entered(admin_client: Client) -> None:
    connector = make_connector("slack", "slack", webhook_url="https://hooks.slack.com/services/T0/B0/abc123")
    page = reverse("admin:connectors_connector_change", args=(connector.pk,))

    assert b"Digest beyond" in admin_client.get(page).content
    posted = {
        "name": "slack",
        "rate_per_second": "2.5",
        "digest_after": "7",
        "config_api_url": "https://slack.com/api",
        "subscriptions-TOTAL_FORMS": "0",
        "subscriptions-INITIAL_FORMS": "0",
    }
    assert admin_client.post(page, posted).status_code == 302

    connector.refresh_from_db()
    assert (connector.rate_per_second, connector.digest_after) == (2.5, 7)
