"""PagerDuty: events judged by a schema of the Events API v2, and what its answers mean."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from connectors.conversation import Dispatch, Receipt, Request
from connectors.errors import Reason
from connectors.handshake import Handshake
from connectors.message import Message, Recommendation, Severity, Status
from connectors.providers.pagerduty import PagerDuty, PagerDutyConfig, dedup_key
from tests.connectors.providers.canary import CANARY_KEY
from tests.connectors.providers.conversing import a_message, answer, converse, failing, sent

CANARIES = [{"integration_key": CANARY_KEY, "previous_integration_key": CANARY_KEY.swapcase()}]

KEY, OTHER = "R0MadeUpKeyForTheDocs0123456789a", "R0AnotherMadeUpKey0123456789abcd"
PAGERDUTY = PagerDuty()
TAKEN = answer(202, {"status": "success", "message": "Event processed", "dedup_key": "x"})

# https://developer.pagerduty.com/docs/send-alert-event and .../send-change-event
_TEXT = {"type": "string", "minLength": 1}
_LINKS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["href"],
        "additionalProperties": False,
        "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": _TEXT},
    },
}
_TIMESTAMP = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
ALERT = {
    "type": "object",
    "required": ["routing_key", "event_action", "dedup_key"],
    "additionalProperties": False,
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "additionalProperties": False,
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": _TEXT,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": _TIMESTAMP,
                "component": _TEXT,
                "group": _TEXT,
                "class": _TEXT,
                "custom_details": {"type": "object"},
            },
        },
        "images": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["src"],
                "additionalProperties": False,
                "properties": {
                    "src": {"type": "string", "pattern": "^https://"},
                    "href": {"type": "string", "pattern": "^https://"},
                    "alt": _TEXT,
                },
            },
        },
        "links": _LINKS,
        "client": _TEXT,
        "client_url": {"type": "string", "pattern": "^https?://"},
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
}
CHANGE = {
    "type": "object",
    "required": ["routing_key", "payload"],
    "additionalProperties": False,
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "payload": {
            "type": "object",
            "required": ["summary"],
            "additionalProperties": False,
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": _TEXT,
                "timestamp": _TIMESTAMP,
                "custom_details": {"type": "object"},
            },
        },
        "links": _LINKS,
    },
}


def a_config(**changes: Any) -> PagerDutyConfig:
    return PagerDutyConfig.model_validate({"integration_key": KEY, **changes})


def tell(
    message: Message, config: PagerDutyConfig | None = None, remote: dict[str, Any] | None = None
) -> tuple[Request, Receipt]:
    """Sends one message; the event that went out is judged by its schema."""
    dispatch = Dispatch("d", message, remote or {})
    requests, receipt = converse(PAGERDUTY.send(config or a_config(), dispatch), TAKEN)
    (request,) = requests
    assert isinstance(request, Request)
    assert request.method == "POST"
    schema = CHANGE if request.url.endswith("/v2/change/enqueue") else ALERT
    jsonschema.validate(sent(request), schema)
    assert len(request.body) <= 512 * 1024
    return request, receipt


# --- Events ---------------------------------------------------------------------------------------------


def test_a_trigger_says_everything() -> None:
    request, receipt = tell(a_message(count=3))
    assert request.url == "https://events.pagerduty.com/v2/enqueue"
    assert sent(request) == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "production/pod_crash_loop/default/my-app-123",
        "payload": {
            "summary": "Pod my-app-123 in crash loop (Pod/my-app-123, default, production)",
            "source": "production",
            "severity": "critical",
            "timestamp": "2025-01-15T10:30:00Z",
            "component": "Pod/my-app-123",
            "group": "default",
            "class": "pod_crash_loop",
            "custom_details": {
                "description": "Pod has restarted 5 times in the last 10 minutes",
                "recommendations": ["Check pod logs: kubectl logs my-app-123 -n default"],
                "details": a_message().details,
                "kubegraf_severity": "critical",
                "count": 3,
                "event_id": a_message().id,
            },
        },
        "client": "KubeGraf",
        "client_url": "https://kubegraf.example.com/admin/events/event/1/",
        "links": [{"href": "https://kubegraf.example.com/admin/events/event/1/", "text": "Open in KubeGraf"}],
    }
    assert receipt.remote["dedup_key"] == "production/pod_crash_loop/default/my-app-123"
    assert KEY not in json.dumps(dict(receipt.remote))


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (Status.FIRING, "trigger"),
        (Status.OCCURRED, "trigger"),
        (Status.ACKNOWLEDGED, "acknowledge"),
        (Status.RESOLVED, "resolve"),
    ],
)
def test_each_status_is_the_action_of_its_name_under_one_dedup_key(status: Status, action: str) -> None:
    request, _ = tell(a_message(status=status))
    assert sent(request)["event_action"] == action
    assert sent(request)["dedup_key"] == dedup_key(a_message())


@pytest.mark.parametrize(
    ("severity", "theirs"),
    [
        (Severity.CRITICAL, "critical"),
        (Severity.HIGH, "error"),
        (Severity.MEDIUM, "warning"),
        (Severity.LOW, "info"),
        (Severity.INFO, "info"),
    ],
)
def test_severities_are_put_into_pagerdutys_words(severity: Severity, theirs: str) -> None:
    assert sent(tell(a_message(severity=severity))[0])["payload"]["severity"] == theirs


def test_a_test_is_only_info_and_says_where_to_look() -> None:
    request, receipt = tell(a_message(test=True))
    assert sent(request)["payload"]["severity"] == "info"
    assert "verify in PagerDuty that the service is active" in receipt.note
    assert "check that the severity filter" in receipt.note


def test_links_and_images_come_from_the_details() -> None:
    details = {
        "runbook_url": "https://wiki.example.com/runbook",
        "image_url": "https://graphs.example.com/1.png",
        "bad_url": "javascript:alert(1)",
        "other_url": 7,
    }
    body = sent(tell(a_message(details=details), a_config(image_url="https://graphs.example.com/0.png"))[0])
    assert body["links"][1:] == [{"href": "https://wiki.example.com/runbook", "text": "Runbook"}]
    assert [image["src"] for image in body["images"]] == [
        "https://graphs.example.com/0.png",
        "https://graphs.example.com/1.png",
    ]


def test_a_message_with_nothing_in_it_is_an_event_still() -> None:
    bare = {"cluster": "", "namespace": "", "resource": "", "description": "", "url": ""}
    tell(a_message(**bare, details={}, recommendations=()))


def test_everything_long_is_shortened_to_the_limits() -> None:
    long = "x🔥" * 5_000
    request, _ = tell(
        a_message(
            title=long,
            cluster=long,
            namespace=long,
            resource=long,
            key=long,
            description=long,
            details={f"{long}{number}": long for number in range(100)},
            recommendations=tuple(Recommendation(long, long) for _ in range(100)),
        )
    )
    assert sent(request)["payload"]["custom_details"]["details"]


def test_details_that_cannot_be_shortened_are_left_out_with_a_remark() -> None:
    request, _ = tell(a_message(details={"numbers": list(range(200_000))}))
    assert sent(request)["payload"]["custom_details"] == {
        "note": "The details were too long and are left out."
    }


def test_two_details_with_long_names_that_begin_alike_are_both_sent() -> None:
    request, _ = tell(a_message(details={"k" * 120 + "a": 1, "k" * 120 + "b": 2}))

    assert sent(request)["payload"]["custom_details"]["details"] == {"k" * 99 + "…": 1, "k" * 99 + "… (2)": 2}


def test_two_long_keys_that_begin_alike_are_two_problems() -> None:
    assert dedup_key(a_message(key="k" * 300 + "a")) != dedup_key(a_message(key="k" * 300 + "b"))


def test_europe_has_a_host_of_its_own() -> None:
    assert tell(a_message(), a_config(region="eu"))[0].url == "https://events.eu.pagerduty.com/v2/enqueue"


# --- Change events --------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", ["deployment_scaled", "node_scaled_down"])
def test_planned_changes_are_change_events_where_that_is_chosen(event_type: str) -> None:
    message = a_message(event_type=event_type, status=Status.OCCURRED)
    request, receipt = tell(message, a_config(change_events=True))
    assert request.url == "https://events.pagerduty.com/v2/change/enqueue"
    assert sent(request)["payload"]["source"] == "production"
    assert receipt.note == "Sent as a change event."
    assert tell(message)[0].url.endswith("/v2/enqueue")


def test_what_only_happened_is_an_incident_even_so() -> None:
    message = a_message(event_type="pod_restarted", status=Status.OCCURRED)
    assert tell(message, a_config(change_events=True))[0].url.endswith("/v2/enqueue")


# --- The key that opened it -----------------------------------------------------------------------------


def test_a_resolve_goes_out_under_the_key_that_opened_the_incident() -> None:
    _, receipt = tell(a_message())
    rotated = a_config(integration_key=OTHER, previous_integration_key=KEY)
    request, _ = tell(a_message(status=Status.RESOLVED), rotated, dict(receipt.remote))
    assert sent(request)["routing_key"] == KEY


def test_an_update_stays_with_the_key_that_opened_it_and_a_recurrence_takes_the_new_one() -> None:
    _, receipt = tell(a_message())
    rotated = a_config(integration_key=OTHER, previous_integration_key=KEY)
    update, _ = tell(a_message(count=2), rotated, dict(receipt.remote))
    again, _ = tell(a_message(id="another event"), rotated, dict(receipt.remote))
    assert (sent(update)["routing_key"], sent(again)["routing_key"]) == (KEY, OTHER)


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.ACKNOWLEDGED])
def test_without_that_key_the_end_is_refused_and_nothing_is_sent(status: Status) -> None:
    _, receipt = tell(a_message())
    dispatch = Dispatch("d", a_message(status=status), dict(receipt.remote))
    error = failing(PAGERDUTY.send(a_config(integration_key=OTHER), dispatch))
    assert (error.reason, error.retry, error.disable) == (Reason.MISCONFIGURED, False, False)
    assert "Enter the old key as previous integration key" in error.text


def test_without_that_key_an_update_opens_a_new_incident_rather_than_staying_unheard() -> None:
    _, receipt = tell(a_message())
    request, _ = tell(a_message(count=2), a_config(integration_key=OTHER), dict(receipt.remote))
    assert sent(request)["routing_key"] == OTHER


# --- Answers --------------------------------------------------------------------------------------------

BAD_KEY = {
    "status": "invalid event",
    "message": "Event object is invalid",
    "errors": ["'routing_key' is invalid"],
}
BAD_EVENT = {
    "status": "invalid event",
    "message": "Event object is invalid",
    "errors": ["'payload' is missing"],
}


@pytest.mark.parametrize(
    ("status", "body", "headers", "reason", "retry", "disable", "wait", "words"),
    [
        (400, BAD_KEY, {}, Reason.AUTH, False, True, None, "Verify that the integration key is correct"),
        (400, BAD_EVENT, {}, Reason.INVALID_MESSAGE, False, False, None, "'payload' is missing"),
        (400, "no JSON", {}, Reason.INVALID_MESSAGE, False, False, None, "no JSON"),
        (401, "", {}, Reason.AUTH, False, True, None, "Verify that the integration key is correct"),
        (403, "", {}, Reason.AUTH, False, False, None, "Verify that the integration key is correct"),
        (404, "", {}, Reason.AUTH, False, False, None, "Verify that the integration key is correct"),
        (429, "", {}, Reason.RATE_LIMITED, True, False, 60.0, "HTTP 429"),
        (429, "", {"retry_after": "300"}, Reason.RATE_LIMITED, True, False, 300.0, "HTTP 429"),
        (500, "", {}, Reason.SERVER_ERROR, True, False, None, "HTTP 500"),
        (202, "", {}, Reason.BAD_ANSWER, True, False, None, "not JSON"),
        (202, [], {}, Reason.BAD_ANSWER, True, False, None, "not an object"),
        (200, {"ok": True}, {}, Reason.BAD_ANSWER, True, False, None, "without PagerDuty's “success”"),
        (202, {"status": "throttled"}, {}, Reason.BAD_ANSWER, True, False, None, "without PagerDuty's"),
    ],
)
def test_every_answer_has_a_verdict(
    status: int,
    body: Any,
    headers: dict[str, str],
    reason: Reason,
    retry: bool,
    disable: bool,
    wait: float | None,
    words: str,
) -> None:
    error = failing(PAGERDUTY.send(a_config(), Dispatch("d", a_message())), answer(status, body, **headers))
    assert (error.reason, error.retry, error.disable, error.retry_after) == (reason, retry, disable, wait)
    assert words in error.text


# --- The configuration ----------------------------------------------------------------------------------


def test_the_key_goes_by_either_name() -> None:
    assert PagerDutyConfig.model_validate({"routing_key": KEY}) == a_config()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"integration_key": "xxxxxxxxxxxxxxxx"}, "is a placeholder"),
        ({"integration_key": "..."}, "is a placeholder"),
        ({"integration_key": "R0tooShort"}, "32 letters and digits"),
        ({"previous_integration_key": "R0tooShort"}, "32 letters and digits"),
        ({"region": "mars"}, "'us' or 'eu'"),
        ({"image_url": "http://graphs.example.com/1.png"}, "only images from https"),
        ({"severity": "critical"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_reason(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        a_config(**changes)
    assert words in str(refusal.value)
    assert "R0tooShort" not in str(refusal.value)


def test_a_blank_previous_key_is_none() -> None:
    assert a_config(previous_integration_key="").previous_integration_key is None


def test_a_preview_is_the_event_without_its_key() -> None:
    preview = PAGERDUTY.preview(a_config(), a_message())
    request, _ = tell(a_message())
    assert {**preview.content, "routing_key": KEY} == sent(request)
    assert preview.target == "PagerDuty (us), trigger"


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "https://events.pagerduty.com"),
        ({"region": "eu"}, "https://events.eu.pagerduty.com"),
        ({"events_url": "https://relay.example.com"}, "https://relay.example.com"),
    ],
)
def test_before_an_event_it_is_asked_no_more_than_whether_it_can_be_reached(
    config: dict[str, str], url: str
) -> None:
    assert next(PAGERDUTY.check(a_config(**config))) == Handshake(url)
