"""Writes down how attempts ended, what becomes of their deliveries, and how the connector fares."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connectors import presence, tally
from connectors.engine import breaker, digest, limits, retry
from connectors.engine.claim import Claim
from connectors.engine.leased import Leased
from connectors.engine.rows import finish
from connectors.errors import Reason, SendError
from connectors.models import Connector, DeliveryStatus, Outcome
from connectors.transport.drive import Result

logger = logging.getLogger(__name__)

_SUCCESS_EVERY = timedelta(seconds=1)
"""How often a connector's last success is written at most: all workers write to that one row."""


class Recorder:
    """Writes results down, those that came together at once."""

    def __init__(self, connector: Connector, claimed: Claim) -> None:
        self.connector = connector
        self.token = claimed.token
        self.under_way = set(claimed.deliveries)
        self.all_is_well = True

    def record(self, results: Sequence[tuple[Leased, Result]]) -> None:
        """Writes down what came in just now, if our lease still holds."""
        now = timezone.now()
        rows = [row for row, _ in results]
        self.under_way.difference_update(rows)
        for row, result in results:
            self._end(row, result, now)
        signs = [
            breaker.sign(result.error)
            for row, result in results
            if result.receipt is not None or not row.is_test
        ]
        health = self._health_after(rows)
        with transaction.atomic():
            if (
                health
                or limits.learns(self.connector, signs)
                or any(row.origin == digest.ORIGIN for row in rows)
            ):
                presence.staying(Connector, [self.connector.pk])
            ours = finish(rows, self.token, [row.id for row in self.under_way])
            if ours:
                self._record_health(health)
                tally.add_attempts(zip(rows, rows, strict=True))
                digest.settle(rows)
            limits.observe(self.connector, signs)
            limits.heed(self.connector, [result.error for _, result in results], now)
        for row in rows:
            self._log(row, ours)

    def _end(self, row: Leased, result: Result, now: datetime) -> None:
        """Notes how an attempt ended, and decides what becomes of its delivery."""
        row.finished_at, row.reason = now, ""
        row.exchanges, row.http_status = result.exchanges, result.http_status
        if result.receipt is not None:
            receipt = result.receipt
            row.outcome = Outcome.ACCEPTED if receipt.accepted else Outcome.DELIVERED
            row.status, row.settled_at = DeliveryStatus.DELIVERED, now
            row.remote, row.remote_url, row.note = receipt.remote, receipt.url, receipt.note
        else:
            error = result.error or SendError(Reason.INTERNAL, "The conversation ended without a receipt.")
            row.outcome, row.reason, row.error = Outcome.FAILED, error.reason, error.text
            row.note = error.text
            self.all_is_well = False
            self._after_failure(row, error, now)

    def _after_failure(self, row: Leased, error: SendError, now: datetime) -> None:
        """Decides what becomes of a delivery whose attempt failed, and of the connector."""
        again = retry.next_attempt(row.attempt_count, error, now, schedule=settings.RETRY_SCHEDULE)
        if error.disable and not row.is_test:
            # Not this message's fault: it waits with all others until the connector is mended.
            row.status, row.next_attempt_at = DeliveryStatus.RETRYING, now
            self._pause(error, now)
        elif again is not None and not row.is_test:
            row.status, row.next_attempt_at = DeliveryStatus.RETRYING, again
        else:
            row.status, row.settled_at = DeliveryStatus.FAILED, now

    def _pause(self, error: SendError, now: datetime) -> None:
        # As it was spoken through: of what somebody has changed since, this says nothing.
        as_it_was = Connector.objects.filter(pk=self.connector.pk, updated_at=self.connector.updated_at)
        paused = as_it_was.filter(paused_at=None).update(paused_at=now, paused_reason=error.text)
        if paused:
            logger.error("connector %s is paused: %s", self.connector.name, error.text)

    def _log(self, row: Leased, ours: bool) -> None:
        logger.info(
            "delivery %s through %s: attempt %d %s%s",
            row.id,
            self.connector.name,
            row.attempt_count,
            row.outcome if ours else "ended after its lease had run out",
            f" ({row.reason}: {row.error})" if row.error else "",
            extra={
                "delivery": row.id,
                "connector": self.connector.name,
                "event": row.message_id,
                "outcome": row.outcome,
            },
        )

    def _health_after(self, attempts: Sequence[Leased]) -> dict[str, Any]:
        """What is to be written of how the connector fares; usually nothing."""
        good = [attempt for attempt in attempts if attempt.outcome != Outcome.FAILED]
        bad = [attempt for attempt in attempts if attempt.outcome == Outcome.FAILED and attempt.reason]
        health: dict[str, Any] = {}
        if bad:
            health |= {"last_failure_at": bad[-1].finished_at, "last_failure": bad[-1].error}
        if good and (bad or self._is_news(good[-1].finished_at)):
            health["last_success_at"] = good[-1].finished_at
        return health

    def _record_health(self, health: dict[str, Any]) -> None:
        if health:
            Connector.objects.filter(pk=self.connector.pk).update(**health)
        for name, value in health.items():
            setattr(self.connector, name, value)

    def _is_news(self, at: datetime | None) -> bool:
        """Whether a success at this moment need be written: not if one just before it is on record.

        After a failure it is, for it says that the connector works again.
        """
        last, failed = self.connector.last_success_at, self.connector.last_failure_at
        if at is None or last is None or (failed is not None and failed >= last):
            return True
        return at - last > _SUCCESS_EVERY
