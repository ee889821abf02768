"""Why deliveries fail, in words, and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.errors import Reason
from connectors.models import Delivery, DeliveryStatus


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a reason means, and what to do."""

    meaning: str
    advice: str


_REMEDIES = {
    Reason.TIMEOUT: Remedy(
        "The receiver did not answer in time.",
        "See whether it is up and not overloaded. It may have taken the message all the same.",
    ),
    Reason.NETWORK: Remedy(
        "The receiver could not be reached, or the connection broke.",
        "Check the address, its DNS name, and firewalls between here and there.",
    ),
    Reason.TLS: Remedy(
        "The receiver's certificate is not to be trusted.",
        "Renew the certificate, or make its authority known to this machine.",
    ),
    Reason.BLOCKED: Remedy(
        "The address is one that KubeGraf does not connect to.",
        "If it is meant, add its network to KUBEGRAF_EGRESS_ALLOW.",
    ),
    Reason.REDIRECT: Remedy(
        "The receiver redirects, and redirects are not followed.",
        "Enter the address that it redirects to in the connector.",
    ),
    Reason.RATE_LIMITED: Remedy(
        "The receiver takes fewer messages than it was sent.",
        "Set “messages a second at most” on the connector, or subscribe it to less.",
    ),
    Reason.SERVER_ERROR: Remedy(
        "The receiver has a fault of its own.",
        "Look at the service's status page or its logs; redeliver when it is well.",
    ),
    Reason.BAD_ANSWER: Remedy(
        "The answer is not what the service documents.",
        "See in the last exchange who answered: often it is a proxy or a sign-in page in between.",
    ),
    Reason.INVALID_MESSAGE: Remedy(
        "The receiver refuses this message; others may pass.",
        "See in the last exchange what it objects to, and change the connector's settings accordingly.",
    ),
    Reason.AUTH: Remedy(
        "The credentials are wrong, revoked, or not enough.",
        "Enter new ones in the connector, test it, resume it.",
    ),
    Reason.GONE: Remedy(
        "The address, or what was behind it, is no more.",
        "Enter the new one in the connector, test it, resume it.",
    ),
    Reason.MISCONFIGURED: Remedy(
        "The connector's own settings cannot work.",
        "Correct them as the error says, then test the connector.",
    ),
    Reason.UNKNOWN: Remedy(
        "Its sender died before it could write down how this ended.",
        "Look at the receiver whether it is there; redeliver it if it is not.",
    ),
    Reason.INTERNAL: Remedy(
        "This is a fault in KubeGraf.",
        "The workers' logs say more. Redeliver it once that is mended.",
    ),
}


def remedy(reason: str) -> Remedy | None:
    """What that reason means; None where there is none."""
    return _REMEDIES[Reason(reason)] if reason in _REMEDIES else None


def trouble(delivery: Delivery) -> Remedy | None:
    """What the failure of a delivery means and what to do; None where it has not failed."""
    failed = delivery.status in (DeliveryStatus.FAILED, DeliveryStatus.RETRYING)
    return remedy(delivery.reason) if failed else None


def label(reason: str) -> str:
    """The reason as people write it: `server error`."""
    return "TLS" if reason == Reason.TLS else reason.replace("_", " ")
