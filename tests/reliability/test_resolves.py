"""The end of a problem is never told before its beginning, and not at all where nobody heard of that."""

from __future__ import annotations

import pytest

from connectors.models import Delivery
from tests.receiver import Receiver
from tests.reliability.traffic import crew, end, happen, outcomes, statuses, subscribed, wait_until_all
from tests.running import Processes
from tests.waiting import until

# Which of two goes first is said by rows, not by locks.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

FAILED = (500, {}, b"not now")


def told(receiver: Receiver) -> list[str]:
    """What the receiver was told, in order."""
    return [request.json()["status"] for request in list(receiver.requests)]


def test_a_resolve_waits_until_its_trigger_has_arrived(receiver: Receiver, processes: Processes) -> None:
    receiver.script([FAILED, FAILED])
    subscribed(receiver)
    crew(processes, KUBEGRAF_RETRY_SCHEDULE="2,0.2,0.2")
    events = happen()
    receiver.wait_for(1)
    until(lambda: statuses() == {"retrying": 1})

    end(events)
    until(lambda: statuses() == {"retrying": 1, "pending": 1})

    wait_until_all("delivered", 2)
    assert told(receiver) == ["firing", "firing", "firing", "resolved"]


def test_a_resolve_whose_trigger_failed_for_good_is_cancelled(
    receiver: Receiver, processes: Processes
) -> None:
    receiver.script([FAILED, (400, {}, b"never")])
    subscribed(receiver)
    crew(processes, KUBEGRAF_RETRY_SCHEDULE="2,0.2,0.2")
    events = happen()
    receiver.wait_for(1)

    end(events)

    until(lambda: statuses() == {"failed": 1, "cancelled": 1})
    assert told(receiver) == ["firing", "firing"]
    assert Delivery.objects.get(status="cancelled").note == "What it resolves never arrived."


def test_what_is_over_before_it_was_sent_is_dropped_on_record(
    receiver: Receiver, processes: Processes
) -> None:
    subscribed(receiver)
    end(happen(3))
    happen()

    crew(processes)

    until(lambda: statuses() == {"cancelled": 6, "delivered": 1})
    assert told(receiver) == ["firing"]
    assert set(Delivery.objects.filter(status="cancelled").values_list("note", flat=True)) == {
        "It was over before it could be sent."
    }
    assert outcomes() == ["delivered"]


def test_a_connector_that_wants_both_gets_both(receiver: Receiver, processes: Processes) -> None:
    connector = subscribed(receiver)
    connector.deliver_brief = True
    connector.save()
    end(happen())

    crew(processes)

    wait_until_all("delivered", 2)
    assert told(receiver) == ["firing", "resolved"]
