"""What `manage.py check` says of secrets and of the addresses that may be connected to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.models import Model

from connectors.fields import EncryptedJSONText, Unreadable, encrypted_columns
from connectors.transport.address_policy import parse_networks
from connectors.transport.egress import SETTING

NAMED = 10
"""How many rows a message names at most."""


@register(Tags.security)
def egress_allow(app_configs: object = None, **kwargs: Any) -> list[CheckMessage]:
    """connectors.E001: an entry of KUBEGRAF_EGRESS_ALLOW is no network, and so allows nothing."""
    _, problems = parse_networks(settings.EGRESS_ALLOW)
    return [
        Error(
            f"{SETTING}: {problem}",
            hint="Give networks and single addresses with commas between them: 10.0.0.0/8,192.168.7.20",
            id="connectors.E001",
        )
        for problem in problems
    ]


@register(Tags.database)
def unreadable_secrets(
    app_configs: object = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """connectors.W001: there are secrets that no key in FIELD_ENCRYPTION_KEY decrypts."""
    return [
        warning
        for alias in databases or ()
        for model, column in encrypted_columns()
        if (warning := _warning(alias, model, column)) is not None
    ]


def _warning(alias: str, model: type[Model], column: EncryptedJSONText) -> CheckMessage | None:
    connection = connections[alias]
    # `migrate` makes these checks before there are tables or columns.
    with connection.cursor() as cursor:
        table = model._meta.db_table
        if table not in connection.introspection.table_names(cursor):
            return None
        there = connection.introspection.get_table_description(cursor, table)
        if column.column not in {described.name for described in there}:
            return None
    values = model._base_manager.using(alias).order_by("pk").values_list("pk", column.name)
    unreadable = [str(pk) for pk, value in values.iterator() if isinstance(value, Unreadable)]
    if not unreadable:
        return None
    named = ", ".join(unreadable[:NAMED]) + (", …" if len(unreadable) > NAMED else "")
    return Warning(
        f"{len(unreadable)} {model._meta.verbose_name_plural} have secrets that no key in"
        f" FIELD_ENCRYPTION_KEY decrypts (ids {named}); they cannot be used.",
        hint="Put the key they were encrypted with back into the list, or enter the secrets again.",
        id="connectors.W001",
    )
