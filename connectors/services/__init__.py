"""What there is to know of a service beyond what fits the one file of its integration.

Pure, like the integrations themselves: formats, words and conversations, no I/O; the one exception is the
mail dialogue, which no HTTP driver can lead.
"""

from __future__ import annotations
