"""The console as a whole: its looks, its first page, and the pages of people."""

from __future__ import annotations
