"""Coming in twice in one moment."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from kubegraf import roles
from kubegraf.oidc import people
from tests.races.at_once import interrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_are_locked")]


@pytest.mark.parametrize("place", ["_unclaimed", "_new"])
def test_somebody_new_who_comes_in_by_two_tabs_is_one_person(
    monkeypatch: pytest.MonkeyPatch, settings: Any, place: str
) -> None:
    roles.sync()
    settings.OIDC_ROLES, settings.OIDC_DEFAULT_ROLE = "", "Viewer"
    claims = {"iss": "https://id.example.com", "sub": "1", "preferred_username": "ada"}
    other = interrupt(monkeypatch, people, place, lambda: people.arrival(claims).user)

    assert people.arrival(claims).user == other()
    assert list(User.objects.values_list("username", flat=True)) == ["ada"]


def test_somebody_whose_account_is_found_by_its_address_comes_in_by_two_tabs(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    roles.sync()
    settings.OIDC_ROLES, settings.OIDC_DEFAULT_ROLE = "", "Viewer"
    claims = {"iss": "https://id.example.com", "sub": "1", "email": "ada@example.com", "email_verified": True}
    ada = User.objects.create_user("ada", "ada@example.com", "of-somebody-else")
    other = interrupt(monkeypatch, people, "_unclaimed", lambda: people.arrival(claims))

    assert (people.arrival(claims).user, other().user) == (ada, ada)
    assert ada.identities.count() == 1
