"""`manage.py api_token USERNAME`: a token for the API."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    """Prints the user's token, and nothing else, so that a script can take it."""

    help = "Prints a user's API token, made if there is none. Send it as `Authorization: Token …`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, and whether a new one."""
        parser.add_argument("username")
        parser.add_argument(
            "--rotate", action="store_true", help="make a new one; the old one stops working at once"
        )

    def handle(self, *, username: str, rotate: bool, **options: Any) -> None:
        """Raises CommandError for whom a token would be of no use."""
        user = get_user_model().objects.filter(username=username).first()
        if user is None:
            raise CommandError(
                f"There is no user {username!r}. Make one in the admin, or with `manage.py createsuperuser`."
            )
        if not user.is_active:
            raise CommandError(f"The user {username!r} is not active, so a token would not be accepted.")
        with transaction.atomic():
            if rotate:
                Token.objects.filter(user=user).delete()
            token, _ = Token.objects.get_or_create(user=user)
        self.stdout.write(token.key)
