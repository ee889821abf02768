"""A subscription in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.models import Connector
from events.models import Subscription

OFFICE = {
    "timezone": "Europe/Berlin",
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "from": "08:00",
    "to": "18:00",
}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "Events of every type"),
        ({"event_types": ["all"], "min_severity": "medium"}, "Medium and worse events of every type"),
        (
            {
                "event_types": ["pod_crash"],
                "min_severity": "high",
                "namespaces": ["prod-*"],
                "schedule": OFFICE,
            },
            "Critical and high pod crashes in prod-*, Mon-Fri 08:00-18:00 Europe/Berlin",
        ),
        ({"conditions": {"cost_threshold": 1000}}, "Cost events with cost threshold ≥ 1000"),
        (
            {"event_types": ["http_500", "http_502"], "clusters": ["eu", "us"], "send_resolved": False},
            "HTTP 500 and HTTP 502 of eu and us, without resolutions",
        ),
        (
            {"event_types": ["node_down", "high_cpu", "hpa_maxed", "http_500", "failed_post"]},
            "Nodes down, high CPU, autoscalers at their maximum and 2 more",
        ),
        (
            {"conditions": {"resource": ["Pod/*", "Job/*"]}},
            "Events of every type with resource Pod/* or Job/*",
        ),
        ({"event_types": ["retired_type"], "min_severity": "awful"}, "At least awful retired type"),
    ],
)
def test_a_subscription_is_said_in_a_sentence(said: dict[str, Any], words: str) -> None:
    assert Subscription(**said).in_words == words


def test_its_name_says_whose_it_is() -> None:
    subscription = Subscription(connector=Connector(name="Ops channel"), event_types=["node_down"])
    assert str(subscription) == "Nodes down → Ops channel"
