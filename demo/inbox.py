"""Keeps what the demo's connectors deliver, for the console to show."""

from __future__ import annotations

from django.db import transaction

from demo.models import KEPT, LONGEST_TITLE, Received
from demo.reading import Service, read


def take(service: Service, body: bytes) -> Received:
    """Keeps a message. Raises ValueError where the service would not take it for one."""
    title, content = read(service, body)
    with transaction.atomic():
        received = Received.objects.create(
            service=service, title=title[:LONGEST_TITLE], content=content, raw=body.decode("utf-8", "replace")
        )
        oldest = Received.objects.order_by("-pk").values_list("pk", flat=True)[KEPT:]
        Received.objects.filter(pk__in=list(oldest)).delete()
    return received
