from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, BeforeValidator, SecretStr, ValidationError

from connectors.config_values import (
    StringList,
    allowed,
    blank_is_absent,
    refuse_placeholder,
    reveal,
    secret,
    web_address,
)
from connectors.errors import Reason, SendError


class Settings(BaseModel):
    address: Annotated[SecretStr | None, secret(web_address), BeforeValidator(blank_is_absent)] = None
    names: StringList = []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("...", "..."),
        ("https://hooks.example.com/services/YOUR/WEBHOOK/URL", "YOUR/WEBHOOK/URL"),
        ("Bearer YOUR_TOKEN", "YOUR_TOKEN"),
        ("your-api-key", "your-api-key"),
        ("ghp_xxxxxxxxxxxx", "xxxxxxxxxxxx"),
        ("<token>", "<token>"),
        ("changeme", "changeme"),
    ],
)
def test_a_placeholder_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(ValueError, match="is a placeholder") as refused:
        refuse_placeholder(text)
    assert f"“{named}”" in str(refused.value)


@pytest.mark.parametrize("text", ["!<kqTzbWxRw> your", "your-4f8Kq2Lm91", "YoUr-bWxRwzKq"])
def test_what_only_looks_like_a_placeholder_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="is a placeholder") as refused:
        refuse_placeholder(text)
    assert "Kq2Lm" not in str(refused.value)
    assert "bWxRw" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "k4<q7>z",
        "8<%Rq>z",
        "xoxb-12345-yourself0",
        "s3cret",
        "https://example.com/a.b",
        "mail.your-server.de",
        "https://static.clients.your-server.de/hook",
        "q7<k2>Zp",
        "a<>b",
    ],
)
def test_a_real_value_is_no_placeholder(text: str) -> None:
    assert refuse_placeholder(text) == text


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("hooks.example.com/x", "beginning with https://"),
        ("ftp://example.com/x", "beginning with https://"),
        ("file:///etc/passwd", "beginning with https://"),
        ("https:///x", "no host name"),
        ("https://user:pass@example.com/", "before the @"),
        ("https://example.com/a b", "line break"),
        ("https://example.com/\r\nX: y", "line break"),
        ("https://example.com:99999/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
    ],
)
def test_what_is_no_web_address_is_refused_in_words(address: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        web_address(address)


def test_plain_http_has_the_right_shape() -> None:
    assert web_address("http://127.0.0.1:8080/x") == "http://127.0.0.1:8080/x"


def test_a_secret_is_checked_and_stripped() -> None:
    settings = Settings(address=SecretStr(" https://example.com/s \n"))

    assert settings.address is not None
    assert settings.address.get_secret_value() == "https://example.com/s"


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"address": "https://example.com/sesame sesame"})
    message = refused.value.errors(include_input=False, include_url=False, include_context=False)[0]["msg"]
    assert "sesame" not in message


@pytest.mark.parametrize("reference", ["env:KUBEGRAF_SECRET_SLACK", "file:/run/secrets/slack"])
def test_a_reference_passes_unchecked(reference: str) -> None:
    settings = Settings(address=SecretStr(reference))

    assert settings.address == SecretStr(reference)


def test_a_blank_field_is_an_absent_one() -> None:
    assert Settings.model_validate({"address": " "}).address is None


def test_a_list_may_be_one_text_with_commas() -> None:
    assert Settings.model_validate({"names": "a, b,,a "}).names == ["a", "b"]


def test_a_list_loses_blank_and_repeated_entries() -> None:
    assert Settings.model_validate({"names": [" a", "", "b", "a"]}).names == ["a", "b"]


def test_a_list_of_other_things_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"names": [1]})


def test_what_a_reference_led_to_is_checked_when_it_is_used() -> None:
    with pytest.raises(SendError) as failed:
        reveal(SecretStr("not an address"), "Webhook URL", web_address)
    assert failed.value.reason is Reason.MISCONFIGURED
    assert failed.value.disable
    assert failed.value.text.startswith("Webhook URL: ")
    assert "not an address" not in failed.value.text


@pytest.mark.parametrize(
    ("value", "patterns", "expected"),
    [
        ("team-a", ["team-*"], True),
        ("Team-A", ["team-?"], True),
        ("other", ["team-*"], False),
        ("team-a", [], False),
    ],
)
def test_an_allow_list_has_patterns(value: str, patterns: list[str], *, expected: bool) -> None:
    assert allowed(value, patterns) is expected
