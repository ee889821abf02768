"""Writes down how attempts ended, what becomes of their deliveries, and how the connector fares."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connectors import tally
from connectors.engine import breaker, digest, limits, retry, rows
from connectors.engine.claim import Claim
from connectors.errors import Reason, SendError
from connectors.models import Attempt, Connector, Delivery, DeliveryStatus, Outcome
from connectors.transport.drive import Result

logger = logging.getLogger(__name__)


class Recorder:
    """Takes results and, when told to, writes them together."""

    def __init__(self, connector: Connector, claimed: Claim) -> None:
        self.connector = connector
        self.claimed = claimed
        self.deliveries = {delivery.pk: delivery for delivery in claimed.deliveries}
        self.waiting: list[tuple[Delivery, Attempt]] = []
        self.signs: list[breaker.Sign] = []

    def add(self, delivery_id: uuid.UUID, result: Result) -> None:
        """Takes a result, to be written by the next `flush`."""
        delivery, attempt = self.deliveries[delivery_id], self.claimed.attempts[delivery_id]
        now = timezone.now()
        attempt.finished_at = now
        attempt.exchanges = result.exchanges
        attempt.http_status = result.http_status
        if result.receipt is not None:
            receipt = result.receipt
            attempt.outcome = Outcome.ACCEPTED if receipt.accepted else Outcome.DELIVERED
            delivery.status = DeliveryStatus.DELIVERED
            delivery.remote, delivery.remote_url = dict(receipt.remote), receipt.url
            delivery.reason, delivery.note, delivery.settled_at = "", receipt.note, now
        else:
            error = result.error or SendError(Reason.INTERNAL, "The conversation ended without a receipt.")
            attempt.outcome, attempt.reason, attempt.error = Outcome.FAILED, error.reason, error.text
            delivery.reason, delivery.note = error.reason, error.text
            self._after_failure(delivery, error, now)
        if result.receipt is not None or not delivery.is_test:
            self.signs.append(breaker.sign(result.error))
        self._keep(delivery, attempt)

    def _after_failure(self, delivery: Delivery, error: SendError, now: datetime) -> None:
        """Decides what becomes of a delivery whose attempt failed, and of the connector."""
        again = retry.next_attempt(delivery.attempt_count, error, now, schedule=settings.RETRY_SCHEDULE)
        if error.disable and not delivery.is_test:
            # Not this message's fault: it waits with all others until the connector is mended.
            delivery.status, delivery.next_attempt_at = DeliveryStatus.RETRYING, now
            self._pause(error, now)
        elif again is not None and not delivery.is_test:
            delivery.status, delivery.next_attempt_at = DeliveryStatus.RETRYING, again
        else:
            delivery.status, delivery.settled_at = DeliveryStatus.FAILED, now

    def _pause(self, error: SendError, now: datetime) -> None:
        paused = Connector.objects.filter(pk=self.connector.pk, paused_at=None).update(
            paused_at=now, paused_reason=error.text
        )
        if paused:
            logger.error("connector %s is paused: %s", self.connector.name, error.text)

    def _keep(self, delivery: Delivery, attempt: Attempt) -> None:
        delivery.lease_token = delivery.lease_until = None
        self.waiting.append((delivery, attempt))

    def flush(self) -> None:
        """Writes what is waiting, of the deliveries that are still leased to us."""
        if not self.waiting:
            return
        with transaction.atomic():
            ours = rows.finish(self.waiting, self.claimed.token)
            written = [(delivery, attempt) for delivery, attempt in self.waiting if delivery.pk in ours]
            self._record_health([attempt for _, attempt in written])
            tally.add_attempts(written)
            digest.settle([delivery for delivery, _ in written])
            limits.observe(self.connector, self.signs)
        self.signs = []
        for delivery, attempt in self.waiting:
            logger.info(
                "delivery %s through %s: attempt %d %s%s",
                delivery.pk,
                self.connector.name,
                attempt.number,
                attempt.outcome if delivery.pk in ours else "ended after its lease had run out",
                f" ({attempt.reason}: {attempt.error})" if attempt.error else "",
                extra={
                    "delivery": delivery.pk,
                    "connector": self.connector.name,
                    "event": delivery.message_id,
                    "outcome": attempt.outcome,
                },
            )
        self.waiting = []

    def _record_health(self, attempts: Sequence[Attempt]) -> None:
        good = [attempt for attempt in attempts if attempt.outcome != Outcome.FAILED]
        bad = [attempt for attempt in attempts if attempt.outcome == Outcome.FAILED and attempt.reason]
        health: dict[str, object] = {}
        if good:
            health["last_success_at"] = good[-1].finished_at
        if bad:
            health |= {"last_failure_at": bad[-1].finished_at, "last_failure": bad[-1].error}
        if health:
            Connector.objects.filter(pk=self.connector.pk).update(**health)
