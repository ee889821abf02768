"""Any HTTP endpoint: the documented payload, a body of one's own, or CloudEvents, signed on request.

CloudEvents 1.0, structured mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from connectors import body_template
from connectors.config_values import blank_is_absent, reveal, secret, web_address
from connectors.conversation import Conversation, Dispatch, Receipt, Request, Response
from connectors.encodable import encodable, json_bytes
from connectors.errors import Reason, SendError
from connectors.handshake import reach
from connectors.message import JSONDict, Message, iso
from connectors.provider import Config, Preview, Provider
from connectors.secrets import Redactor, is_reference
from connectors.signing import signature_headers, signing_key
from connectors.verdict import failure

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
# What the sender itself writes: the frame of the message, the connection, and the signature.
_RESERVED = {
    *("connection", "content-encoding", "content-length", "expect", "host", "keep-alive", "te", "trailer"),
    *("transfer-encoding", "upgrade", "webhook-id", "webhook-signature", "webhook-timestamp"),
}


MOST_HEADERS = 50
"""More is no configuration, and each is looked for in all that is written down."""


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("A header's value is one line of printable ASCII characters")
    return value


def _key(value: str) -> str:
    signing_key(value)
    return value


def _headers_object(value: object) -> object:
    """JSON text becomes the object that it holds; the rest is left for the type to judge."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except (ValueError, RecursionError):
            raise ValueError('Enter the headers as a JSON object: {"X-API-Key": "…"}') from None
    if not isinstance(value, dict):
        raise ValueError('Enter the headers as a JSON object: {"X-API-Key": "…"}')
    if len(value) > MOST_HEADERS:
        raise ValueError(f"There may be at most {MOST_HEADERS} headers")
    return value


def _headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    names = [name.lower() for name in headers]
    for name in headers:
        if not _TOKEN.fullmatch(name):
            raise ValueError("A header's name has only letters, digits and hyphens")
        if name.lower() in _RESERVED:
            raise ValueError(f"The header {name} is written by KubeGraf itself: leave it out")
        if names.count(name.lower()) > 1:
            raise ValueError(f"The header {name} is there twice")
    return headers


def _template_text(value: object) -> object:
    """A template may be written as JSON itself, rather than as text with JSON in it."""
    return json.dumps(value, ensure_ascii=False, indent=2) if isinstance(value, dict | list) else value


