"""The admin of connectors and deliveries: importing their pages registers them."""

from __future__ import annotations

from connectors.console import connector_admin, dead_letter_admin, delivery_admin

__all__ = ("connector_admin", "dead_letter_admin", "delivery_admin")
