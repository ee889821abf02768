"""Detectors, one file each. `events.detection.all_detectors` finds them by being here."""

from __future__ import annotations
