"""What stands for a secret where everything that is said and written is searched for it.

The tests of each provider have in CANARIES configurations which together put it into every secret field.
"""

from __future__ import annotations

CANARY = "k4n4r1enV0gel9x7q"
CANARY_KEY = f"{CANARY}Z0123456789abcdef0123456789"[:32]
"""The same as a key of 32 letters and digits."""
