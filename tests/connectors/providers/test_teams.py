from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from connectors.conversation import Dispatch, Receipt, Request, Response
from connectors.errors import Reason, SendError
from connectors.handshake import Handshake
from connectors.message import Message, Recommendation, Severity, Status
from connectors.providers.teams import TOTAL, Teams, TeamsConfig, judge, markdown, payload
from tests.connectors.providers.canary import CANARY
from tests.connectors.providers.conversing import a_message, answer, converse, failing, sent

EXAMPLE = dict(Teams.example)
_WORKFLOW = (
    "https://prod-01.westeurope.logic.azure.com:443/workflows/{0}/triggers/manual/paths/invoke?sig={0}"
)
CANARIES = [{"webhook_url": _WORKFLOW.format(CANARY)}]


def a_config(**changes: Any) -> TeamsConfig:
    return TeamsConfig.model_validate({**EXAMPLE, **changes})


def a_dispatch(message: Message | None = None) -> Dispatch:
    return Dispatch("0199a0b0-1111-7000-8000-000000000009", message or a_message())


def outcome(response: Response) -> SendError:
    return failing(Teams().send(a_config(), a_dispatch()), response)


def body(message: Message) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = payload(message)["attachments"][0]["content"]["body"]
    return shown


def flow_error(status: int, code: str) -> Response:
    return answer(status, {"error": {"code": code, "message": "What the service says."}})


# --- Settings -------------------------------------------------------------------------------------------


def test_the_example_is_valid_and_has_nothing_to_warn_of() -> None:
    assert Teams().warnings(a_config()) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.webhook.office.com/webhookb2/0a1b@0a1b/IncomingWebhook/0a1b/0a1b",
        "https://outlook.office.com/webhook/0a1b@0a1b/IncomingWebhook/0a1b/0a1b",
    ],
)
def test_a_retired_address_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(
        ValidationError, match="are retired: Microsoft switched the Office 365 connectors off"
    ):
        a_config(webhook_url=url)


def test_an_address_that_is_no_workflows_is_warned_of() -> None:
    (warning,) = Teams().warnings(a_config(webhook_url="https://cards.example.com/hook"))

    assert warning.startswith("cards.example.com is not a host of Workflows")


def test_the_host_of_a_reference_is_not_known_and_not_warned_of() -> None:
    assert Teams().warnings(a_config(webhook_url="env:KUBEGRAF_SECRET_TEAMS")) == []


def test_a_retired_address_behind_a_reference_is_refused_when_it_is_used() -> None:
    config = a_config().model_copy(update={"webhook_url": SecretStr("https://x.webhook.office.com/secret1")})

    with pytest.raises(SendError) as failed:
        next(Teams().send(config, a_dispatch()))

    assert (failed.value.reason, failed.value.disable) == (Reason.MISCONFIGURED, True)
    assert "secret1" not in failed.value.text


# --- The card -------------------------------------------------------------------------------------------


