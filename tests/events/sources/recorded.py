"""Notifications as Alertmanager 0.25 sent them: two alerts and a third fire, and are resolved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parents[2] / "data" / "alertmanager" / "notifications.jsonl"

NOTIFICATIONS: list[Any] = [json.loads(line) for line in _FILE.read_text().splitlines()]
