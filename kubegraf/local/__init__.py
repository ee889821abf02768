"""Everything on one machine, in one terminal: `make run`."""

from __future__ import annotations