def test_the_card_has_everything_in_order() -> None:
    assert payload(a_message()) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "fallbackText": (
                        "Critical: Pod my-app-123 in crash loop (Pod/my-app-123, default, production)"
                    ),
                    "msteams": {"width": "Full"},
                    "body": [
                        {
                            "type": "Container",
                            "style": "attention",
                            "bleed": True,
                            "items": [
                                {
                                    "type": "TextBlock",
                                    "text": "🔴 Pod my-app-123 in crash loop",
                                    "wrap": True,
                                    "size": "Large",
                                    "weight": "Bolder",
                                }
                            ],
                        },
                        {
                            "type": "TextBlock",
                            "text": "Pod has restarted 5 times in the last 10 minutes",
                            "wrap": True,
                        },
                        {
                            "type": "FactSet",
                            "facts": [
                                {"title": "Cluster", "value": "production"},
                                {"title": "Namespace", "value": "default"},
                                {"title": "Resource", "value": "Pod/my-app-123"},
                                {"title": "Severity", "value": "Critical"},
                                {"title": "Status", "value": "Firing"},
                                {"title": "Time", "value": "15 Jan 2025, 10:30:00 UTC"},
                            ],
                        },
                        {
                            "type": "TextBlock",
                            "text": "Details",
                            "wrap": True,
                            "weight": "Bolder",
                            "separator": True,
                        },
                        {
                            "type": "FactSet",
                            "facts": [
                                {"title": "Pod name", "value": "my-app-123"},
                                {"title": "Restart count", "value": "5"},
                                {"title": "Last error", "value": "Container failed to start"},
                            ],
                        },
                        {
                            "type": "TextBlock",
                            "text": "What you can do",
                            "wrap": True,
                            "weight": "Bolder",
                            "separator": True,
                        },
                        {"type": "TextBlock", "text": "Check pod logs", "wrap": True},
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                {
                                    "type": "TextRun",
                                    "text": "kubectl logs my-app-123 -n default",
                                    "fontType": "Monospace",
                                }
                            ],
                            "spacing": "Small",
                        },
                    ],
                    "actions": [
                        {
                            "type": "Action.OpenUrl",
                            "title": "Open in KubeGraf",
                            "url": "https://kubegraf.example.com/admin/events/event/1/",
                        }
                    ],
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("changes", "style", "heading"),
    [
        ({"severity": Severity.HIGH}, "attention", "🟠 Pod my-app-123 in crash loop"),
        ({"severity": Severity.MEDIUM}, "warning", "🟡 Pod my-app-123 in crash loop"),
        ({"severity": Severity.INFO}, "accent", "⚪ Pod my-app-123 in crash loop"),
        ({"status": Status.RESOLVED}, "good", "✅ Resolved: Pod my-app-123 in crash loop"),
        ({"status": Status.ACKNOWLEDGED}, "attention", "👀 Acknowledged: Pod my-app-123 in crash loop"),
        ({"status": Status.OCCURRED}, "attention", "🟥 Pod my-app-123 in crash loop"),
    ],
)
def test_how_it_stands_is_seen_at_a_glance(changes: dict[str, Any], style: str, heading: str) -> None:
    first = body(a_message(**changes))[0]

    assert (first["style"], first["items"][0]["text"]) == (style, heading)


def test_a_resolved_card_recommends_nothing() -> None:
    assert "kubectl" not in json.dumps(payload(a_message(status=Status.RESOLVED)))


def test_a_card_without_a_link_has_no_action() -> None:
    assert payload(a_message(url=""))["attachments"][0]["content"]["actions"] == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("my-app-7d4b9c-x2x.y_z", r"my-app-7d4b9c-x2x.y\_z"),
        ("**bold** `code`", r"\*\*bold\*\* \`code\`"),
        ("<at>everyone</at> @channel", r"\<at\>everyone\</at\> @channel"),
        ("[text](https://example.com)", r"\[text\](https://example.com)"),
        ("&lt;", r"\&lt;"),
        ("C:\\x", r"C:\\x"),
        ("at x:\n    f(a_b)\n\tg", "at x:\n\n\u00a0\u00a0\u00a0\u00a0f(a\\_b)\n\n\u00a0g"),
        ("a\n-----\n- - -", "a\n\n\\-----\n\n\\- - -"),
        ("{{DATE(2025-01-15T10:30:00Z)}}", r"{\{DATE(2025-01-15T10:30:00Z)}}"),
        ("- a\n# b\n12. c\n-1 10.0.0.1", "\\- a\n\n\\# b\n\n12\\. c\n\n-1 10.0.0.1"),
    ],
)
def test_marks_arrive_as_they_are(value: str, expected: str) -> None:
    assert markdown(value) == expected


def test_a_command_arrives_letter_by_letter() -> None:
    command = "kubectl get po -l 'app in (a_b, *)' -o json | jq '.items[0]'"
    last = body(a_message(recommendations=(Recommendation("Look", command),)))[-1]

    assert last["inlines"][0]["text"] == command


NASTY = st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: text * 100) | st.sampled_from(
    ["🔥" * 5000, "\n" * 9000, '"\\' * 9000, "*_`" * 9000, "א" * 9000]
)


