"""Mails, and handing them to a server."""

from __future__ import annotations
