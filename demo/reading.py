"""Reads what connectors send as the services would. Pure."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal

from django.db.models import TextChoices

from connectors.message import JSONDict


class Service(TextChoices):
    """What the inbox passes itself off as."""

    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"


FORMATS: dict[Service, Literal["slack", "adaptive_card", "email", "json"]] = {
    Service.SLACK: "slack",
    Service.TEAMS: "adaptive_card",
    Service.EMAIL: "email",
    Service.WEBHOOK: "json",
}
"""How each one's messages are drawn; see `connectors.provider.Preview`."""


def read(service: Service, body: bytes) -> tuple[str, JSONDict]:
    """The first words of a message, and its content as `connectors.showing` takes it.

    Raises ValueError, in words, where the service would not take it for a message.
    """
    return _mail(body) if service is Service.EMAIL else _post(service, body)


def _post(service: Service, body: bytes) -> tuple[str, JSONDict]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ValueError(f"The body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("The body is no JSON object.")
    if service is Service.SLACK:
        return _words(content.get("text")), content
    if service is Service.TEAMS:
        card = _card(content)
        return _first_text(card), card
    return _words(content.get("title")), content


def _card(content: JSONDict) -> JSONDict:
    """The Adaptive Card in what a workflow is sent."""
    attachments = content.get("attachments")
    if isinstance(attachments, list) and attachments and isinstance(attachments[0], dict):
        card = attachments[0].get("content")
        if isinstance(card, dict):
            return card
    raise ValueError("There is no Adaptive Card in it.")


def _first_text(element: object) -> str:
    """The first words on a card."""
    if isinstance(element, list):
        return next((text for item in element if (text := _first_text(item))), "")
    if isinstance(element, dict):
        return _words(element.get("text")) or _first_text(element.get("items") or element.get("body"))
    return ""


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mail(body: bytes) -> tuple[str, JSONDict]:
    mail = message_from_bytes(body, policy=policy.default)
    if not isinstance(mail, EmailMessage):
        raise ValueError("This is no mail.")
    subject = str(mail["Subject"] or "")
    return subject, {"subject": subject, "text": _part(mail, "plain"), "html": _part(mail, "html")}


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
