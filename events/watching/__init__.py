"""Who watches which cluster, and for how long."""

from __future__ import annotations
