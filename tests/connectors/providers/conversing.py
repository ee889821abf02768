"""Holding a provider's conversation by hand: its requests out, made-up answers in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from connectors.conversation import Call, Conversation, Receipt, Request, Response
from connectors.errors import SendError
from connectors.message import Message, Recommendation, Severity


def converse(
    conversation: Conversation, *answers: Response | SendError
) -> tuple[list[Request | Call], Receipt]:
    """Answers each request with the next response; returns the requests and the receipt at the end.

    An answer that is a SendError is raised where the conversation waits, as a driver does when no response
    came. Raises what the conversation raises, and AssertionError if it asks more or less often than answered.
    """
    requests: list[Request | Call] = []
    left = list(answers)
    try:
        requests.append(next(conversation))
        while left:
            given = left.pop(0)
            requests.append(
                conversation.throw(given) if isinstance(given, SendError) else conversation.send(given)
            )
    except StopIteration as end:
        receipt: Receipt = end.value
    else:
        raise AssertionError(f"asked {len(requests)} times and got {len(answers)} answers")
    assert not left, f"ended with {len(left)} answers left over"
    return requests, receipt


def failing(conversation: Conversation, *answers: Response | SendError) -> SendError:
    """The SendError in which the conversation ends."""
    try:
        _, receipt = converse(conversation, *answers)
    except SendError as error:
        return error
    raise AssertionError(f"ended well, with {receipt}")


def answer(status: int = 200, body: object = b"", **headers: str) -> Response:
    """A response. A body that is neither text nor bytes is put as JSON; a header is `retry_after="3"`."""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Response(status, {name.replace("_", "-").lower(): value for name, value in headers.items()}, body)


def sent(request: Request | Call) -> dict[str, Any]:
    """The JSON object in a request's body."""
    assert isinstance(request, Request)
    body = json.loads(request.body)
    assert isinstance(body, dict)
    return body


def a_message(**changes: Any) -> Message:
    """A crash loop with everything in it, and `changes`."""
    return Message(
        **{
            "id": "0199a0b0-0000-7000-8000-000000000001",
            "key": "production/pod_crash_loop/default/my-app-123",
            "event_type": "pod_crash_loop",
            "title": "Pod my-app-123 in crash loop",
            "severity": Severity.CRITICAL,
            "timestamp": datetime(2025, 1, 15, 10, 30, tzinfo=UTC),
            "cluster": "production",
            "namespace": "default",
            "resource": "Pod/my-app-123",
            "description": "Pod has restarted 5 times in the last 10 minutes",
            "details": {
                "pod_name": "my-app-123",
                "namespace": "default",
                "restart_count": 5,
                "last_error": "Container failed to start",
            },
            "recommendations": (Recommendation("Check pod logs", "kubectl logs my-app-123 -n default"),),
            "url": "https://kubegraf.example.com/admin/events/event/1/",
            **changes,
        }
    )