@settings(max_examples=8, deadline=None)
@given(title=NASTY, value=NASTY, count=st.integers(0, 60))
def test_the_request_is_never_too_large(title: str, value: str, count: int) -> None:
    message = a_message(
        title=title,
        description=value,
        cluster=title,
        namespace=value,
        resource=title,
        details={f"{index} {title}": value for index in range(count)},
        recommendations=(Recommendation(title, value),) * count,
        url="https://example.com/?" + "é" * 1900,
    )

    (request,), _ = converse(Teams().send(a_config(), a_dispatch(message)), answer(202))

    assert isinstance(request, Request)
    assert len(request.body) < TOTAL


# --- Verdicts -------------------------------------------------------------------------------------------


def test_the_card_is_posted_to_the_workflow() -> None:
    (request,), receipt = converse(Teams().send(a_config(), a_dispatch()), answer(202))

    assert isinstance(request, Request)
    assert (request.method, request.url) == ("POST", EXAMPLE["webhook_url"])
    assert sent(request) == payload(a_message())
    assert receipt == Receipt(
        accepted=True, note="Accepted by the workflow, which does not say whether it was posted."
    )


@pytest.mark.parametrize(("status", "said"), [(202, b""), (200, b"1"), (200, b""), (204, b"")])
def test_accepted_is_not_posted(status: int, said: bytes) -> None:
    assert judge(answer(status, said)).accepted


def test_a_rate_limit_inside_a_success_is_tried_again() -> None:
    error = outcome(
        answer(
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"
            " with ContextId tcid=0",
        )
    )

    assert (error.reason, error.retry) == (Reason.RATE_LIMITED, True)


def test_too_large_inside_a_success_is_final() -> None:
    error = outcome(answer(200, "Microsoft Teams endpoint returned HTTP error 413 with ContextId tcid=0"))

    assert (error.reason, error.retry) == (Reason.INVALID_MESSAGE, False)


def test_other_words_inside_a_success_are_no_success() -> None:
    error = outcome(answer(200, "<html>Sign in</html>"))

    assert (error.reason, error.retry) == (Reason.BAD_ANSWER, True)


@pytest.mark.parametrize(
    ("status", "code", "reason", "advice"),
    [
        (400, "WorkflowTriggerIsNotEnabled", Reason.GONE, "turn it on in Power Automate"),
        (400, "WorkflowTriggerIsNotEnabled", Reason.GONE, "or make a new one"),
        (404, "WorkflowNotFound", Reason.GONE, "make a new one and enter its address"),
        (401, "DirectApiAuthorizationRequired", Reason.AUTH, "everything after sig="),
        (403, "AuthorizationFailed", Reason.AUTH, "everything after sig="),
    ],
)
def test_a_workflow_that_cannot_work_pauses_the_connector(
    status: int, code: str, reason: Reason, advice: str
) -> None:
    error = outcome(flow_error(status, code))

    assert (error.reason, error.retry, error.disable) == (reason, False, True)
    assert advice in error.text


@pytest.mark.parametrize(
    ("status", "reason", "retry", "disable"),
    [
        (400, Reason.INVALID_MESSAGE, False, False),
        (401, Reason.AUTH, False, True),
        (403, Reason.AUTH, False, False),
        (404, Reason.GONE, False, False),
        (410, Reason.GONE, False, True),
        (413, Reason.INVALID_MESSAGE, False, False),
        (429, Reason.RATE_LIMITED, True, False),
        (500, Reason.SERVER_ERROR, True, False),
        (503, Reason.SERVER_ERROR, True, False),
    ],
)
def test_each_status_has_its_verdict(status: int, reason: Reason, *, retry: bool, disable: bool) -> None:
    error = outcome(answer(status, "no"))

    assert (error.reason, error.retry, error.disable) == (reason, retry, disable)


def test_the_wait_that_is_asked_for_is_kept() -> None:
    assert outcome(answer(429, "", retry_after="7")).retry_after == 7.0


def test_before_a_card_the_workflow_is_asked_no_more_than_whether_it_can_be_reached() -> None:
    assert next(Teams().check(a_config())) == Handshake(str(EXAMPLE["webhook_url"]))


def test_the_preview_is_what_would_be_sent() -> None:
    preview = Teams().preview(a_config(), a_message())

    assert preview.content == payload(a_message())["attachments"][0]["content"]
    assert "sig=" not in json.dumps([preview.target, preview.content])
