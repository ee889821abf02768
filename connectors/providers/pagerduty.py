"""PagerDuty, by the Events API v2: an incident is triggered, acknowledged and resolved.

Formats, limits and answers: https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr

from connectors import text
from connectors.config_values import blank_is_absent, reveal, secret, web_address
from connectors.conversation import Conversation, Dispatch, Receipt, Response, post
from connectors.encodable import encodable
from connectors.errors import Reason, SendError
from connectors.handshake import reach
from connectors.message import JSONDict, Message, Severity, Status, iso
from connectors.provider import Config, Preview, Provider
from connectors.verdict import failure, retry_after

REGIONS = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
SEVERITIES = dict(zip(Severity, ("critical", "error", "warning", "info", "info"), strict=True))
ACTIONS = {Status.ACKNOWLEDGED: "acknowledge", Status.RESOLVED: "resolve"}  # else trigger
# What people or autoscalers do on purpose: a change rather than an incident.
PLANNED = {"deployment_scaled", "node_scaled_down"}

_SUMMARY = 1024
_DEDUP_KEY = 255
_FIELD = 255
_MOST_LINKS = 10
_MOST_RECOMMENDATIONS = 20
LONGEST = 512 * 1024  # bytes of the whole event
_SHORTER_AND_SHORTER = (16_000, 4_000, 1_000, 250)
_WAIT = 60.0  # seconds after a 429: PagerDuty counts the last minute

VERIFY_KEY = (
    "Verify that the integration key is correct: it is that of an Events API v2 integration, in PagerDuty"
    " under Services → your service → Integrations."
)
NOTHING_OPENED = (
    "If no incident opens, verify in PagerDuty that the service is active, and check that the severity filter"
    " lets the event through."
)


def _key(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{32}", key):
        raise ValueError(
            "An integration key has 32 letters and digits: copy it from the Events API v2 integration"
        )
    return key


def _image(address: str) -> str:
    if address and not web_address(address).startswith("https://"):
        raise ValueError("PagerDuty shows only images from https:// addresses")
    return address


def _events_url(address: str) -> str:
    if address and urlsplit(web_address(address)).path.strip("/"):
        raise ValueError("Enter the address without a path: KubeGraf adds /v2/enqueue")
    return address.rstrip("/")


class PagerDutyConfig(Config):
    """The service to alert, and whether planned changes are incidents."""

    integration_key: Annotated[SecretStr, secret(_key)] = Field(
        validation_alias=AliasChoices("integration_key", "routing_key"),
        title="Integration key",
        description="PagerDuty → Services → your service → Integrations → Events API v2.",
    )
    previous_integration_key: Annotated[SecretStr | None, secret(_key), BeforeValidator(blank_is_absent)] = (
        Field(
            default=None,
            title="Previous integration key",
            description="After a change of key: resolves what the old one opened. Remove it after that.",
        )
    )
    region: Literal["us", "eu"] = Field(
        default="us", title="Region", description="Where your account lives: us, or eu."
    )
    events_url: Annotated[str, AfterValidator(_events_url)] = Field(
        default="",
        title="Events API address",
        description="Only for a relay that speaks the Events API v2: https://HOST, without /v2/enqueue.",
    )
    change_events: bool = Field(
        default=False,
        title="Send planned changes as change events",
        description="Scaling of Deployments and nodes is shown beside incidents and alerts nobody. Needs the"
        " integration key of a service, not of an event orchestration.",
    )
    image_url: Annotated[str, AfterValidator(_image)] = Field(
        default="",
        title="Image",
        description="https:// address of an image to show in every incident, such as a rendered graph.",
    )


def dedup_key(message: Message) -> str:
    """What joins the events of one problem: the message's key, or its hash where that is too long."""
    key = message.key
    if key and len(key) <= _DEDUP_KEY and key.isprintable():
        return key
    return "kubegraf-" + hashlib.sha256(key.encode(errors="replace")).hexdigest()


def key_hash(key: str) -> str:
    """Which integration key it was, without telling it."""
    return hashlib.sha256(f"kubegraf:{key}".encode()).hexdigest()[:16]


def _action(message: Message) -> str:
    return ACTIONS.get(message.status, "trigger")


def is_change(config: PagerDutyConfig, message: Message) -> bool:
    """Whether the message goes out as a change event, which opens nothing."""
    return config.change_events and message.status == Status.OCCURRED and message.event_type in PLANNED


