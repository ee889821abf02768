"""Finds out what happened in clusters, and decides who hears of it."""

from __future__ import annotations
