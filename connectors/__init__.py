"""A reliable delivery engine: give it a message and a connector, and it arrives or you know why not.

It knows nothing of Kubernetes and nothing of how events come about.
"""

from __future__ import annotations
