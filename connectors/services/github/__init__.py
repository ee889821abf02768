"""Conversations with GitHub: issues, comments, pull requests, and what its answers mean."""

from __future__ import annotations
