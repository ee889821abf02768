"""A message or an integration that can only fail ends on record as failed, and holds up nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.models import Connector, Delivery
from tests.making import make_subscription
from tests.receiver import Receiver
from tests.reliability.traffic import crew, happen, outcomes, received, statuses, subscribed
from tests.running import Processes
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def broken(folder: str, mishap: str) -> str:
    """Python that adds, to a process that runs it as it starts, an integration of which that comes."""
    source = f"""
from typing import ClassVar
from connectors.conversation import Receipt
from connectors.provider import Config, Preview, Provider

class Broken(Provider[Config]):
    slug = "broken"
    label = "Broken"
    summary = "Comes to grief."
    config_class = Config
    example: ClassVar = {{}}

    def send(self, config, dispatch):
        name = dispatch.message.title
        {mishap}

    def preview(self, config, message):
        raise NotImplementedError
"""
    return f"""
import pathlib
import connectors.providers
folder = pathlib.Path({folder!r})
folder.mkdir(exist_ok=True)
(folder / "broken.py").write_text({source!r})
connectors.providers.__path__.append(str(folder))
"""


@pytest.fixture
def worker_with(
    processes: Processes, meddled: Callable[[str], dict[str, str]], tmp_path: object
) -> Callable[[str], dict[str, str]]:
    """The environment of a worker with an integration named "broken", which does that when it sends."""
    return lambda mishap: meddled(broken(f"{tmp_path}/integrations", mishap))


def connector_of_broken() -> Connector:
    """A connector of the integration that is broken, wanting everything."""
    connector = Connector.objects.create(name="broken", provider="broken", enabled=True)
    make_subscription(connector)
    return connector


def name(*titles: str) -> None:
    """Gives the first deliveries of the broken connector these titles, by which it tells them apart."""
    for title, delivery in zip(
        titles, Delivery.objects.filter(provider="broken").order_by("id"), strict=False
    ):
        Delivery.objects.filter(pk=delivery.pk).update(message={**delivery.message, "title": title})


@pytest.mark.any_database
def test_an_integration_that_always_fails_ends_as_failed(
    receiver: Receiver, processes: Processes, worker_with: Callable[[str], dict[str, str]]
) -> None:
    connector_of_broken()
    subscribed(receiver)
    happen(3)
    mishap = "return {'1': lambda: 1 / 0, '2': lambda: iter(['nonsense']), '3': lambda: None}[name]()"
    name("1", "2", "3")
    worker, _ = crew(processes, KUBEGRAF_RETRY_SCHEDULE="0.1", **worker_with(mishap))

    until(lambda: statuses() == {"failed": 3, "delivered": 3}, what=str(statuses()))
    assert set(Delivery.objects.filter(status="failed").values_list("reason", flat=True)) == {"internal"}
    assert worker.running


def test_a_reference_that_cannot_be_stored_holds_up_nothing(
    processes: Processes, worker_with: Callable[[str], dict[str, str]]
) -> None:
    connector_of_broken()
    processes.worker(**worker_with("return Receipt(remote={'id': {1}, 'n': float('nan')})\n        yield"))

    happen(3)

    until(lambda: statuses() == {"delivered": 3})
    assert [delivery.remote for delivery in Delivery.objects.all()] == [{"id": "{1}", "n": "nan"}] * 3


@pytest.mark.any_database
def test_a_message_that_cannot_be_read_ends_as_failed(receiver: Receiver, processes: Processes) -> None:
    subscribed(receiver)
    happen(7)
    unreadable: list[object] = [{}, [], {"status": "firing", "test": False}, {"id": 1}, "text"]
    deliveries = Delivery.objects.order_by("id")
    poisoned = [delivery.pk for delivery in deliveries[1:6]]
    for pk, message in zip(poisoned, unreadable, strict=True):
        deliveries.filter(pk=pk).update(message=message)

    crew(processes, KUBEGRAF_RETRY_SCHEDULE="0.1")

    until(lambda: statuses() == {"failed": 5, "delivered": 2})
    assert set(deliveries.filter(pk__in=poisoned).values_list("status", "reason")) == {("failed", "internal")}
    assert not {str(pk) for pk in poisoned} & set(received(receiver))


@pytest.mark.any_database
def test_a_message_that_kills_every_worker_ends_as_failed_and_takes_no_other_with_it(
    processes: Processes, worker_with: Callable[[str], dict[str, str]]
) -> None:
    connector_of_broken()
    deadly = "import os; os.kill(os.getpid(), 9) if name == 'deadly' else None"
    env = worker_with(f"{deadly}; return Receipt()\n        yield")
    env |= {"KUBEGRAF_RETRY_SCHEDULE": "0.1,0.1", "KUBEGRAF_LEASE_SECONDS": "1"}
    happen(5)
    name("1", "2", "deadly")
    poison = Delivery.objects.order_by("id")[2]
    worker, _ = crew(processes, **env)
    for _ in range(6):
        until(lambda worker=worker: not worker.running or set(statuses()) <= {"failed", "delivered"})  # type: ignore[misc]
        if worker.running:
            break
        worker = processes.worker(**env)

    until(lambda: statuses() == {"failed": 1, "delivered": 4})
    poison.refresh_from_db()
    assert (poison.status, poison.reason) == ("failed", "unknown")
    assert "unknown" in outcomes(poison)
    assert worker.running
