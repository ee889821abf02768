"""Calling the API as a program does: a token, JSON in, JSON out."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client

from kubegraf import tokens

API = "/api/v1/"


class Caller:
    """Someone with a token and exactly these rights, by codename; `everything` for a superuser."""

    def __init__(self, *rights: str, everything: bool = False) -> None:
        self.user = User.objects.create_user(f"caller-{uuid4().hex}", is_superuser=everything)
        self.user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        token, self.token = tokens.issue(self.user, "tests")
        tokens.used(token)
        self.client = Client()

    def call(self, method: str, path: str, body: Any = None) -> HttpResponse:
        """The answer to a request on a path under /api/v1/. A body that is bytes or text goes as it is."""
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        return self.client.generic(
            method,
            path if path.startswith("/") else API + path,
            "" if body is None else content,
            content_type="application/json",
            headers={"Authorization": f"Token {self.token}"},
        )

    def get(self, path: str, **query: Any) -> Any:
        """The decoded answer to a GET that must succeed."""
        answer = self.client.get(
            path if path.startswith("/") else API + path,
            query,
            headers={"Authorization": f"Token {self.token}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        """The decoded answer to a POST that must have that status."""
        return self._expect(self.call("POST", path, body), status)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        """The decoded answer to a PATCH that must have that status."""
        return self._expect(self.call("PATCH", path, body), status)

    def put(self, path: str, body: Any, status: int = 200) -> Any:
        """The decoded answer to a PUT that must have that status."""
        return self._expect(self.call("PUT", path, body), status)

    def _expect(self, answer: HttpResponse, status: int) -> Any:
        assert answer.status_code == status, answer.content.decode()
        return json.loads(answer.content)


def mistakes(answer: Any) -> dict[str, list[str]]:
    """What problem details say is wrong with what was sent: the messages by field."""
    found: dict[str, list[str]] = {}
    for error in answer["errors"]:
        found.setdefault(error["field"], []).append(error["message"])
    return found
