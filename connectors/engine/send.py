"""From a due row to an attempt on record: claim, send, record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.views.decorators.debug import sensitive_variables

from connectors import registry
from connectors.configuration.setup import config_of, secret_values
from connectors.conversation import Conversation, Dispatch
from connectors.engine import limits
from connectors.engine.claim import BATCH, Claim, claim_one
from connectors.engine.leased import Leased
from connectors.engine.record import Recorder
from connectors.engine.rehearsal import conversation
from connectors.errors import Reason, SendError
from connectors.models import Connector, Delivery, DeliveryStatus
from connectors.provider import Config, Provider
from connectors.secrets import Redactor
from connectors.transport.drive import Result, drive

_FRESH = 0.1
"""Seconds for which a connector is not read anew while all goes well."""


def deliver(
    connector_id: int,
    *,
    seconds: float = 5.0,
    later: Callable[[float], None] = lambda wait: None,
    more: Callable[[], None] = lambda: None,
) -> bool:
    """Sends what is due through one connector, batch by batch, for about `seconds`.

    Returns whether more may be due. Asking for it twice, or in several processes, is harmless: each claim
    takes other rows. Where messages wait for the connector's rate, `later` is told in how many seconds to ask
    again. `more` is called where one batch did not take all that is due.
    """
    deadline = time.monotonic() + seconds
    way: _Way | None = None
    while (now := time.monotonic()) < deadline:
        if way is None or now - way.read_at > _FRESH:
            connector = Connector.objects.filter(pk=connector_id, enabled=True, paused_at=None).first()
            if connector is None:
                return False
            way = _Way(connector, now)
        admission = limits.claim_within(way.connector)
        if admission.again_in is not None:
            later(admission.again_in)
        if not admission.claimed.considered:
            return False
        if admission.claimed.considered >= BATCH:
            more()
        if not _transmit(way, admission.claimed):
            way = None  # what has failed may have changed it
    return True


def send_now(delivery: Delivery) -> Delivery:
    """Sends one delivery in this process, whatever its next try; returns it as it is afterwards.

    It takes the path of every other delivery. One that someone else is sending is left to them.
    """
    claimed = claim_one(delivery)
    if delivery.connector is not None:
        _transmit(_Way(delivery.connector, time.monotonic()), claimed)
    return Delivery.objects.get(pk=delivery.pk)


class _Way:
    """A connector as it was a moment ago, and what it takes to speak through it."""

    def __init__(self, connector: Connector, read_at: float) -> None:
        """It was read from the database at `read_at` (of time.monotonic())."""
        self.connector = connector
        self.read_at = read_at

    @cached_property
    def provider(self) -> Provider[Any]:
        """Raises LookupError if there is none of that name any more."""
        return registry.provider(self.connector.provider)

    @cached_property
    def config(self) -> Config:
        """Raises SendError(MISCONFIGURED), and LookupError as above."""
        return config_of(self.connector)

    @cached_property
    def redactor(self) -> Redactor:
        """Hides the connector's secrets."""
        return Redactor(secret_values(self.config))


@sensitive_variables()
def _transmit(way: _Way, claimed: Claim) -> bool:
    """Sends what was claimed and records each result as it comes in; whether all of it arrived."""
    recorder = Recorder(way.connector, claimed)
    if not claimed.deliveries:
        return True
    try:
        provider, config, redactor = way.provider, way.config, way.redactor
    except LookupError as error:
        broken = SendError(Reason.MISCONFIGURED, str(error), disable=True)
    except SendError as error:
        broken = error
    else:
        remotes = _remotes(way.connector, claimed.deliveries) if provider.keeps_reference else {}
        conversations = {
            delivery: _say(provider, config, delivery, remotes.get(delivery.key, {}))
            for delivery in claimed.deliveries
        }
        for together in drive(conversations, redactor=redactor):
            recorder.record(together)
        return recorder.all_is_well
    recorder.record([(delivery, Result(None, broken, [])) for delivery in claimed.deliveries])
    return False


def _say(
    provider: Provider[Any], config: Config, delivery: Leased, remote: Mapping[str, object]
) -> Conversation:
    """The conversation of one delivery. What goes wrong in preparing it, too, ends on that one's record."""
    try:
        return conversation(provider, config, Dispatch(delivery.id, delivery.said(), remote))
    except Exception as error:  # noqa: BLE001 - as above
        return _unsaid(error)


def _unsaid(error: Exception) -> Conversation:
    """A conversation that ends before anything is asked for."""
    yield from ()
    raise error


def _remotes(connector: Connector, deliveries: Sequence[Leased]) -> dict[str, dict[str, object]]:
    """By key, the reference that the last delivery which arrived left behind."""
    arrived = Delivery.objects.filter(
        connector=connector,
        key__in={delivery.key for delivery in deliveries},
        status=DeliveryStatus.DELIVERED,
    ).order_by("id")
    return dict(arrived.values_list("key", "remote"))
