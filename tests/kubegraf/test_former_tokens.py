"""Tokens from before they were hashed: they go on working, and nothing of them stays in clear."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection

from kubegraf import tokens

pytestmark = pytest.mark.django_db

KEY = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"


def test_a_former_token_is_hashed_and_its_table_is_gone() -> None:
    user = User.objects.create_user("robot")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE authtoken_token (key varchar(40), created timestamp, user_id integer)")
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, CURRENT_TIMESTAMP, %s)", [KEY, user.pk])
    # All that the migration asks of the editor is its connection.
    import_module("kubegraf.migrations.0001_tokens").take_over(apps, SimpleNamespace(connection=connection))
    token = tokens.find(KEY)
    assert token is not None
    assert (token.user, token.scope, token.shown) == (user, "write", KEY[:4])
    with connection.cursor() as cursor:
        assert "authtoken_token" not in connection.introspection.table_names(cursor)
