"""The way of a delivery: claimed, sent, recorded, and tried again."""

from __future__ import annotations
