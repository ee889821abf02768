"""The console's pages of clusters, events, subscriptions and silences."""

from __future__ import annotations
