"""Microsoft Teams, through a Workflows webhook that posts an Adaptive Card.

The webhook takes a message and says no more than that it has been accepted: whether it was posted, and where,
is not told, so nothing can be updated later and each change is a card of its own.

Card: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference;
formatting: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from connectors import text
from connectors.config_values import reveal, secret, web_address
from connectors.conversation import Conversation, Dispatch, Receipt, Response, post
from connectors.errors import Reason, SendError
from connectors.handshake import reach
from connectors.message import JSONDict, Message, Severity, Status
from connectors.provider import Config, Preview, Provider, Rate
from connectors.verdict import failure

_RETIRED = re.compile(r"(.+\.)?webhook\.office\.com|outlook\.office(365)?\.com")
_WORKFLOWS = re.compile(
    r"(.+\.)?(logic\.azure\.(com|us|cn)|powerplatform\.(com|us)|powerautomate\.com|flow\.microsoft\.com)"
)


def _webhook_url(address: str) -> str:
    host = urlsplit(web_address(address)).hostname or ""
    if _RETIRED.fullmatch(host):
        raise ValueError(
            f"Addresses at {host} are retired: Microsoft switched the Office 365 connectors off in 2026. Make"
            " a webhook with the Workflows app of Teams (“When a Teams webhook request is received”) and use"
            " its address"
        )
    return address


class TeamsConfig(Config):
    """The address of a workflow."""

    webhook_url: Annotated[SecretStr, secret(_webhook_url)] = Field(
        title="Webhook URL",
        description="From the Workflows app of the channel: the template “Send webhook alerts to a channel”"
        " shows it at its end. Copy it whole, with everything after sig=.",
    )


# --- What is said ---------------------------------------------------------------------------------------

TOTAL = 20_000  # bytes; Teams expands the card before it counts to 28 KB: MicrosoftDocs/msteams-docs#11274
_SHORTER_AND_SHORTER = (4_000, 2_000, 1_000, 500, 250, 120)
_MOST_DETAILS = 20
_MOST_LINES = 8  # of a command: each is a block of its own, and costs far more than its characters
_MOST_RECOMMENDATIONS = 5
_STYLES = {Severity.CRITICAL: "attention", Severity.HIGH: "attention", Severity.MEDIUM: "warning"}


def markdown(value: str) -> str:
    """Markdown that shows `value` as it is, so that names such as `*_a_*` and `<at>x</at>` arrive unharmed.

    Marks that only count at the beginning of a line (lists, headings, rules) are left alone elsewhere; what
    is indented would be code. `{{DATE(…)}}` would be a date. In a TextBlock only an empty line makes a new
    line.
    """
    value = re.sub(r"([\\`*_\[\]<>&~|]|(?<=\{)\{)", r"\\\1", value)
    value = re.sub(r"^([ \t]*\d*)(#+|[-+.)])(?=[ \t]|-*[ \t]*$)", r"\1\\\2", value, flags=re.MULTILINE)
    value = re.sub(r"^[ \t]+", lambda found: "\u00a0" * len(found[0]), value, flags=re.MULTILINE)
    return value.replace("\n", "\n\n")


def _size(value: str) -> int:
    """Bytes on the wire: as Markdown, as JSON, in UTF-8."""
    return len(json.dumps(markdown(value), ensure_ascii=False).encode())


def _written(value: str, longest: int) -> str:
    return markdown(text.shorten(value, longest, _size))


def _text_block(value: str, longest: int, **looks: object) -> JSONDict:
    return {"type": "TextBlock", "text": _written(value, longest), "wrap": True, **looks}


def _command(command: str, longest: int) -> Iterator[JSONDict]:
    """A command as rich text, which has no markup: what is copied is what was meant."""
    lines = text.shorten(command, longest, _size).splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], text.ELLIPSIS]
    for line in lines:
        run = {"type": "TextRun", "text": line, "fontType": "Monospace"}
        yield {"type": "RichTextBlock", "inlines": [run], "spacing": "Small"}


def _facts(pairs: list[tuple[str, str]], longest: int) -> JSONDict:
    facts = [{"title": _written(label, 80), "value": _written(value, longest)} for label, value in pairs]
    return {"type": "FactSet", "facts": facts}


def _body(message: Message, longest: int) -> Iterator[JSONDict]:
    style = "good" if message.status == Status.RESOLVED else _STYLES.get(message.severity, "accent")
    headline = f"{text.mark(message)} {text.headline(message)}"
    heading = _text_block(headline, 400, size="Large", weight="Bolder")
    yield {"type": "Container", "style": style, "bleed": True, "items": [heading]}
    if description := text.clean(message.description).strip():
        yield _text_block(description, longest)
    yield _facts(text.facts(message), 200)
    details = text.details(message)
    if details:
        yield _text_block("Details", 80, weight="Bolder", separator=True)
        yield _facts(details[:_MOST_DETAILS], longest)
    if len(details) > _MOST_DETAILS:
        yield _text_block(f"… and {len(details) - _MOST_DETAILS} more details", 80, isSubtle=True)
    if message.recommendations and message.status != Status.RESOLVED:
        yield _text_block("What you can do", 80, weight="Bolder", separator=True)
        for recommendation in message.recommendations[:_MOST_RECOMMENDATIONS]:
            yield _text_block(text.one_line(recommendation.action), longest)
            yield from _command(text.clean(recommendation.command).strip(), longest)
        if (rest := len(message.recommendations) - _MOST_RECOMMENDATIONS) > 0:
            yield _text_block(f"… and {rest} more", 80, isSubtle=True)


def card(message: Message, longest: int = _SHORTER_AND_SHORTER[0]) -> JSONDict:
    """The Adaptive Card, with no text longer than `longest` bytes."""
    address = text.link(message)
    actions = [{"type": "Action.OpenUrl", "title": "Open in KubeGraf", "url": address}] if address else []
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": text.shorten(text.summary(message), 400, _size),
        "msteams": {"width": "Full"},
        "body": list(_body(message, longest)),
        "actions": actions,
    }


def payload(message: Message) -> JSONDict:
    """The whole request, which is under TOTAL bytes whatever the message holds."""
    built: JSONDict = {}
    for longest in _SHORTER_AND_SHORTER:
        content_type = "application/vnd.microsoft.card.adaptive"
        attachment = {"contentType": content_type, "contentUrl": None, "content": card(message, longest)}
        built = {"type": "message", "attachments": [attachment]}
        if len(json.dumps(built, ensure_ascii=False).encode()) < TOTAL:
            break
    return built


# --- What came of it ------------------------------------------------------------------------------------

_COPY_WHOLE = (
    "The address is not complete, or the workflow asks callers to sign in: copy it again, with everything"
    " after sig=, and let “Anyone” trigger the flow"
)
# What to do, by the code in Power Automate's error; whether the connector is broken, in every case.
_BROKEN = {
    "WorkflowTriggerIsNotEnabled": (
        Reason.GONE,
        "The workflow is turned off or deleted: turn it on in Power Automate, or make a new one and enter its"
        " address",
    ),
    "WorkflowNotFound": (Reason.GONE, "The workflow was deleted: make a new one and enter its address"),
    "WorkflowTriggerNotFound": (Reason.GONE, "The workflow has no webhook trigger any more: make a new one"),
    "DirectApiAuthorizationRequired": (Reason.AUTH, _COPY_WHOLE),
    "DirectApiInvalidAuthorizationScheme": (Reason.AUTH, _COPY_WHOLE),
    "NoAuthorizationQueryParameters": (Reason.AUTH, _COPY_WHOLE),
    "AuthorizationFailed": (Reason.AUTH, _COPY_WHOLE),
}
_ADVICE = {
    400: "The workflow did not take the card: its trigger must be “When a Teams webhook request is received”",
    401: _COPY_WHOLE,
    403: _COPY_WHOLE,
    404: "Check that the workflow still exists; if it does, copy its address again",
    410: "The webhook was removed: make a new one with the Workflows app and enter its address",
    413: "The card is too large for Teams",
    429: "Teams takes at most four messages a second",
}
_RELAYED = re.compile(r"HTTP error (\d{3})")


def judge(response: Response) -> Receipt:
    """Accepted, or the SendError that says why not.

    The retired connectors answered 200 even when posting failed, with the failure in words, and gateways do
    so still; a success has no body, or `1`.
    """
    said = " ".join(response.text.split())
    relayed = _RELAYED.search(said)
    if relayed and 200 <= response.status < 300:
        inner = failure(Response(int(relayed[1]), response.headers, response.body))
        raise inner or SendError(Reason.BAD_ANSWER, f"HTTP {response.status}: {said[:300]}", retry=True)
    error = failure(response)
    if error is not None:
        raise _explained(error, response)
    if response.status != 202 and said not in ("", "1"):
        raise SendError(
            Reason.BAD_ANSWER,
            f"HTTP {response.status} with words where there should be none: {said[:300]}",
            retry=True,
        )
    return Receipt(accepted=True, note="Accepted by the workflow, which does not say whether it was posted.")


def _explained(error: SendError, response: Response) -> SendError:
    """The same failure with what to do about it."""
    broken = _BROKEN.get(_code(response))
    if broken is not None:
        reason, advice = broken
        return SendError(reason, f"{error.text}. {advice}.", disable=True)
    advice = _ADVICE.get(response.status, "")
    return SendError(
        error.reason,
        f"{error.text}. {advice}." if advice else error.text,
        retry=error.retry,
        retry_after=error.retry_after,
        disable=error.disable,
    )


def _code(response: Response) -> str:
    """Power Automate's own error code, where the answer is its: {"error": {"code": …}}."""
    try:
        inner = response.object.get("error")
    except SendError:
        return ""
    return str(inner.get("code", "")) if isinstance(inner, dict) else ""


