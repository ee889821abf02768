"""Events for the tests of the promises, and what became of them at the receivers and on record."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from connectors.models import Attempt, Connector, Delivery, Lease, Outcome
from events import external
from events.models import Event
from events.record import Batch, write
from tests.making import make_connector, make_event, make_subscription
from tests.receiver import Receiver
from tests.running import Process, Processes
from tests.waiting import PATIENCE, until

_numbers = itertools.count(1)


def subscribed(receiver: Receiver, name: str = "hook") -> Connector:
    """A webhook to that receiver that wants everything."""
    connector = make_connector(name, url=f"{receiver.url}/in")
    make_subscription(connector)
    return connector


def happen(count: int = 1) -> list[Event]:
    """So many problems begin, each one of its own, reported from outside in one batch."""
    events = [
        make_event(
            fingerprint=f"problem-{number}",
            key=str(number),
            title=f"Problem {number}",
            source=external.SOURCE,
        )
        for number in itertools.islice(_numbers, count)
    ]
    write(Batch(new=events))
    return events


def end(events: Iterable[Event]) -> None:
    """The problems are over."""
    write(Batch(resolved=[(event.pk, datetime.now(UTC)) for event in events]))


def statuses() -> Counter[str]:
    """How many deliveries there are in each state."""
    return Counter(Delivery.objects.values_list("status", flat=True))


def wait_until_all(status: str, count: int, timeout: float = PATIENCE) -> None:
    """Until there are `count` deliveries, all of them in that state."""
    until(lambda: statuses() == {status: count}, timeout, every=0.1, what=f"{count} {status}: {statuses()}")


def received(*receivers: Receiver) -> Counter[str]:
    """How often each delivery came in."""
    return Counter(request.headers["webhook-id"] for each in receivers for request in list(each.requests))


def delivery_ids() -> set[str]:
    """Of all deliveries there are, as receivers see them."""
    return {str(pk) for pk in Delivery.objects.values_list("pk", flat=True)}


def sent_twice_only_where_unknown(*receivers: Receiver) -> None:
    """Asserts what is promised of every delivery once all are settled, whatever died in between.

    Each came in at least once. Each request has an attempt on record. Those that came in more than once are
    those of which a dead sender left an attempt whose end is not known.
    """
    came = received(*receivers)
    assert set(came) == delivery_ids()
    assert being_sent() == 0
    attempts = Counter(str(pk) for pk in Attempt.objects.values_list("delivery_id", flat=True))
    assert {pk: times for pk, times in came.items() if times > attempts[pk]} == {}
    unknown = Counter(
        str(pk)
        for pk in Attempt.objects.filter(outcome=Outcome.UNKNOWN).values_list("delivery_id", flat=True)
    )
    assert {pk: times for pk, times in came.items() if times > 1 + unknown[pk]} == {}


def being_sent() -> int:
    """How many deliveries stand in a lease."""
    return sum(len(lease.deliveries) for lease in Lease.objects.all())


def outcomes(delivery: Delivery | None = None) -> list[str]:
    """How the attempts ended, in their order: those of one delivery or of all."""
    attempts = Attempt.objects.filter(delivery=delivery) if delivery else Attempt.objects.all()
    return list(attempts.order_by("delivery", "number").values_list("outcome", flat=True))


def crew(processes: Processes, workers: int = 1, **env: str) -> list[Process]:
    """Workers, and beat as the last of the list, started side by side; returns when all are ready."""
    started = [processes.start_worker(**env) for _ in range(workers)]
    beat = processes.beat()
    for worker in started:
        worker.wait_for(" ready.")
    return [*started, beat]
