"""Changing the encryption key: everything is encrypted anew, and nothing is lost."""

from __future__ import annotations

from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from pytest_django import Settings

from connectors.fields import Unreadable
from connectors.management.commands import rotate_encryption_keys
from connectors.models import Connector

pytestmark = pytest.mark.django_db


def made(name: str) -> Connector:
    return Connector.objects.create(name=name, provider="webhook", secrets=f"canary-{name}")


def add_a_key(settings: Settings) -> tuple[str, str]:
    """Puts a new key in front; returns the new and the old one."""
    [old] = settings.FIELD_ENCRYPTION_KEY
    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEY = [new, old]
    return new, old


def rotate(*arguments: str) -> str:
    """What the command says of the connectors' secrets."""
    out = StringIO()
    call_command("rotate_encryption_keys", *arguments, stdout=out)
    assert "canary" not in out.getvalue()
    return line_in(out)


def line_in(out: StringIO) -> str:
    [line] = [
        line for line in out.getvalue().splitlines() if line.startswith("connectors.Connector.secrets: ")
    ]
    return line.removeprefix("connectors.Connector.secrets: ")


def secrets() -> list[str]:
    return list(Connector.objects.order_by("name").values_list("secrets", flat=True))


def test_after_it_the_old_key_is_no_longer_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_encryption_keys, "BATCH", 2)  # more than one batch
    for name in "abcde":
        made(name)
    new, _ = add_a_key(settings)
    made("f")

    assert rotate() == "5 encrypted anew, 1 already with the first key, 0 unreadable"

    settings.FIELD_ENCRYPTION_KEY = [new]
    assert secrets() == [f"canary-{name}" for name in "abcdef"]


def test_run_again_it_changes_nothing(settings: Settings) -> None:
    made("a")
    add_a_key(settings)
    rotate()

    assert rotate() == "0 encrypted anew, 1 already with the first key, 0 unreadable"


def test_a_dry_run_only_counts(settings: Settings) -> None:
    made("a")
    new, old = add_a_key(settings)

    assert rotate("--dry-run") == "1 to be encrypted anew, 0 already with the first key, 0 unreadable"

    settings.FIELD_ENCRYPTION_KEY = [new]
    assert isinstance(Connector.objects.get().secrets, Unreadable)
    settings.FIELD_ENCRYPTION_KEY = [old]
    assert secrets() == ["canary-a"]


def test_what_is_unreadable_is_named_and_left_alone_and_the_rest_is_done(settings: Settings) -> None:
    [first] = settings.FIELD_ENCRYPTION_KEY
    lost = made("a")
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    made("b")
    new, _ = add_a_key(settings)
    out = StringIO()

    with pytest.raises(CommandError) as caught:
        call_command("rotate_encryption_keys", stdout=out)

    assert str(caught.value) == (
        f"No key in FIELD_ENCRYPTION_KEY decrypts the secrets of: connectors.Connector {lost.pk}. They were"
        " left as they are. Put their key back into the list, or enter them again."
    )
    assert line_in(out) == "1 encrypted anew, 0 already with the first key, 1 unreadable"
    settings.FIELD_ENCRYPTION_KEY = [new, first]
    assert secrets() == ["canary-a", "canary-b"]


def test_of_many_that_are_unreadable_the_first_are_named_and_the_others_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_encryption_keys, "NAMED", 2)
    first, second = made("b"), made("a")
    for name in "cde":
        made(name)
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]

    with pytest.raises(CommandError) as caught:
        rotate()

    assert str(caught.value) == (
        "No key in FIELD_ENCRYPTION_KEY decrypts the secrets of:"
        f" connectors.Connector {first.pk}, connectors.Connector {second.pk} and 3 more."
        " They were left as they are. Put their key back into the list, or enter them again."
    )


def test_other_columns_are_left_alone(settings: Settings) -> None:
    row = made("a")
    before = Connector.objects.values().get()
    add_a_key(settings)

    rotate()

    assert Connector.objects.values().get(pk=row.pk) == before
