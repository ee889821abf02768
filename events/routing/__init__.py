"""Who is told of an event, when, and why."""

from __future__ import annotations
