"""The console's pages of connectors and deliveries, and what all pages have in common."""

from __future__ import annotations
