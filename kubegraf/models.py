"""What is kept of people besides Django's own users and groups: API tokens, and the history of them all."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import models
from django.utils import timezone
from simple_history import register

from connectors.history import History


class Scope(models.TextChoices):
    """What a token may be used for, of all that its user may do."""

    READ = "read", "read: look at everything its owner may see"
    WRITE = "write", "write: everything its owner may do"
    INGEST = "ingest", "ingest: report events, and nothing else"


class ApiToken(models.Model):
    """A program's way in, in the name of a user. `kubegraf.tokens` makes them and knows them again."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens", verbose_name="owner"
    )
    name = models.CharField(max_length=100, help_text="What it is for: “CI”, “Grafana”.")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.WRITE)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    shown = models.CharField("begins with", max_length=12, editable=False)
    created_at = models.DateTimeField("made", auto_now_add=True)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    revoked_at = models.DateTimeField("revoked", null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField("last used", null=True, blank=True, editable=False)

    history = History(tracked=("user", "name", "scope", "expires_at", "revoked_at"))

    class Meta:
        ordering = ("-created_at", "-pk")
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """valid, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "valid"

    @property
    def is_valid(self) -> bool:
        """Whether it can still be used, as far as the token itself goes."""
        return self.state == "valid"


class Identity(models.Model):
    """Who somebody is at an OpenID Connect provider: the issuer's own name for them, which never changes."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)

    class Meta:
        default_permissions = ()  # nobody is shown them
        verbose_name_plural = "identities"
        constraints = (models.UniqueConstraint(fields=("issuer", "subject"), name="identity_once"),)

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


def new_password(before: User | None, after: User) -> list[str]:
    """Whether somebody set another password. That Django hashes the same one anew at sign-in is no change."""
    changed = before is None or before.password != after.password
    by_somebody = getattr(after, "_password", None) is not None or not after.has_usable_password()
    return ["password"] if before is not None and changed and by_somebody else []


register(
    User,
    app="kubegraf",
    records_class=History,
    tracked=("username", "first_name", "last_name", "email", "is_active", "is_superuser"),
    hidden=("password",),
    secrets=new_password,
)
register(Group, app="kubegraf", records_class=History, tracked=("name",))
