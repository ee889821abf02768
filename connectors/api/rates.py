"""How a rate is written: `600/min`. Pure; settings are checked with it."""

from __future__ import annotations

SECONDS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "hour": 3600}


def rate(text: str) -> tuple[int, int] | None:
    """A rate such as `600/min` as a number and the seconds it holds for; None for `0`, no limit.

    Raises ValueError.
    """
    if text.strip() == "0":
        return None
    number, _, unit = text.strip().partition("/")
    if not (number.isascii() and number.isdigit() and int(number) > 0 and unit in SECONDS):
        raise ValueError(
            f"{text!r} is not a rate. It is a number for each s, min or h, such as 600/min; 0 is no limit."
        )
    return int(number), SECONDS[unit]
