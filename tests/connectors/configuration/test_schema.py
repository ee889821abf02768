"""Reading declarations: kinds, secrets, aliases, JSON Schema. The forms made of them are in test_forms."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, AliasChoices, Field, SecretStr

from connectors import registry
from connectors.configuration import schema
from connectors.configuration.schema import Kind
from connectors.conversation import Conversation, Dispatch
from connectors.message import Message
from connectors.provider import Config, Preview, Provider


class Colour(StrEnum):
    """A choice as an enum."""

    RED = "red"
    BLUE = "blue"


class EverythingConfig(Config):
    """One field of each kind."""

    url: str = Field(title="Address", description="Where it goes.")
    token: SecretStr = Field(validation_alias=AliasChoices("token", "key"))
    note: str | None = None
    flag: bool = False
    number: int = 3
    factor: float | None = None
    method: Literal["POST", "PUT"] = "POST"
    colour: Colour = Colour.RED
    labels: Annotated[list[str], AfterValidator(sorted)] = Field(default_factory=lambda: ["a"])
    options: dict[str, Any] = {}
    headers: dict[str, SecretStr] | None = None
    keys: list[SecretStr] = []
    body_template: str = ""
    text: str = Field(default="", json_schema_extra={"multiline": True})


class Everything(Provider[EverythingConfig]):
    """A provider for these tests alone."""

    slug, label, summary = "everything", "Everything", "All there is."
    config_class = EverythingConfig
    example = {"url": "https://example.com", "token": "made-up"}

    def send(self, config: EverythingConfig, dispatch: Dispatch) -> Conversation:
        raise NotImplementedError

    def preview(self, config: EverythingConfig, message: Message) -> Preview:
        raise NotImplementedError


FIELDS = {field.name: field for field in schema.fields(EverythingConfig)}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("url", Kind.TEXT),
        ("token", Kind.TEXT),
        ("note", Kind.TEXT),
        ("flag", Kind.FLAG),
        ("number", Kind.INTEGER),
        ("factor", Kind.NUMBER),
        ("method", Kind.CHOICE),
        ("colour", Kind.CHOICE),
        ("labels", Kind.LIST),
        ("options", Kind.JSON),
        ("headers", Kind.JSON),
        ("keys", Kind.LIST),
    ],
)
def test_the_kind_follows_from_the_type(name: str, kind: Kind) -> None:
    assert FIELDS[name].kind is kind


def test_fields_come_in_the_order_of_their_declaration() -> None:
    assert list(FIELDS) == list(EverythingConfig.model_fields)


def test_secrets_are_told_by_type_wherever_they_are_inside_it() -> None:
    assert [name for name, field in FIELDS.items() if field.secret] == ["token", "headers", "keys"]


def test_choices_are_those_of_the_literal_or_the_enum() -> None:
    assert FIELDS["method"].choices == ("POST", "PUT")
    assert FIELDS["colour"].choices == ("red", "blue")
    assert FIELDS["colour"].default == "red"


def test_only_what_has_no_default_is_required() -> None:
    assert [name for name, field in FIELDS.items() if field.required] == ["url", "token"]


def test_a_field_without_a_title_is_named_after_itself() -> None:
    assert (FIELDS["url"].title, FIELDS["body_template"].title) == ("Address", "Body template")


def test_templates_and_what_says_so_may_hold_several_lines() -> None:
    assert [name for name, field in FIELDS.items() if field.multiline] == ["body_template", "text"]


def test_other_names_of_a_field_become_its_own() -> None:
    assert schema.canonical(EverythingConfig, {"key": "a", "url": "b"}) == {"token": "a", "url": "b"}


def test_a_field_given_under_both_its_names_is_left_for_the_check_to_refuse() -> None:
    both = {"key": "a", "token": "b"}
    assert schema.canonical(EverythingConfig, both) == both


def test_masking_leaves_the_names_inside_a_secret_object_readable() -> None:
    config = {"url": "https://example.com", "key": "s1", "headers": {"Authorization": "s2"}, "keys": ["s3"]}
    assert schema.masked(EverythingConfig, config, "set") == {
        "url": "https://example.com",
        "key": "set",
        "headers": {"Authorization": "set"},
        "keys": ["set"],
    }


def test_every_secret_is_write_only_in_the_json_schema() -> None:
    properties = schema.json_schema(Everything())["properties"]
    write_only = {name for name, declared in properties.items() if declared.get("writeOnly")}
    assert write_only == {"token", "headers", "keys"}


def test_no_provider_declares_a_name_that_files_keep_for_subscriptions() -> None:
    reserved = {"events", "conditions", "severity", "namespaces", "clusters"}
    declared = {
        provider.slug: {name for f in schema.fields(provider.config_class) for name in (f.name, *f.aliases)}
        for provider in registry.all_providers().values()
    }
    assert [slug for slug, names in declared.items() if names & reserved] == []


def test_every_field_of_every_provider_says_what_it_is() -> None:
    silent = [
        f"{provider.slug}.{field.name}"
        for provider in registry.all_providers().values()
        for field in schema.fields(provider.config_class)
        if not field.description
    ]
    assert silent == []
