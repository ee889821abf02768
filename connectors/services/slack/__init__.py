"""Messages as Slack shows them, and the words it refuses them with."""

from __future__ import annotations
