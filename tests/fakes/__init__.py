"""Stand-ins for systems outside the project, speaking the real protocol over real sockets."""

from __future__ import annotations
