"""What somebody reads where there is no page for them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db


def test_an_address_that_leads_nowhere_says_so_and_leads_back(client: Client) -> None:
    answer = client.get("/nothing-here/")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert '<a href="/admin/">' in answer.text


def test_who_may_not_do_something_reads_whom_to_ask(client: Client) -> None:
    client.force_login(User.objects.create_user("vera", is_staff=True))

    answer = client.get("/admin/connectors/connector/add/")

    assert answer.status_code == 403
    assert "You may not do this" in answer.text
