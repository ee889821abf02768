"""A connector like one that there is, to begin the next from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from django.db import IntegrityError, transaction

from connectors.fields import Unreadable
from connectors.models import Connector
from events.models import Subscription
from events.routing.subscription_keys import KEYS

RIGHTS = ("connectors.add_connector", "connectors.change_connector", "events.add_subscription")
"""What copying takes: whoever may do it could have entered and changed all of it."""

_LONGEST = 120
_COPIED = ("provider", "options", "secrets", "deliver_brief", "rate_per_second", "digest_after")


class CannotClone(ValueError):
    """A connector that cannot be copied; its text says why."""


def clone(connector: Connector) -> Connector:
    """A copy with the same subscriptions under another name, disabled, its record empty.

    Its secrets are copied within the server and stay as unreadable as they were: as with any stored secret,
    a new address asks for them again (`connectors.configuration.reconfigure`). Raises CannotClone.
    """
    if isinstance(connector.secrets, Unreadable):
        raise CannotClone(
            "Its stored secrets cannot be read with the present FIELD_ENCRYPTION_KEY, so that it cannot be"
            " copied."
        )
    with transaction.atomic():
        copy = _copy(connector)
        for subscription in connector.subscriptions.order_by("pk"):
            said = {key.field: getattr(subscription, key.field) for key in KEYS.values()}
            Subscription.objects.create(connector=copy, **said)
    return copy


def _copy(connector: Connector) -> Connector:
    """The copy, saved under the first name that nobody else has taken, not even in the same moment."""
    copied = {name: getattr(connector, name) for name in _COPIED}
    names = _names(connector.name)
    while True:
        copy = Connector(name=next(name for name in names if not _taken(name)), enabled=False, **copied)
        try:
            with transaction.atomic():
                copy.save(force_insert=True)
        except IntegrityError:
            if not _taken(copy.name):
                raise  # for another reason
        else:
            return copy


def _taken(name: str) -> bool:
    return Connector.objects.filter(name=name).exists()


def _names(name: str) -> Iterator[str]:
    """The name with “(copy)” behind it, and then numbered."""
    for number in count(1):
        behind = " (copy)" if number == 1 else f" (copy {number})"
        yield name[: _LONGEST - len(behind)] + behind
