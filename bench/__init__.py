"""Measurements: how fast, at what cost, and compared with what. See README.md."""
