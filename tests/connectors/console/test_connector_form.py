"""A connector's form: the provider's fields, where errors land, and what becomes of secrets."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django import forms

from connectors import registry
from connectors.configuration import schema, setup
from connectors.console.connector_form import PREFIX, ConnectorForm, form_for
from connectors.console.form_fields import JSONTextField, LinesField, SecretField
from connectors.models import Connector
from tests.making import make_connector

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/first"
WEBHOOK = {"name": "hook", "config_method": "POST", "config_format": "kubegraf"}


def webhook_form(instance: Connector | None = None, **config: Any) -> ConnectorForm:
    """The webhook form as posted; arguments are config fields by their own names."""
    posted = {f"config_{name}": value for name, value in config.items()}
    return form_for("webhook")({**WEBHOOK, **posted}, instance=instance)


def errors_of(form: ConnectorForm) -> dict[str, list[str]]:
    """Every error, by field."""
    return {name: list(texts) for name, texts in form.errors.items()}


@pytest.mark.parametrize("slug", sorted(registry.all_providers()))
def test_each_provider_has_a_form_with_exactly_its_fields(slug: str) -> None:
    declared = [PREFIX + field.name for field in schema.fields(registry.provider(slug).config_class)]
    form = form_for(slug)()
    assert [name for name in form.fields if name.startswith(PREFIX)] == declared


@pytest.mark.parametrize("slug", sorted(registry.all_providers()))
def test_each_provider_takes_its_own_example_through_the_form(slug: str) -> None:
    provider = registry.provider(slug)
    blank = form_for(slug)()
    posted: dict[str, Any] = {"name": "from the form"}
    for field in schema.fields(provider.config_class):
        value = provider.example.get(field.name, field.default)
        shown = blank.fields[PREFIX + field.name]
        if isinstance(value, dict):
            value = JSONTextField().prepare_value(value)
        elif isinstance(value, list):
            value = "\n".join(value)
        if value is not None and not (isinstance(shown, forms.BooleanField) and not value):
            posted[PREFIX + field.name] = value
    form = form_for(slug)(posted)
    assert errors_of(form) == {}
    saved = form.save()
    assert setup.config_of(saved) == setup.validate(slug, provider.example)


def test_titles_are_labels_and_descriptions_are_help() -> None:
    field = form_for("webhook")().fields["config_url"]
    assert (field.label, "https://" in field.help_text) == ("URL", True)


def test_each_kind_has_its_field() -> None:
    fields = form_for("webhook")().fields
    assert isinstance(fields["config_url"], SecretField)
    assert isinstance(fields["config_method"], forms.TypedChoiceField)
    assert isinstance(form_for("github")().fields["config_labels"], LinesField)


def test_an_error_lands_at_its_field() -> None:
    form = webhook_form(url="ftp://hooks.example.com")
    assert errors_of(form) == {"config_url": ["Enter the whole address, beginning with https://"]}


def test_an_error_about_the_whole_stands_above_the_fields() -> None:
    form = webhook_form(url=URL, format="cloudevents", body_template="{}")
    assert list(form.errors) == ["__all__"]


def test_nothing_is_saved_when_something_is_wrong() -> None:
    assert not webhook_form(url="nonsense").is_valid()
    assert Connector.objects.count() == 0


def test_a_secret_left_blank_is_kept() -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": "hush"})
    form = webhook_form(connector, method="PUT")
    assert errors_of(form) == {}
    form.save()
    assert setup.join(Connector.objects.get()) == {
        "url": URL,
        "headers": {"X-Api-Key": "hush"},
        "method": "PUT",
        "format": "kubegraf",
    }


def test_a_secret_can_be_removed_where_it_is_not_required() -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": "hush"})
    webhook_form(connector, **{"headers-clear": "on"}).save()
    assert "headers" not in setup.join(Connector.objects.get())


def test_a_new_address_takes_its_secrets_with_it() -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": "hush"})
    form = webhook_form(connector, url="https://elsewhere.example.net/")
    assert errors_of(form) == {
        "config_headers": [
            "Enter this again: messages would go to https://elsewhere.example.net instead of"
            " https://hooks.example.com, and a stored secret is not sent to a new address."
        ]
    }
    assert setup.join(Connector.objects.get())["url"] == URL


def test_a_new_address_with_its_secrets_is_taken() -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": "hush"})
    form = webhook_form(connector, url="https://elsewhere.example.net/", headers='{"X-Api-Key": "new"}')
    assert errors_of(form) == {}


def test_another_path_on_the_same_host_needs_no_secrets_again() -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": "hush"})
    assert errors_of(webhook_form(connector, url="https://hooks.example.com/second")) == {}


def test_an_unreadable_secret_is_not_overwritten_by_a_blank(settings: Any) -> None:
    make_connector(provider="slack", webhook_url="https://hooks.slack.com/services/T0/B0/made0up")
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    posted = {"name": "renamed", "config_api_url": "https://slack.com/api"}
    form = form_for("slack")(posted, instance=Connector.objects.get())
    assert list(form.errors) == ["__all__"]
    assert "cannot be read with the present FIELD_ENCRYPTION_KEY" in str(form.errors)


def test_the_form_shows_options_and_no_secret() -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": "hush-hush"}, method="PUT")
    html = form_for("webhook")(instance=connector).as_p()
    assert URL not in html
    assert "hush-hush" not in html
    assert "X-Api-Key" in html
    assert '<option value="PUT" selected>' in html


def test_a_form_sent_in_with_a_mistake_does_not_echo_secrets() -> None:
    form = webhook_form(url="https://user:hush-hush@hooks.example.com", headers='{"X": "hush-hush"}')
    assert not form.is_valid()
    assert "hush-hush" not in form.as_p()


def test_the_type_is_the_forms_own_whatever_is_posted() -> None:
    form = form_for("webhook")({**WEBHOOK, "provider": "slack", "config_url": URL})
    assert form.save().provider == "webhook"


def test_two_connectors_cannot_share_a_name() -> None:
    make_connector("hook")
    assert errors_of(webhook_form(url=URL)) == {"name": ["Connector with this Name already exists."]}
