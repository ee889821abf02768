"""Whether a value is of the JSON type that a field is described with.

REST framework's fields take the number 5 for the text “5” and the text “yes” for true. Whoever sends such a
thing has made a mistake that is better told than guessed at.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


def type_problem(field: Any, value: object) -> Any:
    """What is wrong with the type of a field's value, as a ValidationError has it; None where nothing is."""
    if value is None:  # whether it may be null, the field itself says
        return None
    match field:
        case serializers.BooleanField():
            return None if isinstance(value, bool) else ["This must be true or false."]
        case serializers.IntegerField() | serializers.PrimaryKeyRelatedField():
            return None if _is_whole(value) else ["This must be a whole number."]
        case serializers.FloatField():
            return None if _is_number(value) else ["This must be a number."]
        case serializers.CharField() | serializers.ChoiceField():
            return None if isinstance(value, str) else ["This must be a text."]
        case serializers.ListField() if isinstance(value, list):
            found = {index: problem for index, item in enumerate(value)
                     if (problem := type_problem(field.child, item))}  # fmt: skip
            return found or None
    return None


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value % 1 == 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
