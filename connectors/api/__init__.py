"""Connectors and deliveries over HTTP, and what all parts of the API have in common."""

from __future__ import annotations
