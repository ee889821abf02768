"""The only way out: who may be called, for how long, how much is read, and what is put on record."""

from __future__ import annotations