class WebhookConfig(Config):
    """Where to send, with which headers, and what the body looks like."""

    url: Annotated[SecretStr, secret(web_address)] = Field(
        title="URL",
        description="Your endpoint, beginning with https://. The whole address is kept as a secret.",
    )
    method: Literal["POST", "PUT", "PATCH"] = Field(
        default="POST", title="Method", description="The HTTP method of the request."
    )
    headers: Annotated[
        dict[str, Annotated[SecretStr, secret(_header_value)]],
        BeforeValidator(_headers_object),
        AfterValidator(_headers),
    ] = Field(
        default_factory=dict,
        title="Headers",
        description='Further headers, as a JSON object: {"Authorization": "Bearer …"}. Their values are kept'
        " as secrets.",
    )
    format: Literal["kubegraf", "cloudevents"] = Field(
        default="kubegraf",
        title="Format",
        description="kubegraf is the documented payload; cloudevents puts it in a CloudEvents 1.0 envelope.",
    )
    body_template: Annotated[str, BeforeValidator(_template_text)] = Field(
        default="",
        title="Body template",
        description="A body of your own with fields such as {{title}} or {{details.restart_count}}, as text"
        " or as a JSON object. Leave empty for the documented payload. Keep secrets out of it: use headers.",
        json_schema_extra={"multiline": True},
    )
    signing_secret: Annotated[SecretStr | None, secret(_key), BeforeValidator(blank_is_absent)] = Field(
        default=None,
        title="Signing secret",
        description="whsec_…: signs every message by the Standard Webhooks specification.",
    )
    previous_signing_secret: Annotated[SecretStr | None, secret(_key), BeforeValidator(blank_is_absent)] = (
        Field(
            default=None,
            title="Previous signing secret",
            description="While receivers change over to a new secret, messages are signed with both.",
        )
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.previous_signing_secret and not self.signing_secret:
            raise ValueError("Enter the signing secret too: a previous one alone signs nothing")
        if self.format == "cloudevents" and self.body_template:
            raise ValueError("Choose one of the two: the CloudEvents format, or a body template")
        if self.format == "cloudevents" and self.own_content_type:
            raise ValueError("Leave out the header Content-Type: the CloudEvents format has its own")
        if is_reference(self.own_content_type):
            raise ValueError("Enter the Content-Type itself: it decides how the body template is read")
        if self.body_template:
            body_template.check(self.body_template, is_json=self.is_json)
        return self

    @cached_property
    def frame(self) -> _Frame:
        """The address, the headers and the signing keys. Raises SendError(MISCONFIGURED)."""
        headers = {
            name: reveal(value, f"Header {name}", _header_value) for name, value in self.headers.items()
        }
        if not self.own_content_type:
            headers["Content-Type"] = self.content_type
        keys = (
            ("Signing secret", self.signing_secret),
            ("Previous signing secret", self.previous_signing_secret),
        )
        return _Frame(
            url=reveal(self.url, "URL", web_address),
            headers=headers,
            keys=[signing_key(reveal(value, title, _key)) for title, value in keys if value is not None],
        )

    @property
    def own_content_type(self) -> str:
        """The Content-Type among the headers, or nothing."""
        return next(
            (
                value.get_secret_value()
                for name, value in self.headers.items()
                if name.lower() == "content-type"
            ),
            "",
        )

    @property
    def content_type(self) -> str:
        """The Content-Type that is sent."""
        if self.format == "cloudevents":
            return "application/cloudevents+json; charset=utf-8"
        return self.own_content_type or "application/json"

    @cached_property
    def is_json(self) -> bool:
        """Whether the body is JSON, in which every value is escaped: without a template it always is."""
        kind = self.content_type.partition(";")[0].strip().lower()
        return not self.body_template or kind.endswith(("/json", "+json"))


def content(config: WebhookConfig, message: Message, delivery_id: str) -> Any:
    """The body before it is encoded: JSON, decoded, or text where a template's Content-Type is not JSON.

    Parts of it may have no encoding yet (connectors.encodable). Raises TemplateError where the template
    cannot cope with this message.
    """
    if config.format == "cloudevents":
        return cloud_event(message, delivery_id)
    if not config.body_template:
        return message.payload()
    fill = body_template.render_json if config.is_json else body_template.render
    return fill(config.body_template, body_template.values(message))


def cloud_event(message: Message, delivery_id: str) -> JSONDict:
    """The payload in a CloudEvents envelope. `id` is the delivery's, so that a repetition can be told."""
    cluster = encodable(message.cluster)
    event: JSONDict = {
        "specversion": "1.0",
        "id": delivery_id,
        "source": "/kubegraf" + (f"/clusters/{quote(cluster, safe='')}" if cluster else ""),
        "type": f"io.kubegraf.{encodable(message.event_type)}",
        "time": iso(message.timestamp),
        "datacontenttype": "application/json",
        "data": message.payload(),
    }
    if message.resource:
        event["subject"] = encodable(message.resource)
    return event


@dataclass(frozen=True, slots=True, repr=False)
class _Frame:
    """What all requests of a connector have in common, its secrets looked up."""

    url: str
    headers: dict[str, str]
    keys: list[bytes]


_ADVICE = {
    400: "Check the body template and the Content-Type header against what the receiver expects.",
    401: "The receiver does not accept the credentials: check the Authorization or API key header.",
    403: "The receiver forbids it: check the rights of the token or key in the headers.",
    404: "There is nothing at this address: check the path of the URL.",
    405: "Check the method: the receiver does not take this one here.",
    410: "The receiver says that this address is gone for good: enter the new one.",
    413: "The message is too long for the receiver: shorten it with a body template.",
    415: "Check the Content-Type header: the receiver does not take this one.",
    422: "Check the body template against what the receiver expects.",
}


def _explained(error: SendError, response: Response, secrets: Iterable[str]) -> SendError:
    """The general verdict on a failure, with advice.

    What a receiver answers is quoted, and it may repeat what it was sent: so secrets are hidden before the
    quotation is cut to length, which could leave half of one.
    """
    said = Redactor(secrets).blank(response.text) if response.status >= 400 else ""
    error = failure(msgspec.structs.replace(response, body=said.encode())) or error
    text = f"{_ADVICE[response.status]} {error.text}" if response.status in _ADVICE else error.text
    return SendError(
        error.reason, text, retry=error.retry, retry_after=error.retry_after, disable=error.disable
    )


class Webhook(Provider[WebhookConfig]):
    """Events to any HTTP endpoint."""

    slug = "webhook"
    label = "Webhook"
    summary = "Any HTTP endpoint: the documented payload, or a body of your own, signed on request."
    needs = "The address of an endpoint that takes a POST, PUT or PATCH, and any token it asks for."
    icon = "webhook"
    config_class = WebhookConfig
    keeps_reference = False
    example = {
        "url": "https://api.example.com/kubegraf/events",
        "method": "POST",
        "headers": {"X-API-Key": "made-up-key-5f2c91d07be8"},
        "body_template": '{"alert": "{{title}}", "cluster": "{{cluster}}"}',
        "signing_secret": "whsec_bWFkZS11cC1zaWduaW5nLXNlY3JldC1mb3ItZG9jcw==",
    }

    def send(self, config: WebhookConfig, dispatch: Dispatch) -> Conversation:
        """One request, signed over exactly the bytes that it carries."""
        frame = config.frame
        try:
            said = content(config, dispatch.message, dispatch.id)
        except body_template.TemplateError as error:
            raise SendError(Reason.INVALID_MESSAGE, f"Body template: {error}") from None
        body = json_bytes(said) if config.is_json else str(said).encode()
        if frame.keys:
            headers = frame.headers | signature_headers(frame.keys, dispatch.id, int(time.time()), body)
        else:
            headers = frame.headers | {"webhook-id": dispatch.id}
        response = yield Request(config.method, frame.url, headers, body)
        refusal = failure(response)
        if refusal is not None:
            raise _explained(refusal, response, [frame.url, *headers.values()])
        return Receipt()

    def preview(self, config: WebhookConfig, message: Message) -> Preview:
        """The body; one that is not JSON stands as text under `body`."""
        address = config.url.get_secret_value()
        where = address if is_reference(address) else urlsplit(address).hostname
        try:
            body = encodable(content(config, message, message.id))
        except body_template.TemplateError as error:
            body = {"error": f"Body template: {error}"}
        shown = body if isinstance(body, dict) else {"body": body}
        return Preview("json", f"{config.method} {where}", shown)

    def check(self, config: WebhookConfig) -> Conversation:
        """Whether the endpoint can be reached and its certificate trusted; more it cannot be asked."""
        return (yield from reach(reveal(config.url, "URL", web_address)))

    def warnings(self, config: WebhookConfig) -> list[str]:
        """Plain http, and an encoding that the body does not have."""
        found = []
        if config.url.get_secret_value().lower().startswith("http://"):
            found.append(
                "Always use https: over plain http, anyone on the way can read and change the messages."
            )
        charset = _CHARSET.search(config.own_content_type)
        if charset and charset[1].lower() not in ("utf-8", "utf8"):
            found.append("The body is sent in UTF-8, but the header Content-Type names another charset.")
        return found
