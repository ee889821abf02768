"""Drafts: previews of what nobody has saved yet, without a secret in them."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import registry
from connectors.configuration import schema, setup
from connectors.configuration.drafting import draft
from connectors.example import EXAMPLE
from connectors.fields import Unreadable
from connectors.models import Connector
from tests.connectors.console.test_connector_admin import HUSH
from tests.making import make_connector

SLUGS = sorted(registry.all_providers())
URL = "https://hooks.example.com/whole-address-is-secret"


def stored(slug: str = "webhook", **config: Any) -> Connector:
    """A connector as it would be stored."""
    options, secrets = setup.split(slug, config)
    return Connector(pk=1, name="hook", provider=slug, options=options, secrets=secrets)


def test_a_draft_is_shown_as_it_is_entered() -> None:
    drafted = draft(stored(url=URL), {"body_template": '{"alert": "{{title}}"}'}, EXAMPLE)
    assert drafted.preview is not None
    assert drafted.preview.content == {"alert": EXAMPLE.title}
    assert (drafted.errors, drafted.warnings, drafted.made_up) == ({}, [], False)


def test_a_draft_says_what_the_provider_remarks(settings: Any) -> None:
    settings.ALLOW_HTTP = True
    drafted = draft(Connector(provider="webhook"), {"url": "http://hooks.example.com/x"}, EXAMPLE)
    assert [words[:16] for words in drafted.warnings] == ["Always use https"]


@pytest.mark.parametrize("slug", SLUGS)
def test_a_draft_with_nothing_in_it_is_shown_with_what_is_missing_made_up(slug: str) -> None:
    drafted = draft(Connector(provider=slug), {}, EXAMPLE)
    assert drafted.preview is not None
    assert drafted.errors
    assert drafted.made_up
    assert "env:" not in repr(drafted.preview)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_stored_secret_is_used_as_a_presence_alone(slug: str) -> None:
    provider = registry.provider(slug)
    connector = stored(slug, **provider.example)
    entered = {
        name: value
        for name, value in provider.example.items()
        if name not in schema.secret_fields(provider.config_class)
    }
    drafted = draft(connector, entered, EXAMPLE)
    assert (drafted.errors, drafted.made_up) == ({}, False)
    config = setup.validate(slug, provider.example)
    assert [secret for secret in setup.secret_values(config) if secret in repr(drafted)] == []


def test_not_even_the_host_of_a_stored_address_is_shown() -> None:
    drafted = draft(stored(url=URL), {}, EXAMPLE)
    assert drafted.preview is not None
    assert drafted.preview.target == "POST the address that is set"


def test_a_stored_content_type_still_decides_how_a_template_is_read() -> None:
    connector = stored(url=URL, headers={"Content-Type": "text/plain", "X-Key": HUSH})
    drafted = draft(connector, {"body_template": "{{title}}!"}, EXAMPLE)
    assert drafted.preview is not None
    assert drafted.preview.content == {"body": f"{EXAMPLE.title}!"}


def test_what_is_wrong_is_said_by_field_and_the_rest_is_shown() -> None:
    drafted = draft(stored(url=URL), {"body_template": "{{nonsense}}", "method": "PUT"}, EXAMPLE)
    assert list(drafted.errors) == [""]
    drafted = draft(stored(url=URL), {"url": "ftp://x", "method": "PUT"}, EXAMPLE)
    assert list(drafted.errors) == ["url"]
    assert drafted.preview is not None
    assert drafted.preview.target == "PUT an address still to be entered"


def test_a_draft_laid_over_what_is_stored_changes_that_alone() -> None:
    connector = stored(url=URL, method="PATCH", body_template='{"a": "{{title}}"}')
    drafted = draft(connector, {"method": "PUT"}, EXAMPLE, replace=False)
    assert drafted.preview is not None
    assert (drafted.preview.target[:3], drafted.preview.content) == ("PUT", {"a": EXAMPLE.title})


def test_a_stored_secret_is_not_kept_for_a_new_address_in_words() -> None:
    connector = stored(url="https://one.example.com/x", headers={"X-Key": HUSH})
    drafted = draft(connector, {"url": "https://two.example.com/x"}, EXAMPLE)
    assert drafted.errors["headers"][0].startswith("Enter this again: messages would go to")


def test_secrets_that_cannot_be_read_are_asked_for_again() -> None:
    connector = stored(url=URL)
    connector.secrets = Unreadable("x")
    drafted = draft(connector, {}, EXAMPLE)
    assert "cannot be read" in drafted.errors[""][0]
    assert drafted.preview is not None


@pytest.mark.django_db
def test_a_draft_changes_nothing() -> None:
    connector = make_connector(url=URL)
    draft(connector, {"url": "https://other.example.com/x"}, EXAMPLE)
    assert setup.join(connector) == setup.join(Connector.objects.get()) == {"url": URL}
