"""Connectors with their subscriptions as files: brought in, taken out, and copied."""

from __future__ import annotations
