"""Reaching and following a cluster."""

from __future__ import annotations
