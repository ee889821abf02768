"""Tests of `connectors.engine`."""

from __future__ import annotations
