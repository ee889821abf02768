"""Reads JSON that can be stored and sent on as it is, and says what is wrong with any other. Pure.

JSON's grammar allows strings that no database and no receiver takes: a NUL character (PostgreSQL refuses it)
and half of a surrogate pair (it has no UTF-8). Python's decoder adds infinite numbers, and its encoder gives
up on very deep nesting; of two values for one name it silently takes the last. Each is refused at the door,
with the place where it is.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

DEEPEST = 32
"""How many arrays and objects may lie inside each other."""

# A place is put into words for everything that is looked at, so that a name in it must not be a megabyte.
_LONGEST_NAME = 80
_NAMED = 3


def loads(text: str) -> Any:
    """The decoded text. Raises ValueError, in words that do not repeat it: there may be secrets in it."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"This is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from None
    except _Refused:
        raise
    except ValueError:
        raise ValueError("This is not JSON: a number is too long.") from None  # see int_max_str_digits
    wrong = problem(value)
    if wrong:
        raise ValueError(wrong)
    return value


class _Refused(ValueError):
    """JSON by its grammar, and refused all the same."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = sorted(name for name in times if times[name] > 1)
        named = ", ".join(repr(_short(name)) for name in twice[:_NAMED])
        raise _Refused(f"{named}: the same name is twice in one object.")
    return found


def _refuse_constant(name: str) -> object:
    raise _Refused(f"This is not JSON: {name} is not a number there.")


def problem(value: object, path: str = "", depth: int = 0) -> str | None:
    """What is wrong with decoded JSON and where, in words; None when it is fine."""
    if isinstance(value, str):
        return _text_problem(value, path)
    if isinstance(value, float) and not math.isfinite(value):
        return f"{path or 'The value'}: the number is too large."
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return f"{path or 'The value'}: the number is too large."
    if not isinstance(value, dict | list):
        return None
    if depth >= DEEPEST:
        return f"{path}: nested more than {DEEPEST} levels deep."
    if isinstance(value, list):
        return _first(problem(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))
    return _first(
        _text_problem(str(name), path) or problem(item, _below(path, str(name)), depth + 1)
        for name, item in value.items()
    )


def _below(path: str, name: str) -> str:
    return f"{path}.{_short(name)}" if path else _short(name)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _text_problem(text: str, path: str) -> str | None:
    where = path or "The text"
    if "\0" in text:
        return f"{where}: NUL characters (\\u0000) are not allowed."
    if any("\ud800" <= character <= "\udfff" for character in text):
        return f"{where}: half of a surrogate pair (\\ud800 to \\udfff) is not a character."
    return None


def _first(problems: Iterable[str | None]) -> str | None:
    return next((found for found in problems if found), None)
