"""The only code that talks to a Kubernetes API server."""

from __future__ import annotations
