"""The sign-in page of a demo tells the password to who sits at its machine, and to nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from demo.hint import sign_in

TOLD = {"demo_sign_in": {"name": "admin", "password": "only-for-the-demo"}}


@pytest.mark.parametrize(
    ("path", "caller", "password", "told"),
    [
        ("/admin/login/", "127.0.0.1", "only-for-the-demo", TOLD),
        ("/admin/login/", "::1", "only-for-the-demo", TOLD),
        ("/admin/login/", "192.0.2.7", "only-for-the-demo", {}),
        ("/admin/login/", "", "only-for-the-demo", {}),
        ("/admin/", "127.0.0.1", "only-for-the-demo", {}),
        ("/admin/login/", "127.0.0.1", "", {}),
    ],
)
def test_who_sits_at_the_machine_is_told_the_password_where_it_is_asked_for(
    rf: RequestFactory, settings: Any, path: str, caller: str, password: str, told: dict[str, Any]
) -> None:
    settings.DEMO_PASSWORD = password

    assert sign_in(rf.get(path, REMOTE_ADDR=caller)) == told