class Teams(Provider[TeamsConfig]):
    """Cards in a Teams channel or chat."""

    slug = "teams"
    label = "Microsoft Teams"
    summary = "Adaptive Cards in a channel or chat, through a Workflows webhook."
    needs = "The address of a workflow in the channel, which its owner copies from the Workflows app."
    icon = "groups"
    config_class = TeamsConfig
    keeps_reference = False
    rates = (Rate(4),)  # as _ADVICE says of 429
    digests = True
    example = {
        "webhook_url": "https://prod-01.westeurope.logic.azure.com:443/workflows/0a1b2c3d4e5f/triggers/manual"
        "/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=made0up1secret2for3docs",
    }

    def send(self, config: TeamsConfig, dispatch: Dispatch) -> Conversation:
        """One card."""
        url = reveal(config.webhook_url, "Webhook URL", _webhook_url)
        response = yield post(url, payload=payload(dispatch.message))
        return judge(response)

    def preview(self, config: TeamsConfig, message: Message) -> Preview:
        """The card."""
        content: JSONDict = payload(message)["attachments"][0]["content"]
        return Preview("adaptive_card", "the workflow's channel or chat", content)

    def check(self, config: TeamsConfig) -> Conversation:
        """Whether the host can be reached and its certificate trusted; a workflow cannot be asked more."""
        return (yield from reach(reveal(config.webhook_url, "Webhook URL", _webhook_url)))

    def warnings(self, config: TeamsConfig) -> list[str]:
        """An address that is not known as a workflow's."""
        host = urlsplit(config.webhook_url.get_secret_value()).hostname
        if host and not _WORKFLOWS.fullmatch(host):
            return [
                f"{host} is not a host of Workflows: make sure that what answers there takes Adaptive Cards."
            ]
        return []
