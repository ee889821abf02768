"""What the inbox makes of what it is sent: what connectors really send is read, all else refused in words."""

from __future__ import annotations

import json
from email.message import EmailMessage

import pytest

from connectors.providers.teams import payload
from demo.reading import Service, read
from tests.making import make_message


def test_a_slack_message_is_known_by_its_text() -> None:
    body = {"text": "Pod web-1 in crash loop", "blocks": []}
    assert read(Service.SLACK, json.dumps(body).encode()) == ("Pod web-1 in crash loop", body)


def test_of_what_teams_is_sent_the_card_is_kept() -> None:
    sent = payload(make_message())
    title, content = read(Service.TEAMS, json.dumps(sent).encode())
    assert content == sent["attachments"][0]["content"]
    assert "Pod my-app-123 in crash loop" in title.replace("\\", "")


def test_a_mail_has_a_subject_and_both_parts() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Pod web-1 in crash loop"
    mail.set_content("in words")
    mail.add_alternative("<p>in HTML</p>", subtype="html")
    title, content = read(Service.EMAIL, mail.as_bytes())
    assert title == "Pod web-1 in crash loop"
    assert content["text"].strip() == "in words"
    assert content["html"].strip() == "<p>in HTML</p>"


@pytest.mark.parametrize(
    ("service", "body", "words"),
    [
        (Service.WEBHOOK, b"{", "is not JSON"),
        (Service.SLACK, b"[]", "no JSON object"),
        (Service.TEAMS, b"{}", "no Adaptive Card"),
        (Service.TEAMS, b'{"attachments": ["x"]}', "no Adaptive Card"),
    ],
)
def test_what_is_no_message_is_refused_in_words(service: Service, body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(service, body)
