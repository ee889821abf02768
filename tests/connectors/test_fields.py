"""The encrypted column keeps what it is given, and shows it to nobody without the key."""

from __future__ import annotations

import copy
import json
import pickle
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Q
from django.forms.models import model_to_dict
from pytest_django import Settings

from connectors import checks
from connectors.fields import MASK, Unreadable, encrypted_columns
from connectors.models import Connector

pytestmark = pytest.mark.django_db

SECRET = '{"token":"canary-0123456789 ☃"}'
FIELD = Connector._meta.get_field("secrets")


def made(name: str = "a", secrets: str = SECRET) -> Connector:
    return Connector.objects.create(name=name, provider="webhook", secrets=secrets)


def stored(row: Connector) -> str:
    """The column as it is in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM connectors_connector WHERE id = %s", [row.pk])
        text: str = cursor.fetchone()[0]
        return text


def read(row: Connector) -> str:
    return Connector.objects.get(pk=row.pk).secrets


def lose_the_key(settings: Settings) -> str:
    """Goes on with another key; returns the one before."""
    [key] = settings.FIELD_ENCRYPTION_KEY
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    return str(key)


# --- Encrypted at rest ----------------------------------------------------------------------------------


def test_what_is_saved_is_encrypted_and_read_back() -> None:
    row = made()

    assert "canary" not in stored(row)
    assert read(row) == SECRET


def test_every_way_of_writing_encrypts() -> None:
    a, b = made("a"), made("b")
    [c] = Connector.objects.bulk_create([Connector(name="c", provider="webhook", secrets=SECRET)])
    Connector.objects.filter(pk=a.pk).update(secrets="canary-updated")
    b.secrets = "canary-saved"
    b.save(update_fields=["secrets"])

    assert [read(row) for row in (a, b, c)] == ["canary-updated", "canary-saved", SECRET]
    assert not any("canary" in stored(row) for row in (a, b, c))


def test_bulk_update_keeps_values() -> None:
    rows = [made(name) for name in "abc"]
    for row in rows:
        row.secrets = f"canary-{row.name}"

    Connector.objects.bulk_update(rows, ["secrets"])

    assert [read(row) for row in rows] == ["canary-a", "canary-b", "canary-c"]
    assert not any("canary" in stored(row) for row in rows)


def test_an_empty_text_is_no_exception() -> None:
    row = made(secrets="")

    assert stored(row) != ""
    assert read(row) == ""


def test_only_text_is_taken() -> None:
    with pytest.raises(TypeError, match="secrets holds text, not dict"):
        made(secrets={"token": "x"})  # type: ignore[arg-type]  # what the test is about


def test_a_deferred_column_is_read_when_it_is_needed() -> None:
    row = made()

    assert Connector.objects.defer("secrets").get(pk=row.pk).secrets == SECRET


# --- Under a wrong key ----------------------------------------------------------------------------------


def test_under_a_wrong_key_there_is_a_marker_and_never_the_ciphertext(settings: Settings) -> None:
    row = made()
    lose_the_key(settings)

    value = read(row)

    assert isinstance(value, Unreadable)
    assert value == ""
    assert repr(value) == "<unreadable: no key in FIELD_ENCRYPTION_KEY decrypts this value>"
    assert stored(row) not in (str(value), repr(value), f"{value}")


def test_what_is_no_ciphertext_is_unreadable_too(settings: Settings) -> None:
    row = made()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE connectors_connector SET secrets = 'nonsense ☃'")

    assert isinstance(read(row), Unreadable)


def test_one_unreadable_row_leaves_the_others_alone(settings: Settings) -> None:
    made("a")
    lose_the_key(settings)
    made("b")

    assert [row.secrets for row in Connector.objects.order_by("name")] == ["", SECRET]


def test_saving_an_unreadable_row_leaves_the_ciphertext_as_it_is(settings: Settings) -> None:
    row = made()
    before = stored(row)
    key = lose_the_key(settings)

    unreadable = Connector.objects.get(pk=row.pk)
    unreadable.name = "renamed"
    unreadable.save()
    Connector.objects.bulk_update([unreadable], ["secrets", "name"])
    Connector.objects.filter(pk=row.pk).update(secrets=unreadable.secrets)

    assert stored(row) == before
    settings.FIELD_ENCRYPTION_KEY = [key]
    assert (read(row), Connector.objects.get().name) == (SECRET, "renamed")


def test_an_unreadable_secret_is_not_copied_into_a_new_row(settings: Settings) -> None:
    row = made()
    lose_the_key(settings)
    unreadable = Connector.objects.get(pk=row.pk)

    words = "secrets cannot be read with the present FIELD_ENCRYPTION_KEY"
    with pytest.raises(ValueError, match=words), transaction.atomic():
        made("copy", unreadable.secrets)

    assert Connector.objects.count() == 1


def test_an_unreadable_row_can_be_copied_in_memory_listed_and_deleted(settings: Settings) -> None:
    row = made()
    lose_the_key(settings)
    unreadable = Connector.objects.get(pk=row.pk)

    assert isinstance(copy.deepcopy(unreadable).secrets, Unreadable)
    assert isinstance(pickle.loads(pickle.dumps(unreadable)).secrets, Unreadable)  # noqa: S301 - our own
    assert list(Connector.objects.values_list("secrets", flat=True)) == [""]
    unreadable.delete()
    assert Connector.objects.count() == 0


def test_a_secret_entered_again_replaces_an_unreadable_one(settings: Settings) -> None:
    row = made()
    lose_the_key(settings)
    unreadable = Connector.objects.get(pk=row.pk)

    unreadable.secrets = "canary-new"
    unreadable.save()

    assert read(row) == "canary-new"


def test_unreadable_rows_are_told_by_the_system_check(settings: Settings) -> None:
    row = made()
    assert checks.unreadable_secrets(databases=["default"]) == []
    lose_the_key(settings)

    [warning] = checks.unreadable_secrets(databases=["default"])

    assert warning.id == "connectors.W001"
    assert warning.msg == (
        f"1 connectors have secrets that no key in FIELD_ENCRYPTION_KEY decrypts (ids {row.pk});"
        " they cannot be used."
    )
    assert checks.unreadable_secrets(databases=None) == []


# --- Keys -----------------------------------------------------------------------------------------------


def test_the_first_key_encrypts_and_every_key_decrypts(settings: Settings) -> None:
    old = made("old")
    [first] = settings.FIELD_ENCRYPTION_KEY
    second = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEY = [second, first]
    new = made("new")

    assert [read(old), read(new)] == [SECRET, SECRET]
    assert Fernet(second).decrypt(stored(new).encode()).decode() == SECRET
    assert Fernet(first).decrypt(stored(old).encode()).decode() == SECRET


def test_a_key_that_is_none_is_named(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEY = ["not a key"]

    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEY"):
        made()


# --- No way around --------------------------------------------------------------------------------------


def test_ciphertext_given_by_a_form_is_not_decrypted() -> None:
    ciphertext = stored(made())

    assert FIELD.to_python(ciphertext) == ciphertext
    assert FIELD.clean(ciphertext, Connector()) == ciphertext


@pytest.mark.parametrize(
    "condition", [Q(secrets="x"), Q(secrets__contains="x"), Q(secrets__in=["x"]), Q(secrets=None)]
)
def test_it_cannot_be_searched(condition: Q) -> None:
    with pytest.raises(FieldError, match="secrets is encrypted: it cannot be filtered"):
        list(Connector.objects.filter(condition))


def test_whether_there_is_a_value_can_be_asked() -> None:
    made()

    assert Connector.objects.filter(secrets__isnull=False).count() == 1


def test_forms_see_only_whether_there_is_something() -> None:
    assert FIELD.value_from_object(made()) == MASK
    assert FIELD.value_from_object(Connector(secrets="")) == ""
    assert "canary" not in str(model_to_dict(made("b")))


# --- Fixtures -------------------------------------------------------------------------------------------


def dumped(path: Path, format: str = "json") -> str:
    out = StringIO()
    call_command("dumpdata", "connectors.connector", format=format, stdout=out)
    path.write_text(out.getvalue())
    return out.getvalue()


@pytest.mark.parametrize("format", ["json", "xml", "jsonl"])
def test_a_fixture_holds_no_secret(tmp_path: Path, format: str) -> None:
    made()

    text = dumped(tmp_path / f"all.{format}", format)

    assert MASK in text
    assert "canary" not in text


def test_a_fixture_loaded_over_its_rows_leaves_their_secrets_alone(tmp_path: Path) -> None:
    row = made()
    dumped(tmp_path / "all.json")
    Connector.objects.update(name="renamed")

    call_command("loaddata", tmp_path / "all.json", verbosity=0)

    assert (Connector.objects.get().name, read(row)) == ("a", SECRET)


def test_a_fixture_loaded_elsewhere_makes_rows_without_secrets(tmp_path: Path) -> None:
    made()
    dumped(tmp_path / "all.json")
    Connector.objects.all().delete()

    call_command("loaddata", tmp_path / "all.json", verbosity=0)

    assert Connector.objects.get().secrets == "{}"


def test_a_secret_written_into_a_fixture_by_hand_is_encrypted(tmp_path: Path) -> None:
    made()
    fixture = json.loads(dumped(tmp_path / "all.json"))
    fixture[0]["fields"]["secrets"] = "canary-by-hand"
    (tmp_path / "all.json").write_text(json.dumps(fixture))

    call_command("loaddata", tmp_path / "all.json", verbosity=0)

    row = Connector.objects.get()
    assert row.secrets == "canary-by-hand"
    assert "canary" not in stored(row)


def test_every_encrypted_column_is_found() -> None:
    found = {(model._meta.label, field.name) for model, field in encrypted_columns()}

    assert {("connectors.Connector", "secrets"), ("events.Cluster", "kubeconfig")} <= found