def body(config: PagerDutyConfig, message: Message) -> JSONDict:
    """The event without its routing key, within every limit."""
    build = _change if is_change(config, message) else _alert
    built: JSONDict = {}
    for longest in _SHORTER_AND_SHORTER:
        built = build(config, message, longest)
        if len(json.dumps(built, ensure_ascii=False).encode()) <= LONGEST - 1_000:
            return built
    built["payload"]["custom_details"] = {"note": "The details were too long and are left out."}
    return built


def _alert(config: PagerDutyConfig, message: Message, longest: int) -> JSONDict:
    event: JSONDict = {"event_action": _action(message), "dedup_key": dedup_key(message)}
    if event["event_action"] != "trigger":
        return event
    images = [
        {"src": url, "alt": "Graph"} for url in (config.image_url, _address(message, "image_url")) if url
    ]
    payload = {
        "summary": _summary(message),
        "source": _field(message.cluster) or "kubegraf",
        "severity": "info" if message.test else SEVERITIES[message.severity],
        "timestamp": iso(message.timestamp),
        "component": _field(message.resource),
        "group": _field(message.namespace),
        "class": _field(message.event_type),
        "custom_details": _details(message, longest),
    }
    event |= {"payload": _filled(payload), "client": "KubeGraf", "client_url": text.link(message)}
    event |= {"links": _links(message), "images": images}
    return _filled(event)


def _change(config: PagerDutyConfig, message: Message, longest: int) -> JSONDict:
    payload = {
        "summary": _summary(message),
        "source": _field(message.cluster) or "kubegraf",
        "timestamp": iso(message.timestamp),
        "custom_details": _details(message, longest),
    }
    return _filled({"payload": payload, "links": _links(message)})


