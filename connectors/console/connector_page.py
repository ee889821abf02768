"""A connector's page besides its form: the way to its first message, how it fares, what it sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString

from connectors import moments, trial
from connectors.console import sparkline
from connectors.console.pages import badge
from connectors.health import Health, State, health, result_of_test
from connectors.models import Connector, Delivery
from connectors.vitals import took, vitals_of

SHOWN_DELIVERIES = 10
PROVED = "Messages have arrived through it, though no test is on record."


@dataclass(frozen=True, slots=True)
class Step:
    """One of the steps from nothing to a connector that receives events."""

    title: str
    words: str
    done: bool = False
    now: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the last test came to."""

    delivery: Delivery
    result: Health
    at: datetime

    @property
    def arrived(self) -> bool:
        """Whether there is nothing to mend."""
        return self.result.state is State.WORKING

    @property
    def when(self) -> SafeString:
        """How long ago it was asked for."""
        return moments.shown(self.at)

    @property
    def tone(self) -> str:
        """How good or bad it is."""
        return {State.WORKING: "good", State.FAILING: "bad"}.get(self.result.state, "warning")


def answer_of(connector: Connector) -> Answer | None:
    """What came of the last test on record."""
    last = trial.last_trial(connector)
    if last is None:
        return None
    return Answer(last.delivery, result_of_test(last.delivery, last.closing), last.delivery.created_at)


def steps_of(connector: Connector | None, answer: Answer | None = None) -> list[Step]:
    """Add, test, enable; the first that is not done is the one that it is now."""
    enabled = bool(connector and connector.enabled)
    # What has delivered is proved to work, whether or not a test is on record.
    proved = answer is None and bool(connector and connector.last_success_at)
    test = "A real message goes out; what came of it is said here."
    said = [
        ("Add", "Name it, and enter its key or address.", connector is not None),
        ("Test", PROVED if proved else test, proved or bool(answer and answer.arrived)),
        ("Enable", "From then on it receives events.", enabled),
    ]
    following = next((title for title, _, done in said if not done), "")
    return [Step(title, words, done, title == following) for title, words, done in said]


def page_context(connector: Connector, *, deliveries: bool) -> dict[str, Any]:
    """All of it for the page; `deliveries` for somebody who may see those."""
    answer, vitals = answer_of(connector), vitals_of([connector])[connector.pk]
    hours, found = sparkline.hours_of(connector), health(connector)
    latest = connector.deliveries.order_by("-created_at")[:SHOWN_DELIVERIES] if deliveries else ()
    return {
        "answer": answer,
        "steps": steps_of(connector, answer),
        "health": found,
        "state_badge": badge(found.state.value),
        "vitals": vitals,
        "success": share_in_words(vitals.success_rate),
        "p50": _took(vitals.latency_p50),
        "p95": _took(vitals.latency_p95),
        "spark": sparkline.picture(hours),
        "spark_words": sparkline.in_words(hours),
        "may_see_deliveries": deliveries,
        "latest": [(delivery, badge(delivery.status)) for delivery in latest],
    }


def share_in_words(rate: float | None) -> str:
    """A share in percent, which says 100 only if it is."""
    if rate is None:
        return "–"
    return f"{rate:.0%}".replace("%", " %") if rate in (0, 1) else f"{min(rate * 100, 99.9):.1f} %"


def _took(seconds: float | None) -> str:
    return "–" if seconds is None else took(seconds)
