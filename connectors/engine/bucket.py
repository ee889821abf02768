"""Token buckets: how many messages a rate lets through, and when the next. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connectors.provider import Provider, Rate

# Sums of fractions miss a whole token by a hair; without this a message would wait for nothing.
_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Buckets:
    """One bucket for each rate, each with the tokens it holds. A message takes one token out of every one."""

    rates: tuple[Rate, ...]
    tokens: tuple[float, ...]

    @classmethod
    def after(cls, rates: tuple[Rate, ...], tokens: Sequence[float], seconds: float) -> Buckets:
        """The buckets that held `tokens` as they are `seconds` later.

        They are full where nothing is known of them, as when a rate was added or taken away. A clock that was
        set back (negative `seconds`) takes nothing out.
        """
        if len(tokens) != len(rates):
            return cls(rates, tuple(_size(rate) for rate in rates))
        grown = max(0.0, seconds)
        return cls(
            rates,
            tuple(
                min(_size(rate), held + grown * rate.count / rate.seconds)
                for rate, held in zip(rates, tokens, strict=True)
            ),
        )

    @property
    def whole(self) -> int:
        """How many messages may go now."""
        return max(0, math.floor(min(self.tokens) + _HAIR))

    @property
    def seconds_to_next(self) -> float:
        """How long until one may go; 0 if one may go now."""
        return max(
            max(0.0, 1 - held - _HAIR) * rate.seconds / rate.count
            for rate, held in zip(self.rates, self.tokens, strict=True)
        )

    def less(self, count: int) -> Buckets:
        """Without the tokens of `count` messages."""
        return Buckets(self.rates, tuple(held - count for held in self.tokens))


_EACH = {1.0: "a second", 60.0: "a minute", 900.0: "in 15 minutes", 3600.0: "an hour"}


def limits_in_words(provider: Provider[Any]) -> str:
    """How fast a connector of that kind sends unless it is told otherwise: `1 a second`."""
    rates = [
        f"{rate.count:g} {_EACH.get(rate.seconds, f'in {rate.seconds:g} seconds')}" for rate in provider.rates
    ]
    return f"what the service allows: {', '.join(rates)}" if rates else "no limit"


def _size(rate: Rate) -> float:
    """What a bucket holds at most: a rate under one message still lets a whole one through."""
    return max(1.0, rate.count)
