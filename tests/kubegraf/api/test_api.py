"""What holds of the whole API, whatever is asked."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from events.models import Cluster
from tests.calling import API, Caller
from tests.kubegraf.rights import THE_API

pytestmark = pytest.mark.django_db


def test_a_token_of_someone_who_is_no_longer_active_is_refused() -> None:
    caller = Caller(everything=True)
    User.objects.update(is_active=False)
    assert caller.call("GET", "connectors/").status_code == 401


def test_a_session_takes_a_csrf_token_to_write() -> None:
    user = User.objects.create_superuser("admin")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    body = json.dumps({"name": "production", "access": "in_cluster"})
    assert client.get(f"{API}clusters/").status_code == 200
    refused = client.post(f"{API}clusters/", body, content_type="application/json")
    assert (refused.status_code, "CSRF" in refused.text) == (403, True)


def test_only_json_is_taken() -> None:
    caller = Caller(everything=True)
    headers = {"Authorization": f"Token {caller.token}"}
    answer = caller.client.post(f"{API}clusters/", {"name": "production"}, headers=headers)
    assert answer.status_code == 415
    assert not Cluster.objects.exists()


def test_the_root_lists_every_collection() -> None:
    collections = {path.strip("/") for _, path in THE_API if path.count("/") == 1}
    assert set(Caller().get("")) == collections
