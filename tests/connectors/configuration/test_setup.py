"""Configurations taken apart for their row, put together again, checked and changed."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

import pytest
from cryptography.fernet import Fernet
from pydantic import AfterValidator, AliasChoices, Field, SecretStr, model_validator
from pytest_django import Settings

from connectors.configuration.schema import secret_fields
from connectors.configuration.setup import (
    ConfigError,
    config_of,
    join,
    merge,
    secret_values,
    split,
    validate,
)
from connectors.conversation import Conversation, Dispatch, Receipt
from connectors.errors import Reason, SendError
from connectors.message import Message
from connectors.models import Connector
from connectors.provider import Config, Preview, Provider

TOKEN = "token-0123456789"
HOOK = "https://hooks.example.com/in/abcdefgh"


def _careless(value: SecretStr) -> SecretStr:
    """A validator that repeats what it was given, as none should."""
    if "bad" in value.get_secret_value():
        raise ValueError(f"{value.get_secret_value()} is bad")
    return value


class SampleConfig(Config):
    url: Annotated[SecretStr, AfterValidator(_careless)]
    channel: str = ""
    retries: int = 3
    token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("token", "api_token"))
    headers: dict[str, SecretStr] = {}
    old_keys: list[SecretStr] = []

    @model_validator(mode="after")
    def _consistent(self) -> SampleConfig:
        if self.channel == "nowhere":
            raise ValueError("Enter a channel that exists")
        return self


class Sample(Provider[SampleConfig]):
    slug = "sample"
    label = "Sample"
    summary = "For tests."
    config_class = SampleConfig
    example: ClassVar[dict[str, Any]] = {"url": HOOK}

    def send(self, config: SampleConfig, dispatch: Dispatch) -> Conversation:
        return Receipt()
        yield

    def preview(self, config: SampleConfig, message: Message) -> Preview:
        return Preview("json", "", {})


SAMPLE = Sample()
FULL: dict[str, Any] = {
    "url": HOOK,
    "channel": "#a",
    "retries": 5,
    "api_token": TOKEN,
    "headers": {"Authorization": "Bearer abcdefgh", "Content-Type": "application/json"},
    "old_keys": ["key-1234", "key-5678"],
}


def errors_of(config: dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(ConfigError) as caught:
        validate(SAMPLE, config)
    return caught.value.errors


def connector(**config: Any) -> Connector:
    options, secrets = split("webhook", config)
    return Connector(name="hook", provider="webhook", options=options, secrets=secrets)


def unusable(row: Connector) -> str:
    with pytest.raises(SendError) as caught:
        config_of(row)
    assert (caught.value.reason, caught.value.retry, caught.value.disable) == (
        Reason.MISCONFIGURED,
        False,
        True,
    )
    return caught.value.text


# --- Taking apart and putting together ------------------------------------------------------------------


def test_secret_fields_are_told_by_their_types() -> None:
    assert secret_fields(SampleConfig) == {"url", "token", "api_token", "headers", "old_keys"}


def test_options_and_secrets_are_kept_apart() -> None:
    options, secrets = split(SAMPLE, FULL)

    assert options == {"channel": "#a", "retries": 5}
    assert json.loads(secrets) == {name: FULL[name] for name in ("url", "api_token", "headers", "old_keys")}


def test_what_was_taken_apart_is_put_together_again() -> None:
    options, secrets = split(SAMPLE, FULL)

    assert join(Connector(provider="sample", options=options, secrets=secrets)) == FULL


def test_a_connector_without_secrets_can_be_put_together() -> None:
    assert join(Connector(provider="sample", options={"channel": "#a"})) == {"channel": "#a"}


def test_the_secrets_of_a_configuration_are_listed_for_hiding_them() -> None:
    config = validate(SAMPLE, FULL)

    assert secret_values(config) == [HOOK, TOKEN, "Bearer abcdefgh", "key-1234", "key-5678"]


# --- Checking -------------------------------------------------------------------------------------------


def test_a_valid_configuration_comes_back_as_its_class() -> None:
    config = validate(SAMPLE, FULL)

    assert isinstance(config, SampleConfig)
    assert config.token is not None
    assert config.token.get_secret_value() == TOKEN


def test_a_slug_can_name_the_provider() -> None:
    assert validate("webhook", {"url": HOOK}).model_dump()["method"] == "POST"
    with pytest.raises(LookupError):
        validate("carrier-pigeon", {})


def test_each_mistake_is_told_at_its_field() -> None:
    errors = errors_of({"retries": "many", "chanel": "#a", "old_keys": [1]})

    assert errors == {
        "url": ["This is required."],
        "retries": ["Input should be a valid integer, unable to parse string as an integer"],
        "chanel": ["There is no such option. Is channel meant?"],
        "old_keys": ["0: Input should be a valid string"],
    }


def test_a_mistake_of_the_whole_is_told_under_no_field() -> None:
    assert errors_of({"url": HOOK, "channel": "nowhere"}) == {"": ["Enter a channel that exists"]}


def test_no_text_repeats_a_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(SAMPLE, {"url": "bad-0123456789", "token": {"a": TOKEN}, "headers": TOKEN})

    assert caught.value.errors["url"] == ["*** is bad"]
    for text in (str(caught.value), repr(caught.value), str(caught.value.__context__)):
        assert TOKEN not in text
    assert "bad-0123456789" not in str(caught.value)


def test_a_secret_with_something_like_a_placeholder_in_it_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(SAMPLE, {"url": "bad-0123456789-change-me-xxxxxx"})

    assert caught.value.errors["url"] == ["*** is bad"]
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "config", "named"),
    [
        ("pagerduty", {"integration_key": "xxxxxxxxxxxxxxxx"}, "“xxxxxxxxxxxxxxxx”"),
        (
            "webhook",
            {"url": "https://example.com/", "headers": {"X-API-Key": "your-api-key"}},
            "“your-api-key”",
        ),
    ],
)
def test_a_placeholder_is_no_secret_and_is_named(provider: str, config: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match="is a placeholder") as caught:
        validate(provider, config)

    assert named in str(caught.value)


def test_a_reference_is_accepted_without_being_looked_up() -> None:
    config = validate(SAMPLE, {"url": "env:KUBEGRAF_SECRET_NOT_THERE"})

    assert isinstance(config, SampleConfig)
    assert config.url.get_secret_value() == "env:KUBEGRAF_SECRET_NOT_THERE"


def test_a_reference_to_what_is_out_of_reach_is_told_at_its_field() -> None:
    assert errors_of({"url": "env:SECRET_KEY", "headers": {"X-A": "file:/etc/passwd"}}) == {
        "url": ["env: refers only to environment variables whose names begin with KUBEGRAF_SECRET_."],
        "headers": ["file: refers only to files in /run/secrets."],
    }


# --- Ready for use --------------------------------------------------------------------------------------


def test_a_connectors_configuration_is_ready_for_use() -> None:
    config = config_of(connector(url=HOOK, method="PUT"))

    assert config.model_dump()["url"].get_secret_value() == HOOK
    assert config.model_dump()["method"] == "PUT"


def test_references_are_looked_up_for_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEGRAF_SECRET_URL", HOOK)
    monkeypatch.setenv("KUBEGRAF_SECRET_AUTH", "Bearer abcdefgh")
    row = connector(url="env:KUBEGRAF_SECRET_URL", headers={"Authorization": "env:KUBEGRAF_SECRET_AUTH"})

    config = config_of(row)

    assert set(secret_values(config)) == {HOOK, "Bearer abcdefgh"}
    assert join(row)["url"] == "env:KUBEGRAF_SECRET_URL"


def test_a_reference_that_leads_nowhere_makes_the_connector_unusable() -> None:
    assert unusable(connector(url="env:KUBEGRAF_SECRET_NOT_THERE")) == (
        "The secret env:KUBEGRAF_SECRET_NOT_THERE cannot be used: there is no such environment variable."
    )


def test_a_reference_to_what_is_not_valid_makes_the_connector_unusable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBEGRAF_SECRET_URL", "secret-nonsense")

    text = unusable(connector(url="env:KUBEGRAF_SECRET_URL"))

    assert text.startswith("The connector cannot be used. Its settings are not valid. url: ")
    assert "secret-nonsense" not in text


@pytest.mark.django_db
def test_secrets_under_a_lost_key_make_the_connector_unusable(settings: Settings) -> None:
    row = connector(url=HOOK, method="PUT")
    row.save()
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]

    row.refresh_from_db()

    assert unusable(row) == (
        "The connector cannot be used. Its secrets cannot be read with the present FIELD_ENCRYPTION_KEY. Put"
        " the key they were encrypted with back into the list, or enter the secrets again."
    )
    assert join(row) == {"method": "PUT"}


# --- Changing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({}, {"channel": "#a", "url": "old"}),
        ({"channel": "#b"}, {"channel": "#b", "url": "old"}),
        ({"channel": None}, {"url": "old"}),
        ({"channel": ""}, {"channel": "", "url": "old"}),
        ({"retries": 4}, {"channel": "#a", "url": "old", "retries": 4}),
        ({"url": "new"}, {"channel": "#a", "url": "new"}),
        ({"url": ""}, {"channel": "#a", "url": "old"}),
        ({"url": "  "}, {"channel": "#a", "url": "old"}),
        ({"url": None}, {"channel": "#a"}),
    ],
)
def test_a_change_names_only_what_changes(new: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merge({"channel": "#a", "url": "old"}, new, secret=["url"]) == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"A": "", "B": "2"}, {"A": "1", "B": "2"}),
        ({"B": "2"}, {"B": "2"}),
        ({"A": None, "B": "2"}, {"B": "2"}),
        ({"C": ""}, {}),
        ({}, {}),
    ],
)
def test_within_an_object_of_secrets_a_blank_keeps_the_old_one(new: Any, expected: Any) -> None:
    assert merge({"headers": {"A": "1"}}, {"headers": new}, secret=["headers"]) == {"headers": expected}


def test_a_change_leaves_its_arguments_alone() -> None:
    old = {"headers": {"A": "1"}}

    merge(old, {"headers": {"A": "2"}}, secret=["headers"])

    assert old == {"headers": {"A": "1"}}
