"""The generic webhook: what is sent, how it is signed, and what answers mean."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook as Judge
from standardwebhooks import WebhookVerificationError

from connectors.conversation import Dispatch, Request
from connectors.errors import Reason
from connectors.handshake import Handshake
from connectors.message import Message
from connectors.providers.webhook import Webhook, WebhookConfig
from tests.connectors.providers.canary import CANARY
from tests.connectors.providers.conversing import a_message, answer, converse, failing, sent
from tests.connectors.transport.driving import Drive, lead
from tests.receiver import Receiver

URL = "https://api.example.com/kubegraf/events?key=made-up-5f2c91d07be8"
SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a made-up key").decode()
OLDER = "whsec_" + base64.b64encode(b"another made-up key, long enough").decode()
DELIVERY = "0199a0b0-1111-7000-8000-000000000001"
WEBHOOK = Webhook()
_SIGNED = "whsec_" + base64.b64encode(f"{CANARY} and more bytes".encode()).decode()
CANARIES = [
    {
        "url": "{receiver}/" + CANARY,
        "headers": {"X-Api-Key": CANARY, "Authorization": f"Bearer {CANARY}"},
        "signing_secret": _SIGNED,
        "previous_signing_secret": _SIGNED,
    }
]


def a_config(**changes: Any) -> WebhookConfig:
    return WebhookConfig.model_validate({"url": URL, **changes})


def tell(message: Message | None = None, **changes: Any) -> Request:
    """The request for a message; the receiver answers 204."""
    dispatch = Dispatch(DELIVERY, message or a_message())
    (request,), _ = converse(WEBHOOK.send(a_config(**changes), dispatch), answer(204))
    assert isinstance(request, Request)
    return request


# --- What is sent ---------------------------------------------------------------------------------------


def test_the_documented_payload_is_sent_exactly_with_id_status_and_key() -> None:
    request = tell()
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["Content-Type"] == "application/json"
    assert sent(request) == {
        "id": "0199a0b0-0000-7000-8000-000000000001",
        "key": "production/pod_crash_loop/default/my-app-123",
        "status": "firing",
        "event_type": "pod_crash_loop",
        "severity": "critical",
        "timestamp": "2025-01-15T10:30:00Z",
        "cluster": "production",
        "namespace": "default",
        "resource": "Pod/my-app-123",
        "title": "Pod my-app-123 in crash loop",
        "description": "Pod has restarted 5 times in the last 10 minutes",
        "details": {
            "pod_name": "my-app-123",
            "namespace": "default",
            "restart_count": 5,
            "last_error": "Container failed to start",
        },
        "recommendations": [{"action": "Check pod logs", "command": "kubectl logs my-app-123 -n default"}],
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_method_is_the_chosen_one(method: str) -> None:
    assert tell(method=method).method == method


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer made-up-token-123"}, '{"Authorization": "Bearer made-up-token-123"}'],
    ids=["object", "JSON text"],
)
def test_headers_are_sent_however_they_were_written(headers: Any) -> None:
    assert tell(headers=headers).headers["Authorization"] == "Bearer made-up-token-123"


@pytest.mark.parametrize("headers", [{}, "", "{}"])
def test_there_may_be_no_headers(headers: Any) -> None:
    assert set(tell(headers=headers).headers) == {"Content-Type", "webhook-id"}


def test_the_documented_custom_format_is_sent() -> None:
    request = tell(
        headers={"Content-Type": "application/json", "X-API-Key": "made-up"},
        body_template='{"alert": "{{title}}", "cluster": "{{cluster}}"}',
    )
    assert request.body == b'{"alert":"Pod my-app-123 in crash loop","cluster":"production"}'


def test_a_template_may_be_an_object_and_keep_numbers() -> None:
    template = {"alert": "{{title}}", "restarts": "{{details.restart_count | json}}", "fixed": [1, True]}
    assert sent(tell(body_template=template)) == {
        "alert": "Pod my-app-123 in crash loop",
        "restarts": 5,
        "fixed": [1, True],
    }


def test_no_title_breaks_out_of_a_json_template() -> None:
    message = a_message(title='", "admin": true, "x": "\\ \n {{cluster}}')
    assert sent(tell(message, body_template='{"alert": "{{title}}"}')) == {"alert": message.title}


def test_another_content_type_takes_the_template_as_it_is() -> None:
    request = tell(
        headers={"content-type": "text/plain; charset=utf-8"},
        body_template="{{severity | upcase}}: {{title}}",
    )
    assert request.body == b"CRITICAL: Pod my-app-123 in crash loop"
    assert "Content-Type" not in request.headers


def test_the_documented_payload_is_json_whatever_content_type_it_is_given() -> None:
    message = a_message()
    request = tell(message, headers={"Content-Type": "text/plain"})
    assert sent(request) == message.payload()
    assert request.headers["Content-Type"] == "text/plain"


def test_a_template_that_cannot_cope_with_a_message_is_that_messages_fault() -> None:
    config = a_config(body_template='{"a": "{{ details.restart_count | round }}"}')
    dispatch = Dispatch(DELIVERY, a_message(details={"restart_count": "many"}))
    error = failing(WEBHOOK.send(config, dispatch))
    assert (error.reason, error.retry, error.disable) == (Reason.INVALID_MESSAGE, False, False)
    assert error.text.startswith("Body template: The template does not work")


def test_cloudevents_is_an_envelope_around_the_payload() -> None:
    request = tell(a_message(cluster="prod/eu ü"), format="cloudevents")
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    event = sent(request)
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": DELIVERY,
        "source": "/kubegraf/clusters/prod%2Feu%20%C3%BC",
        "type": "io.kubegraf.pod_crash_loop",
        "subject": "Pod/my-app-123",
        "time": "2025-01-15T10:30:00Z",
        "datacontenttype": "application/json",
    }
    assert data["title"] == "Pod my-app-123 in crash loop"


# --- Signing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"format": "cloudevents"},
        {"body_template": '{"alert": "{{title}} ü"}'},
        {"method": "PUT", "headers": {"Content-Type": "text/plain"}, "body_template": "{{title}} ü"},
    ],
)
def test_a_signature_covers_exactly_the_bytes_sent(changes: dict[str, Any]) -> None:
    request = tell(a_message(title="Ünïcode 🔥"), signing_secret=SECRET, **changes)
    Judge(SECRET).verify(request.body, dict(request.headers), json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Judge(SECRET).verify(request.body + b" ", dict(request.headers), json_parse=False)


def test_the_id_is_the_deliverys_and_the_time_that_of_the_attempt() -> None:
    request = tell(signing_secret=SECRET)
    assert request.headers["webhook-id"] == DELIVERY
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5


def test_during_a_rotation_both_secrets_sign() -> None:
    request = tell(signing_secret=SECRET, previous_signing_secret=OLDER)
    for secret in (SECRET, OLDER):
        Judge(secret).verify(request.body, dict(request.headers))


@pytest.mark.usefixtures("loopback")
def test_what_arrives_over_a_real_connection_is_genuine(driver: Drive, receiver: Receiver) -> None:
    config = a_config(
        url=f"{receiver.url}/hook?key=made-up",
        headers={"X-API-Key": "made-up-key-123"},
        signing_secret=SECRET,
    )
    dispatch = Dispatch(DELIVERY, a_message(title="Ünïcode 🔥"))
    result = lead(driver, WEBHOOK.send(config, dispatch))
    assert result.receipt is not None
    (got,) = receiver.requests
    assert (got.method, got.path, got.headers["X-API-Key"]) == (
        "POST",
        "/hook?key=made-up",
        "made-up-key-123",
    )
    assert Judge(SECRET).verify(got.body, dict(got.headers.items()))["title"] == "Ünïcode 🔥"


# --- Answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_success_whatever_its_body(status: int) -> None:
    converse(WEBHOOK.send(a_config(), Dispatch(DELIVERY, a_message())), answer(status, "anything"))


@pytest.mark.parametrize(
    ("status", "headers", "reason", "retry", "disable", "wait", "words"),
    [
        (301, {}, Reason.REDIRECT, False, False, None, "enter the final address"),
        (400, {}, Reason.INVALID_MESSAGE, False, False, None, "Check the body template"),
        (401, {}, Reason.AUTH, False, True, None, "check the Authorization or API key header"),
        (403, {}, Reason.AUTH, False, False, None, "check the rights of the token"),
        (404, {}, Reason.GONE, False, False, None, "check the path of the URL"),
        (405, {}, Reason.INVALID_MESSAGE, False, False, None, "Check the method"),
        (408, {}, Reason.SERVER_ERROR, True, False, None, "HTTP 408"),
        (410, {}, Reason.GONE, False, True, None, "enter the new one"),
        (413, {}, Reason.INVALID_MESSAGE, False, False, None, "shorten it with a body template"),
        (415, {}, Reason.INVALID_MESSAGE, False, False, None, "Check the Content-Type header"),
        (429, {"retry_after": "7"}, Reason.RATE_LIMITED, True, False, 7.0, "HTTP 429"),
        (503, {"retry_after": "9"}, Reason.SERVER_ERROR, True, False, 9.0, "HTTP 503"),
    ],
)
def test_a_failure_has_its_verdict_and_says_what_to_do(
    status: int,
    headers: dict[str, str],
    reason: Reason,
    retry: bool,
    disable: bool,
    wait: float | None,
    words: str,
) -> None:
    error = failing(
        WEBHOOK.send(a_config(), Dispatch(DELIVERY, a_message())), answer(status, "no", **headers)
    )
    assert (error.reason, error.retry, error.disable, error.retry_after) == (reason, retry, disable, wait)
    assert words in error.text


@pytest.mark.parametrize("padding", range(250, 300, 7))
def test_a_secret_that_an_answer_repeats_is_hidden_even_where_the_answer_is_cut(padding: int) -> None:
    config = a_config(headers={"X-API-Key": "sk-made-up-0123456789-abcdefghij"})
    echo = answer(400, "x" * padding + " sk-made-up-0123456789-abcdefghij " + URL)
    error = failing(WEBHOOK.send(config, Dispatch(DELIVERY, a_message())), echo)
    assert "sk-made" not in error.text
    assert "key=made" not in error.text


# --- The configuration ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "api.example.com/events"}, "beginning with https://"),
        ({"url": "https://user:s3cretpass@example.com/"}, "before the @"),
        ({"method": "GET"}, "'POST', 'PUT' or 'PATCH'"),
        ({"headers": "Authorization: Bearer s3cretpass"}, "Enter the headers as a JSON object"),
        ({"headers": ["s3cretpass"]}, "Enter the headers as a JSON object"),
        ({"headers": {"Authorization": "Bearer YOUR_TOKEN"}}, "is a placeholder"),
        ({"headers": {"X-API-Key": "your-api-key"}}, "is a placeholder"),
        ({"headers": {f"X-{number}": "made-up" for number in range(51)}}, "at most 50 headers"),
        ({"headers": {"X Key": "s3cretpass"}}, "only letters, digits and hyphens"),
        ({"headers": {"X-Key\r\nHost": "s3cretpass"}}, "only letters, digits and hyphens"),
        ({"headers": {"X-Key": "s3cretpass\r\nHost: x"}}, "one line of printable ASCII"),
        ({"headers": {"X-Key": "s3cretpässword"}}, "one line of printable ASCII"),
        ({"headers": {"X-Key": 7}}, "Input should be a valid string"),
        ({"headers": {"Host": "s3cretpass"}}, "The header Host is written by KubeGraf itself"),
        ({"headers": {"Webhook-Signature": "s3cretpass"}}, "is written by KubeGraf itself"),
        ({"headers": {"Content-Length": "3"}}, "is written by KubeGraf itself"),
        ({"headers": {"X-Key": "s3cretpass", "x-key": "s3cretpass"}}, "is there twice"),
        ({"headers": {"Content-Type": "env:KUBEGRAF_SECRET_X"}}, "Enter the Content-Type itself"),
        ({"body_template": "{{title}}"}, "The template is not JSON"),
        ({"body_template": '{"a": "{{titel}}"}'}, "There is no field 'titel'"),
        ({"body_template": '{"a": "{{title}"}'}, "The template does not work"),
        ({"body_template": '{"a": 1}', "format": "cloudevents"}, "Choose one of the two"),
        ({"format": "cloudevents", "headers": {"Content-Type": "text/plain"}}, "has its own"),
        ({"signing_secret": "s3cretpass"}, "whsec_ followed by base64"),
        ({"previous_signing_secret": SECRET}, "a previous one alone signs nothing"),
        ({"events": ["all"]}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_reason(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        a_config(**changes)
    assert words in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_values_kept_elsewhere_are_judged_when_they_are_used() -> None:
    config = a_config(url="env:KUBEGRAF_SECRET_URL", headers={"X-Key": "file:/run/secrets/key"})
    error = failing(WEBHOOK.send(config, Dispatch(DELIVERY, a_message())))
    assert (error.reason, error.disable) == (Reason.MISCONFIGURED, True)
    assert error.text == "URL: Enter the whole address, beginning with https://"


def test_plain_http_is_warned_about() -> None:
    assert WEBHOOK.warnings(a_config()) == []
    (warning,) = WEBHOOK.warnings(a_config(url="http://api.example.com/"))
    assert warning.startswith("Always use https")


@pytest.mark.parametrize(
    ("content_type", "warned"),
    [
        ("application/json; charset=iso-8859-1", True),
        ('text/plain;charset="UTF-16"', True),
        ("text/plain; charset=UTF-8", False),
        ("text/plain", False),
    ],
)
def test_another_charset_than_the_body_has_is_warned_about(content_type: str, warned: bool) -> None:
    found = WEBHOOK.warnings(a_config(headers={"Content-Type": content_type}))

    assert any(warning.startswith("The body is sent in UTF-8") for warning in found) is warned


@pytest.mark.parametrize(
    "changes", [{}, {"body_template": '{"alert": "{{title}}"}'}, {"format": "cloudevents"}]
)
def test_a_preview_is_the_body_without_the_address(changes: dict[str, Any]) -> None:
    preview = WEBHOOK.preview(a_config(**changes), a_message())
    assert preview.target == "POST api.example.com"
    assert preview.content.keys() == json.loads(tell(**changes).body).keys()


def test_a_preview_of_text_stands_under_body() -> None:
    config = a_config(headers={"Content-Type": "text/plain"}, body_template="{{title}}")
    assert WEBHOOK.preview(config, a_message()).content == {"body": "Pod my-app-123 in crash loop"}


def test_a_preview_names_a_reference_and_not_what_it_stands_for() -> None:
    preview = WEBHOOK.preview(a_config(url="env:KUBEGRAF_SECRET_URL"), a_message())
    assert preview.target == "POST env:KUBEGRAF_SECRET_URL"


def test_before_a_message_the_endpoint_is_asked_no_more_than_whether_it_can_be_reached() -> None:
    assert next(WEBHOOK.check(a_config())) == Handshake(URL)
