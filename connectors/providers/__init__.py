"""Integrations, one file each. `connectors.registry` finds them by being here."""

from __future__ import annotations
