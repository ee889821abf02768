"""A connector like one that there is, to begin the next from."""

from __future__ import annotations

from django.db import transaction

from connectors.fields import Unreadable
from connectors.models import Connector
from events.models import Subscription
from events.subscription_keys import KEYS

RIGHTS = ("connectors.add_connector", "connectors.change_connector", "events.add_subscription")
"""What copying takes: whoever may do it could have entered and changed all of it."""

_LONGEST = 120
_COPIED = ("provider", "options", "secrets", "deliver_brief", "rate_per_second", "digest_after")


class CannotClone(ValueError):
    """A connector that cannot be copied; its text says why."""


def clone(connector: Connector) -> Connector:
    """A copy with the same subscriptions under another name, disabled, its record empty.

    Its secrets are copied within the server and stay as unreadable as they were: as with any stored secret,
    a new address asks for them again (`connectors.reconfigure`). Raises CannotClone.
    """
    if isinstance(connector.secrets, Unreadable):
        raise CannotClone(
            "Its stored secrets cannot be read with the present FIELD_ENCRYPTION_KEY, so that it cannot be"
            " copied."
        )
    with transaction.atomic():
        copy = Connector(
            name=_free_name(connector.name),
            enabled=False,
            **{name: getattr(connector, name) for name in _COPIED},
        )
        copy.save(force_insert=True)
        for subscription in connector.subscriptions.order_by("pk"):
            said = {key.field: getattr(subscription, key.field) for key in KEYS.values()}
            Subscription.objects.create(connector=copy, **said)
    return copy


def _free_name(name: str) -> str:
    """The name with “(copy)” behind it, numbered where that is taken."""
    number = 1
    while True:
        behind = " (copy)" if number == 1 else f" (copy {number})"
        candidate = name[: _LONGEST - len(behind)] + behind
        if not Connector.objects.filter(name=candidate).exists():
            return candidate
        number += 1
