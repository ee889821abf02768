"""Clusters, events, subscriptions and silences over HTTP."""

from __future__ import annotations
