"""What the inbox has received."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.safestring import SafeString

from connectors.provider import Preview
from connectors.showing import show
from demo.reading import FORMATS, Service

LONGEST_TITLE = 500
KEPT = 500
"""How many are kept; a demo that runs for days must not fill a disk."""


class Received(models.Model):
    """One message as it arrived. `content` is what `connectors.showing` takes, `raw` the body itself."""

    service = models.CharField(max_length=10, choices=Service)
    title = models.CharField(max_length=LONGEST_TITLE, blank=True)
    content = models.JSONField(default=dict)
    raw = models.TextField(blank=True)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("-received_at", "-pk")
        verbose_name = "message received"
        verbose_name_plural = "messages received"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.title or self.get_service_display()

    @property
    def drawn(self) -> SafeString:
        """The message as its service would show it."""
        service = Service(self.service)
        return show(Preview(FORMATS[service], service.label, self.content))
