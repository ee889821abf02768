"""The API as a whole: its addresses, its description, and people over HTTP."""

from __future__ import annotations
