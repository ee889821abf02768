"""What an HTTP status means for a delivery, where the service says nothing of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from connectors.conversation import Response
from connectors.errors import Reason, SendError

# 4xx answers that speak of the moment, not of the message: https://httpwg.org/specs/rfc9110.html
RETRIABLE_4XX = {408, 409, 425, 429}


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or an HTTP date); None where it is absent or nonsense."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def failure(response: Response) -> SendError | None:
    """The verdict on a status by the general rules; None for 2xx.

    408, 409, 425, 429 and 5xx are tried again, honouring Retry-After. 401 and 410 say that the connector
    itself is broken. A redirect is a failure: it is not followed. Every other 4xx is final for this message
    alone.
    """
    status = response.status
    if 200 <= status < 300:
        return None
    said = f"HTTP {status}" + (f": {excerpt}" if (excerpt := " ".join(response.text.split())[:300]) else "")
    if status == 429:
        return SendError(Reason.RATE_LIMITED, said, retry=True, retry_after=retry_after(response.headers))
    if status in RETRIABLE_4XX:
        return SendError(Reason.SERVER_ERROR, said, retry=True, retry_after=retry_after(response.headers))
    if status == 401:
        advice = "The credentials are not accepted: check that they are right and still valid."
        return SendError(Reason.AUTH, f"{advice} {said}", disable=True)
    if status == 403:
        return SendError(Reason.AUTH, said)
    if status in (404, 410):
        return SendError(Reason.GONE, said, disable=status == 410)
    if 300 <= status < 400:
        return SendError(
            Reason.REDIRECT, f"HTTP {status}: redirects are not followed; enter the final address"
        )
    if 400 <= status < 500:
        return SendError(Reason.INVALID_MESSAGE, said)
    if status >= 500:
        return SendError(Reason.SERVER_ERROR, said, retry=True, retry_after=retry_after(response.headers))
    return SendError(Reason.BAD_ANSWER, said, retry=True)


def require_success(response: Response) -> Response:
    """The response itself if its status is 2xx. Raises SendError by `failure` otherwise."""
    error = failure(response)
    if error is not None:
        raise error
    return response
