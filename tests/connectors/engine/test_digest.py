"""Many waiting messages sent as one, each of them on record."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from connectors import registry, tally
from connectors.engine.digest import ORIGIN, gather
from connectors.engine.digest_message import MOST, digest, parcels
from connectors.engine.send import deliver
from connectors.message import Message, Severity, Status
from connectors.models import Connector, Delivery
from connectors.outbox import Order, enqueue
from connectors.redelivery import redeliver
from connectors.services.slack import block_kit
from connectors.trial import try_out
from tests.calling import Caller
from tests.making import WHEN, make_connector, make_message, make_resolve, statuses
from tests.receiver import Answer, Received, Receiver

# --- What goes into one, and what it says ---------------------------------------------------------------


def messages(count: int, **more: Any) -> dict[int, Message]:
    return {n: make_message(id=f"event-{n}", key=f"key-{n}", title=f"Pod {n}", **more) for n in range(count)}


def test_a_digest_is_made_only_beyond_the_threshold() -> None:
    assert parcels(messages(20), more_than=20) == []
    assert parcels(messages(21), more_than=20) == [list(range(21))]


def test_a_digest_tells_of_a_hundred_at_most() -> None:
    assert list(map(len, parcels(messages(250), more_than=20))) == [100, 100, 50]


def test_critical_ones_and_the_others_are_counted_apart_and_not_mixed() -> None:
    critical = messages(21, severity=Severity.CRITICAL)
    few = {100 + n: message for n, message in messages(20, severity=Severity.HIGH).items()}
    many = {**few, 120: make_message(severity=Severity.LOW)}

    assert parcels({**critical, **few}, more_than=20) == [list(critical)]
    assert parcels({**critical, **many}, more_than=20) == [list(critical), list(many)]


def test_tests_and_what_is_to_go_by_itself_are_left_out() -> None:
    waiting = messages(4)
    waiting[0] = make_message(test=True)

    assert parcels(waiting, more_than=1, alone={"event-2"}) == [[1, 3]]


def test_what_is_wanted_in_different_places_is_not_mixed() -> None:
    shop = messages(3, routing={"slack-channel": "#shop"})
    others = {10 + n: message for n, message in messages(2).items()}
    lonely = {20: make_message(routing={"slack-channel": "#pay"})}

    assert parcels({**shop, **others, **lonely}, more_than=2) == [[0, 1, 2], [10, 11]]


def test_a_digest_lists_the_worst_first() -> None:
    told = [
        make_message(title="Pod a", severity=Severity.MEDIUM),
        make_message(title="Pod b", severity=Severity.HIGH),
        make_message(title="Pod c", severity=Severity.MEDIUM, status=Status.RESOLVED),
    ]

    made = digest(told, name="1", at=WHEN, url="https://kubegraf.example.com/")

    assert (made.title, made.severity, made.status) == ("3 events", Severity.HIGH, Status.OCCURRED)
    assert made.description.startswith("1 high, 2 medium. ")
    assert list(made.details.items()) == [
        ("High", "• Pod b (default, production)"),
        ("Medium", "• Pod a (default, production)\n• Resolved: Pod c (default, production)"),
    ]
    assert (made.count, made.url) == (3, "https://kubegraf.example.com/")


def a_hundred() -> tuple[list[str], Message]:
    titles = [f"Pod checkout-{n:03} has been restarted" for n in range(MOST)]
    levels = [severity for severity in Severity if severity is not Severity.CRITICAL]
    told = [
        make_message(title=title, severity=levels[number % 4], namespace="a-namespace", cluster="production")
        for number, title in enumerate(titles)
    ]
    return titles, digest(told, name="1", at=WHEN)


@pytest.mark.parametrize("slug", [p.slug for p in registry.all_providers().values() if p.digests])
def test_a_hundred_are_all_told_whatever_the_service(slug: str) -> None:
    titles, made = a_hundred()
    provider = registry.provider(slug)

    content = provider.preview(provider.config_class.model_validate(dict(provider.example)), made).content

    shown = json.dumps(content, ensure_ascii=False)
    assert [title for title in titles if title not in shown.replace("\\\\", "")] == []


def test_a_digest_of_long_titles_stays_within_slacks_limit() -> None:
    told = [make_message(title="<&> " * 100, severity=Severity.HIGH) for _ in range(MOST)]
    blocks = block_kit.blocks(digest(told, name="1", at=WHEN))
    assert len(json.dumps(blocks, ensure_ascii=False)) <= block_kit.TOTAL


# --- Deliveries -----------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db(transaction=True)


DOWN: Answer = (503, {}, b"down")


def slack(receiver: Receiver, **more: object) -> Connector:
    connector = make_connector("slack", "slack", webhook_url=f"{receiver.url}/services/T0/B0/abc123")
    Connector.objects.filter(pk=connector.pk).update(**more)
    connector.refresh_from_db()
    return connector


def bot(receiver: Receiver) -> Connector:
    """A connector that can change its messages later."""

    def answer(request: Received) -> Answer:
        return 200, {}, {"ok": True, "channel": "C1", "ts": f"{len(receiver.requests)}.0"}

    receiver.script(answer)
    token = {"bot_token": "xoxb-123-abc", "channel": "#alerts", "api_url": f"{receiver.url}/api"}
    connector = make_connector("bot", "slack", **token)
    Connector.objects.filter(pk=connector.pk).update(rate_per_second=1000)
    return connector


def queue(connector: Connector, *told: Message) -> None:
    enqueue([Order(connector, message, "test") for message in told])


def storm(count: int, severity: Severity = Severity.HIGH) -> list[Message]:
    return list(messages(count, severity=severity).values())


def the_digest() -> Delivery:
    return Delivery.objects.get(origin=ORIGIN)


def texts(receiver: Receiver) -> list[str]:
    return [request.json()["text"] for request in receiver.requests]


def test_a_storm_arrives_as_one_message_and_each_delivery_is_on_record(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slack(receiver)
    queue(connector, *storm(37))

    deliver(connector.pk)

    assert texts(receiver) == ["High: 37 events"]
    made = the_digest()
    assert (made.status, made.attempt_count) == ("delivered", 1)
    contents = Delivery.objects.filter(sent_in=made)
    assert contents.count() == 37
    assert set(contents.values_list("status", "note", "attempt_count", "reason")) == {
        ("delivered", "Told in a digest.", 0, "")
    }
    assert not contents.filter(settled_at=None).exists()
    assert made.priority == Severity.HIGH.rank
    counted = {count.labels: count.amount for count in tally.totals()[tally.DELIVERIES]}
    assert counted == {("slack", "delivered"): 38}


def test_as_many_as_the_threshold_are_sent_one_by_one(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slack(receiver, digest_after=3, rate_per_second=100)
    queue(connector, *storm(3))

    deliver(connector.pk)

    assert len(receiver.requests) == 3
    assert not Delivery.objects.filter(origin=ORIGIN).exists()


def test_a_threshold_of_nought_means_never(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver, digest_after=0, rate_per_second=100)
    queue(connector, *storm(30))

    deliver(connector.pk)

    assert len(receiver.requests) == 30


def test_a_few_critical_ones_go_by_themselves_and_first(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slack(receiver)
    queue(connector, *storm(30))
    queue(connector, make_message(id="x", key="x", title="The shop is down", severity=Severity.CRITICAL))

    deliver(connector.pk)
    clock.shift(1)
    deliver(connector.pk)

    assert [text.split(" (")[0] for text in texts(receiver)] == [
        "Critical: The shop is down",
        "High: 30 events",
    ]


def test_what_a_sender_has_died_of_is_not_put_into_a_digest(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = slack(receiver)
    queue(connector, *storm(30))
    poison = Delivery.objects.order_by("id")[0]
    Delivery.objects.filter(pk=poison.pk).update(status="retrying", reason="unknown", attempt_count=1)

    deliver(connector.pk)

    poison.refresh_from_db()
    assert poison.sent_in is None
    assert Delivery.objects.filter(sent_in=the_digest()).count() == 29


def test_many_critical_ones_are_told_at_once(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver)
    queue(connector, *storm(30, Severity.CRITICAL))

    deliver(connector.pk)

    assert texts(receiver) == ["Critical: 30 events"]


def test_a_service_that_machines_read_gets_no_digest(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = make_connector(url=f"{receiver.url}/in")
    queue(connector, *storm(30))

    deliver(connector.pk, seconds=30)

    assert len(receiver.requests) == 30


def test_a_test_is_not_put_into_a_digest(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver)
    queue(connector, *storm(30))

    trial = try_out(connector)

    assert (trial.delivery.status, trial.delivery.sent_in) == ("delivered", None)
    assert "[Test]" in texts(receiver)[0]


def test_while_a_digest_is_tried_again_its_contents_wait_with_it(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    receiver.script([(503, {}, b"down")])
    connector = slack(receiver)
    queue(connector, *storm(30))
    queue_of = Delivery.objects.filter(sent_in__isnull=False)

    deliver(connector.pk)
    assert the_digest().status == "retrying"
    assert set(queue_of.values_list("status", flat=True)) == {"sending"}

    clock.shift(3600)
    deliver(connector.pk)
    assert set(queue_of.values_list("status", flat=True)) == {"delivered"}
    assert texts(receiver) == ["High: 30 events"] * 2


def test_when_a_digest_has_failed_to_the_end_so_have_its_contents(
    receiver: Receiver, clock: time_machine.Traveller, settings: Any
) -> None:
    settings.RETRY_SCHEDULE = []
    receiver.script([(503, {}, b"down")])
    connector = slack(receiver)
    queue(connector, *storm(30))

    deliver(connector.pk)

    contents = Delivery.objects.filter(sent_in=the_digest())
    assert set(contents.values_list("status", "reason")) == {("failed", "server_error")}
    assert "HTTP 503" in contents[0].note
    assert contents[0].settled_at is not None

    redeliver([the_digest()])
    clock.shift(1)
    deliver(connector.pk)
    assert set(contents.values_list("status", "reason")) == {("delivered", "")}


def test_what_was_in_a_refused_digest_is_sent_one_by_one(
    receiver: Receiver, clock: time_machine.Traveller, settings: Any
) -> None:
    settings.RETRY_SCHEDULE = [5]
    receiver.script([(400, {}, b"invalid_payload")])
    connector = slack(receiver, digest_after=2, rate_per_second=100)
    queue(connector, *storm(3))

    deliver(connector.pk)

    made = the_digest()
    assert made.status == "failed"
    assert set(Delivery.objects.filter(sent_in=made).values_list("status", "attempt_count")) == {
        ("delivered", 1)
    }


@pytest.mark.parametrize(
    ("answer", "reason"), [((400, {}, b"invalid_payload"), "invalid_message"), (DOWN, "server_error")]
)
def test_what_was_told_one_by_one_stays_so_when_its_digest_fails_once_more(
    receiver: Receiver, clock: time_machine.Traveller, settings: Any, answer: Answer, reason: str
) -> None:
    settings.RETRY_SCHEDULE = []
    connector = slack(receiver, digest_after=1)
    queue(connector, *storm(3))
    [made] = gather(connector)
    Delivery.objects.exclude(pk=made.pk).update(status="delivered")
    Delivery.objects.filter(pk=made.pk).update(status="failed")
    receiver.script(lambda request: answer)

    redeliver([made])
    deliver(connector.pk)

    made.refresh_from_db()
    assert (made.status, made.reason) == ("failed", reason)
    assert set(Delivery.objects.filter(sent_in=made).values_list("status", flat=True)) == {"delivered"}
    assert len(receiver.requests) == 1


def test_digests_are_not_put_into_a_digest(receiver: Receiver) -> None:
    connector = slack(receiver, digest_after=1)
    for number in range(2):
        names = (f"{number}-a", f"{number}-b")
        queue(connector, *(make_message(id=name, key=name, severity=Severity.HIGH) for name in names))
        assert len(gather(connector)) == 1

    assert gather(connector) == []


def test_what_became_of_what_was_never_told_is_not_put_into_a_digest(receiver: Receiver) -> None:
    connector = slack(receiver, digest_after=1)
    told = storm(3)
    queue(connector, *told)
    Delivery.objects.update(status="failed", attempt_count=8)
    queue(connector, *map(make_resolve, told))

    deliver(connector.pk)

    assert receiver.requests == []
    assert statuses(connector) == ["failed"] * 3 + ["cancelled"] * 3


def test_one_that_cannot_be_read_goes_alone_and_stops_no_digest(receiver: Receiver) -> None:
    connector = slack(receiver, digest_after=1)
    queue(connector, *storm(3))
    unreadable = Delivery.objects.order_by("id")[0]
    Delivery.objects.filter(pk=unreadable.pk).update(message={})

    [made] = gather(connector)

    assert Delivery.objects.filter(sent_in=made).count() == 2
    unreadable.refresh_from_db()
    assert (unreadable.status, unreadable.sent_in) == ("pending", None)


def test_the_end_of_what_a_digest_told_of_is_a_message_of_its_own(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = bot(receiver)
    told = storm(30)
    queue(connector, *told)
    deliver(connector.pk)

    clock.shift(60)
    queue(connector, make_resolve(told[0]))
    deliver(connector.pk)

    assert [request.path for request in receiver.requests] == ["/api/chat.postMessage"] * 2
    assert "thread_ts" not in receiver.requests[1].json()
    assert texts(receiver)[1].startswith("Resolved: Pod 0")
    assert statuses(connector)[-1] == "delivered"


def test_what_can_still_be_changed_where_it_stands_is_changed_there(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    connector = bot(receiver)
    first = make_message(id="early", key="early", title="Pod early", severity=Severity.HIGH)
    queue(connector, first)
    deliver(connector.pk)

    clock.shift(60)
    queue(connector, make_resolve(first), *storm(30))
    deliver(connector.pk)

    updated = [request.json()["ts"] for request in receiver.requests if request.path.endswith("chat.update")]
    assert updated == ["1.0"]
    assert the_digest().message["count"] == 30


def test_the_end_waits_until_the_digest_that_tells_of_the_beginning_has_arrived(
    receiver: Receiver, clock: time_machine.Traveller
) -> None:
    receiver.script([(503, {}, b"down")])
    connector = slack(receiver, rate_per_second=100)
    told = storm(30)
    queue(connector, *told)
    deliver(connector.pk)

    queue(connector, make_resolve(told[0]))
    deliver(connector.pk)
    assert len(receiver.requests) == 1

    clock.shift(3600)
    deliver(connector.pk)
    assert [text.split(" (")[0] for text in texts(receiver)[1:]] == ["High: 30 events", "Resolved: Pod 0"]


def test_a_digest_and_its_contents_outlast_a_pause(receiver: Receiver, clock: time_machine.Traveller) -> None:
    receiver.script([(410, {}, b"no_service")])
    connector = slack(receiver)
    queue(connector, *storm(30))
    deliver(connector.pk)
    connector.refresh_from_db()
    assert connector.paused_at is not None
    assert the_digest().status == "retrying"

    Connector.objects.update(paused_at=None)
    clock.shift(1)
    deliver(connector.pk)

    assert set(Delivery.objects.values_list("status", flat=True)) == {"delivered"}


def test_the_api_lists_what_a_digest_told_of(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver)
    queue(connector, *storm(30))
    deliver(connector.pk)
    made = the_digest()

    answer = Caller(everything=True).get("deliveries/", sent_in=str(made.pk))

    assert len(answer["results"]) == 30
    assert {row["sent_in"] for row in answer["results"]} == {str(made.pk)}


def test_a_digest_links_to_the_list_of_what_it_tells_of(
    receiver: Receiver, clock: time_machine.Traveller, admin_client: Any
) -> None:
    connector = slack(receiver)
    queue(connector, *storm(30))
    deliver(connector.pk)

    address = the_digest().message["url"].removeprefix("http://kubegraf.example.com")
    page = admin_client.get(address)

    assert page.status_code == 200
    assert page.context["cl"].result_count == 30


def test_what_waits_for_its_next_try_is_left_out(receiver: Receiver, clock: time_machine.Traveller) -> None:
    connector = slack(receiver, digest_after=2, rate_per_second=100)
    queue(connector, *storm(5))
    later = timezone.now() + timedelta(hours=1)
    Delivery.objects.filter(message_id="event-0").update(status="retrying", next_attempt_at=later)

    deliver(connector.pk)

    assert texts(receiver) == ["High: 4 events"]
    assert Delivery.objects.get(message_id="event-0").status == "retrying"
