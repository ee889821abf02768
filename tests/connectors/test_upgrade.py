"""What an installation that is older than its code is upgraded to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from connectors.engine.claim import claim
from connectors.models import Attempt, Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def migrated_to(name: str) -> Apps:
    """The models as they were with that migration of connectors the last one."""
    executor = MigrationExecutor(connection)
    state = executor.migrate([("connectors", name)])
    return state.apps


@pytest.fixture
def before() -> Iterator[Callable[[str], Apps]]:
    """Takes the database back; it is up to date again in the end."""
    yield migrated_to
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_what_was_being_sent_when_leases_stood_in_deliveries_is_due_again(
    before: Callable[[str], Apps],
) -> None:
    apps = before("0006_faster_writes")
    old: Any = apps.get_model("connectors", "Delivery")
    connector = apps.get_model("connectors", "Connector").objects.create(name="hook", provider="webhook")
    common = {"connector": connector, "message": {}, "priority": 3, "next_attempt_at": timezone.now()}
    lease = {"lease_token": "0" * 32, "lease_until": timezone.now() + timedelta(minutes=1)}
    taken = old.objects.create(
        message_id="taken", key="a", status="sending", attempt_count=1, **lease, **common
    )
    told = old.objects.create(message_id="told in a digest", key="b", status="sending", **common)
    apps.get_model("connectors", "Attempt").objects.create(delivery=taken, number=1, outcome="open")

    migrated_to("0007_leases")

    assert [row.message_id for row in claim(connector.pk).deliveries] == ["taken"]
    row, attempt = Delivery.objects.get(pk=taken.pk), Attempt.objects.get()
    assert (row.status, row.reason, row.attempt_count) == ("retrying", "unknown", 1)
    assert (attempt.outcome, attempt.reason) == ("unknown", "unknown")
    assert attempt.finished_at is not None
    assert Delivery.objects.get(pk=told.pk).status == "sending"
