"""Deleting what somebody else is just writing about: neither of the two fails, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from connectors import cancellation, outbox
from connectors.conversation import Receipt
from connectors.engine import digest, quarantine, rows
from connectors.engine.claim import claim
from connectors.engine.digest import ORIGIN
from connectors.engine.record import Recorder
from connectors.errors import Reason, SendError
from connectors.models import Connector, Delivery, Lease
from connectors.outbox import Order, enqueue
from connectors.transport.drive import Result
from events import external, handling, ingest
from events.models import Cluster, Event, Subscription
from events.record import Batch, write
from events.routing import beginning
from tests.calling import Caller
from tests.events.test_ingest import seen
from tests.fakes.objects import crash_looping, deployment, healed, pod
from tests.making import make_cluster, make_connector, make_event, make_message, make_subscription, written
from tests.races.at_once import interrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_are_locked")]

LATE = SendError(Reason.TIMEOUT, "Late.", retry=True)


def by_program(row: Any) -> int:
    """Deletes it over the API."""
    return Caller(everything=True).call("DELETE", f"{row._meta.model_name}s/{row.pk}/").status_code


def by_person(row: Any) -> int:
    """Deletes it on its page."""
    client = Client()
    client.force_login(User.objects.create_superuser(uuid4().hex))
    page = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/delete/"
    return client.post(page, {"post": "yes"}).status_code


def by_person_with_others(row: Any) -> int:
    """Deletes it in the list."""
    client = Client()
    client.force_login(User.objects.create_superuser(uuid4().hex))
    chosen = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    return client.post(f"/admin/{row._meta.app_label}/{row._meta.model_name}/", chosen).status_code


WAYS = pytest.mark.parametrize(
    ("delete", "done"), [(by_program, 204), (by_person, 302), (by_person_with_others, 302)]
)


def queue(connector: Connector, *names: str) -> list[Delivery]:
    return written(enqueue([Order(connector, make_message(id=name, key=name), "test") for name in names]))


@WAYS
def test_a_connector_while_a_sender_records_what_failed(
    monkeypatch: pytest.MonkeyPatch, delete: Callable[[Any], int], done: int
) -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    claimed = claim(connector.pk)
    recorder = Recorder(connector, claimed)
    answer = interrupt(monkeypatch, recorder, "_record_health", lambda: delete(connector))

    recorder.record([(row, Result(None, LATE, [])) for row in claimed.deliveries])

    assert answer() == done
    assert not Connector.objects.exists()
    assert set(Delivery.objects.values_list("connector", "status")) == {(None, "retrying")}


def test_a_connector_while_a_sender_records_what_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = make_connector()
    queue(connector, "a", "b", "c")
    claimed = claim(connector.pk)
    answer = interrupt(monkeypatch, rows.bulk, "insert_values", lambda: by_program(connector))

    recorder = Recorder(connector, claimed)
    recorder.record([(row, Result(Receipt(), None, [])) for row in reversed(claimed.deliveries)])

    assert answer() == 204
    assert set(Delivery.objects.values_list("connector", "status")) == {(None, "delivered")}


def test_a_connector_while_an_event_that_it_told_of_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = make_connector()
    make_subscription(connector)
    event = make_event()
    write(Batch(new=[event]))
    answer = interrupt(monkeypatch, outbox.tally, "add_cancelled", lambda: by_program(connector))

    assert len(handling.resolve([event.pk], "alice")) == 1

    assert answer() == 204
    assert Event.objects.get().status == "resolved"
    assert set(Delivery.objects.values_list("connector", "status")) == {(None, "cancelled")}


def test_a_connector_while_an_event_is_told_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, kept = make_connector("gone"), make_connector("kept")
    make_subscription(gone)
    make_subscription(kept)
    answer = interrupt(monkeypatch, outbox.ids, "several", lambda: by_program(gone))

    write(Batch(new=[make_event()]))

    assert answer() == 204
    assert set(Delivery.objects.values_list("connector_name", "connector")) == {
        ("kept", kept.pk),
        ("gone", None),
    }


def test_a_connector_while_it_is_told_what_is_open_as_its_hours_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subscription = make_subscription(make_connector())
    write(Batch(new=[make_event()]))
    Delivery.objects.all().delete()
    Subscription.objects.update(begun_at=timezone.now())
    answer = interrupt(monkeypatch, beginning, "_owed", lambda: by_program(subscription.connector))

    assert beginning.begin_hours() == 1

    assert answer() == 204
    assert Delivery.objects.get().connector is None


def test_a_connector_while_what_waits_for_it_is_put_into_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = make_connector(provider="slack", webhook_url="https://hooks.slack.com/services/T0/B0/x")
    Connector.objects.update(digest_after=2)
    connector.refresh_from_db()
    queue(connector, "a", "b", "c")
    answer = interrupt(monkeypatch, digest, "_send_together", lambda: by_program(connector))

    assert len(digest.gather(connector)) == 1

    assert answer() == 204
    assert set(Delivery.objects.values_list("connector", "status")) == {(None, "sending"), (None, "pending")}


def test_a_connector_while_its_digest_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = make_connector()
    contents, made = queue(connector, "a"), queue(connector, "the digest")
    Delivery.objects.filter(pk=made[0].pk).update(origin=ORIGIN)
    Delivery.objects.filter(pk=contents[0].pk).update(status="sending", sent_in=made[0])
    answer = interrupt(monkeypatch, cancellation, "_contents", lambda: by_program(connector))

    assert cancellation.cancel(made, by="alice") == 1

    assert answer() == 204
    assert set(Delivery.objects.values_list("connector", "status")) == {(None, "cancelled")}


def test_a_connector_while_two_dead_senders_of_it_are_buried(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = make_connector()
    queue(connector, "a", "b")
    claim(connector.pk, 1)
    claim(connector.pk, 1)
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    answer = interrupt(monkeypatch, quarantine.tally, "add_lost", lambda: by_program(connector))

    quarantine.bury()

    assert answer() == 204
    assert set(Delivery.objects.values_list("connector", "status")) == {(None, "retrying")}


@WAYS
def test_a_cluster_while_its_watcher_writes(
    monkeypatch: pytest.MonkeyPatch, delete: Callable[[Any], int], done: int
) -> None:
    cluster = make_cluster()
    watch = ingest.Ingest(cluster, {"pod_crash_loop": {"clear_after": 0}})
    watch.apply([seen(crash_looping(pod("web-1", "shop"))), seen(deployment("web", 2, "shop"))])
    answer = interrupt(monkeypatch, ingest, "write", lambda: delete(cluster))

    watch.apply([seen(healed(pod("web-1", "shop"))), seen(deployment("web", 3, "shop"))])

    assert answer() == done
    assert not Cluster.objects.exists()
    assert set(Event.objects.values_list("cluster", "status")) == {(None, "resolved"), (None, "occurred")}


def test_a_cluster_while_an_event_of_it_is_reported_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, caller = make_cluster(), Caller(everything=True)
    answer = interrupt(monkeypatch, external, "write", lambda: by_program(cluster))

    said = {"event_type": "http_500", "title": "Errors", "cluster": cluster.name}
    assert caller.post("events/", said)["title"] == "Errors"

    assert answer() == 204
    assert Event.objects.get().cluster is None