def _summary(message: Message) -> str:
    place = ", ".join(filter(None, map(_field, (message.resource, message.namespace, message.cluster))))
    title = text.shorten(text.headline(message), _SUMMARY // 2)
    return text.shorten(f"{title} ({place})" if place else title, _SUMMARY)


def _field(value: str) -> str:
    return text.shorten(text.one_line(value), _FIELD)


def _filled(event: JSONDict) -> JSONDict:
    """Without what is empty."""
    return {name: value for name, value in event.items() if value not in ("", [], {})}


def _links(message: Message) -> list[JSONDict]:
    """The event's own page, and every address among the details: `runbook_url` becomes “Runbook”."""
    links = [{"href": text.link(message), "text": "Open in KubeGraf"}]
    for name in message.details:
        if name.endswith("_url") and name != "image_url":
            label = text.one_line(name.removesuffix("_url").replace("_", " ")).capitalize()
            links.append({"href": _address(message, name), "text": text.shorten(label, 100) or "Link"})
    return [link for link in links if link["href"]][:_MOST_LINKS]


def _address(message: Message, name: str) -> str:
    """The https address in a detail, or nothing."""
    value = message.details.get(name)
    return value if isinstance(value, str) and re.fullmatch(r"https://[!-~]{1,2000}", value) else ""


def _details(message: Message, longest: int) -> JSONDict:
    """All else that is known. No text in it is longer than `longest` characters."""
    details = {
        "description": message.description,
        "recommendations": _recommendations(message),
        "details": message.details,
        "kubegraf_severity": message.severity.value,
        "count": message.count,
        "event_id": message.id,
    }
    shortened: JSONDict = _shortened(encodable(_filled(details)), longest)
    return shortened


def _recommendations(message: Message) -> list[str]:
    lines = [
        f"{item.action}: {item.command}" if item.command else item.action for item in message.recommendations
    ]
    if len(lines) > _MOST_RECOMMENDATIONS:
        lines[_MOST_RECOMMENDATIONS:] = [f"… and {len(lines) - _MOST_RECOMMENDATIONS} more"]
    return lines


def _shortened(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return text.shorten(text.clean(value), longest)
    if isinstance(value, dict):
        shown: JSONDict = {}
        for name, item in value.items():
            short = text.shorten(name, 100)
            if short in shown:  # two long names that begin alike are still two
                short = f"{short} ({len(shown) + 1})"
            shown[short] = _shortened(item, longest)
        return shown
    return [_shortened(item, longest) for item in value] if isinstance(value, list) else value


def routing_key(config: PagerDutyConfig, message: Message, remote: Mapping[str, Any]) -> str:
    """The key to send with: that which opened the incident, for as long as it is the same occurrence.

    PagerDuty takes a resolve under another key and does nothing, so where that key is not known any more the
    end of an incident is refused here. Raises SendError.
    """
    present = reveal(config.integration_key, "Integration key", _key)
    opened_with, triggers = remote.get("key_hash"), _action(message) == "trigger"
    if not opened_with or opened_with == key_hash(present):
        return present
    if config.previous_integration_key is not None:
        previous = reveal(config.previous_integration_key, "Previous integration key", _key)
        if opened_with == key_hash(previous) and (not triggers or remote.get("event") == message.id):
            return previous
    if triggers:
        return present
    raise SendError(
        Reason.MISCONFIGURED,
        f"The incident was opened with another integration key, and only under that one can it be"
        f" {message.status.value}. Enter the old key as previous integration key and deliver this again, or"
        f" do it in PagerDuty.",
    )


def _judge(response: Response) -> None:
    """Raises SendError unless PagerDuty says that it took the event."""
    status = response.status
    if status == 400:
        said = _said(response)
        if "routing_key" in said.lower() or "routing key" in said.lower():
            raise SendError(Reason.AUTH, f"{VERIFY_KEY} PagerDuty says: {said}", disable=True)
        raise SendError(Reason.INVALID_MESSAGE, f"PagerDuty does not take this event: {said}")
    error = failure(response)
    if error is not None:
        if status in (401, 403, 404):
            raise SendError(Reason.AUTH, f"{VERIFY_KEY} {error.text}", disable=status == 401)
        if status == 429:
            error.retry_after = max(_WAIT, retry_after(response.headers) or 0)
        raise error
    if response.object.get("status") != "success":
        raise SendError(
            Reason.BAD_ANSWER, f"HTTP {status} without PagerDuty's “success”: {_said(response)}", retry=True
        )


def _said(response: Response) -> str:
    """PagerDuty's message and the list of what is wrong, on one line."""
    try:
        answer = response.object
    except SendError:
        return text.one_line(response.text)[:300]
    errors = answer.get("errors")
    listed = [str(item) for item in errors] if isinstance(errors, list) else []
    return text.one_line("; ".join([str(answer.get("message", "nothing")), *listed]))[:500]


def _base_url(config: PagerDutyConfig) -> str:
    return config.events_url or REGIONS[config.region]


class PagerDuty(Provider[PagerDutyConfig]):
    """Incidents in PagerDuty."""

    slug = "pagerduty"
    label = "PagerDuty"
    summary = "Incidents that are triggered, acknowledged and resolved; planned changes as change events."
    needs = "The integration key of a service: 32 letters and digits, from “Events API v2”."
    icon = "e911_emergency"
    config_class = PagerDutyConfig
    example = {"integration_key": "R0MadeUpKeyForTheDocs0123456789a", "region": "us", "change_events": True}

    def send(self, config: PagerDutyConfig, dispatch: Dispatch) -> Conversation:
        """One event. By its dedup_key, repeating it changes nothing; only a change event is there twice."""
        message, base_url = dispatch.message, _base_url(config)
        event = body(config, message)
        if is_change(config, message):
            key = reveal(config.integration_key, "Integration key", _key)
            _judge((yield post(f"{base_url}/v2/change/enqueue", payload={"routing_key": key, **event})))
            return Receipt(remote=dict(dispatch.remote), note="Sent as a change event.")
        key = routing_key(config, message, dispatch.remote)
        _judge((yield post(f"{base_url}/v2/enqueue", payload={"routing_key": key, **event})))
        remote = {"dedup_key": event["dedup_key"], "key_hash": key_hash(key), "event": message.id}
        opens = message.test and event["event_action"] == "trigger"
        return Receipt(remote=remote, note=NOTHING_OPENED if opens else "")

    def preview(self, config: PagerDutyConfig, message: Message) -> Preview:
        """The event, without the routing key."""
        kind = "change event" if is_change(config, message) else _action(message)
        return Preview("json", f"PagerDuty ({config.region}), {kind}", body(config, message))

    def check(self, config: PagerDutyConfig) -> Conversation:
        """Whether PagerDuty can be reached; whether a key is right it tells only of an event."""
        reveal(config.integration_key, "Integration key", _key)
        return (yield from reach(_base_url(config)))
