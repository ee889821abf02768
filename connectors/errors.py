"""What can go wrong with a delivery, as data: why, whether to try again, whether the connector is broken."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an attempt failed. The same words label the record, the metrics and the admin's filters."""

    TIMEOUT = "timeout"  # no whole answer within the time limit
    NETWORK = "network"  # no connection, a reset, half an answer, a name that does not resolve
    TLS = "tls"  # the receiver's certificate is not to be trusted
    BLOCKED = "blocked"  # the address is one we do not connect to
    REDIRECT = "redirect"  # redirects are not followed
    RATE_LIMITED = "rate_limited"  # too many requests
    SERVER_ERROR = "server_error"  # the receiver failed
    BAD_ANSWER = "bad_answer"  # an answer that is not what the service documents
    INVALID_MESSAGE = "invalid_message"  # the receiver refuses this message; others may pass
    AUTH = "auth"  # the credentials are wrong, revoked or not enough
    GONE = "gone"  # the address or the thing behind it is no more
    MISCONFIGURED = "misconfigured"  # the connector's own settings cannot work
    UNKNOWN = "unknown"  # the sender died between call and record: sent or not is not known
    INTERNAL = "internal"  # a fault of ours


class SendError(Exception):
    """One attempt failed.

    `retry` says whether the same message may pass later, `disable` whether the connector itself is broken
    and should be paused; they are two facts, not one. `retry_after` is in seconds, where the receiver said.
    `text` is for people and must not contain a secret; the sender blanks known secrets once more.
    """

    def __init__(
        self,
        reason: Reason,
        text: str,
        *,
        retry: bool = False,
        retry_after: float | None = None,
        disable: bool = False,
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.retry = retry
        self.retry_after = retry_after
        self.disable = disable
