"""How long to wait before trying again. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double with every failure, up to `longest` seconds, each shortened at random by up to half.

    The chance keeps a thousand watchers that lost the same API server from coming back in step.
    """

    first: float = 0.5
    longest: float = 30.0

    def delay(self, failures: int, chance: Callable[[], float] = random.random) -> float:
        """Seconds to wait after so many failures in a row; none after none."""
        if failures <= 0:
            return 0.0
        # Past thirty doublings nothing changes but the size of the number.
        ceiling: float = min(self.longest, self.first * 2 ** min(failures - 1, 30))
        return ceiling * (1 - chance() / 2)
