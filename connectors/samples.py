"""What previews show: the documentation's example, how it looks when it is over, and its extremes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.urls import reverse

from connectors.engine.digest import ORIGIN as DIGEST
from connectors.example import EXAMPLE
from connectors.message import Message, Recommendation, Severity, Status
from connectors.models import Delivery

_LOOKED_THROUGH = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """A message to show, and what it is called."""

    name: str
    title: str
    message: Message


def samples(last: Message | None = None) -> list[Sample]:
    """Every sample there is; the last message that really went out, or would have, where there is one."""
    found = [Sample(name, title, make()) for name, (title, make) in _MADE_UP.items()]
    return [*found, Sample("last", "The last real one", last)] if last else found


def last_delivered(user: Any) -> Message | None:
    """The last message on record that was no test and no digest, for somebody who may see deliveries."""
    if not user.has_perm("connectors.view_delivery"):
        return None
    recent = Delivery.objects.order_by("-created_at")[:_LOOKED_THROUGH]
    for delivery in recent:
        if not delivery.is_test and delivery.origin != DIGEST:
            try:
                return delivery.said()
            except msgspec.ValidationError:
                return None
    return None


def _critical() -> Message:
    link = settings.PUBLIC_URL + reverse("admin:index")
    return msgspec.structs.replace(EXAMPLE, url=link)


def _resolved() -> Message:
    over = EXAMPLE.timestamp + timedelta(minutes=12)
    return msgspec.structs.replace(_critical(), status=Status.RESOLVED, timestamp=over)


def _low() -> Message:
    return msgspec.structs.replace(
        _critical(),
        event_type="deployment_scaled",
        title="Deployment my-app scaled from 2 to 3",
        severity=Severity.LOW,
        status=Status.OCCURRED,
        resource="Deployment/my-app",
        description="",
        details={"from": 2, "to": 3},
        recommendations=(),
    )


def _long() -> Message:
    lines = "\n".join(f"  at step {number} of the start-up: connection refused" for number in range(1, 41))
    return msgspec.structs.replace(
        _critical(),
        title="Pod a-service-with-a-rather-long-name-7d9f8b6c5-x2x4z in crash loop and 12 more",
        namespace="a-namespace-of-some-length",
        resource="Pod/a-service-with-a-rather-long-name-7d9f8b6c5-x2x4z",
        description="Pod has restarted 57 times in the last 10 minutes. " * 4,
        details={
            **{f"container_{number}": f"restarted {number * 3} times" for number in range(1, 15)},
            "last_log_lines": lines,
        },
        recommendations=tuple(
            Recommendation(action, command)
            for action, command in (
                ("Look at the log of the container that ended", "kubectl logs my-app-123 --previous"),
                ("Ask what was last changed", "kubectl rollout history deployment/my-app"),
                ("Go back to what worked", "kubectl rollout undo deployment/my-app"),
                ("Wait", ""),
            )
        ),
        count=13,
    )


_MADE_UP: dict[str, tuple[str, Callable[[], Message]]] = {
    "critical": ("Critical, firing", _critical),
    "resolved": ("Resolved", _resolved),
    "low": ("Low, happened once", _low),
    "long": ("A long one", _long),
}

NAMES = (*_MADE_UP, "last")
"""What may be asked for; there may be no `last`."""
