"""`manage.py api_token USERNAME`: a token for the API."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kubegraf import tokens
from kubegraf.models import ApiToken, Scope


class Command(BaseCommand):
    """Prints the token, and nothing else, so that a script can take it."""

    help = (
        "Makes an API token and prints it, once: it is stored hashed. Send it as `Authorization: Token …`."
        " A token of the same user and name that there was before is revoked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, what for, and for how long."""
        parser.add_argument("username")
        parser.add_argument("--name", default="api_token", help="what it is for (default: %(default)s)")
        parser.add_argument(
            "--scope",
            choices=Scope.values,
            default=Scope.WRITE.value,
            help="read: only look; write: everything the user may (default); ingest: only report events",
        )
        parser.add_argument("--days", type=int, help="after how many days it expires; never if not said")
        parser.add_argument("--revoke", action="store_true", help="only revoke the one of that name")

    def handle(
        self, *, username: str, name: str, scope: str, days: int | None, revoke: bool, **options: Any
    ) -> None:
        """Raises CommandError for whom a token would be of no use, and for a number of days below 1."""
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(
                f"There is no user {username!r}. Make one in the admin, or with `manage.py createsuperuser`."
            )
        if not 1 <= len(name) <= 100:
            raise CommandError("--name must have 1 to 100 characters.")
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError(f"--days must be 1 to 36500, not {days}.")
        if not revoke and not user.is_active:
            raise CommandError(f"The user {username!r} is not active, so a token would not be accepted.")
        former = list(ApiToken.objects.filter(user=user, name=name, revoked_at=None))
        if revoke and not former:
            raise CommandError(f"The user {username!r} has no token of the name {name!r}.")
        for token in former:
            tokens.revoke(token)
        if revoke:
            self.stderr.write(f"{len(former)} revoked.")
            return
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        _, text = tokens.issue(user, name, scope, expires_at=expires_at)
        self.stdout.write(text)
