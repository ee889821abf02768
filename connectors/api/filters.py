"""Filters of lists that take what is described and refuse the rest, where django-filter's own guess.

A guess means: no filter, and so everything.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.utils import extend_schema_field

from connectors import search_words

LARGEST_ID = 2**63 - 1

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def yes_or_no(value: Any) -> bool | None:
    """True, false, or None where nothing is asked. Raises ValidationError."""
    if value is None:
        return None
    if value not in ("true", "false"):
        raise ValidationError("This must be true or false.")
    return bool(value == "true")


def moment(value: Any) -> datetime | None:
    """The moment, or None where none is asked. Raises ValidationError."""
    if value is None:
        return None
    try:
        found = parse_datetime(value) if _MOMENT.fullmatch(value) else None
        found = found and found.astimezone(UTC)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ValidationError("This must be a date and time such as 2025-01-15T10:30:00Z.")
    return found


class _YesOrNoField(forms.NullBooleanField):
    def clean(self, value: Any) -> bool | None:
        """True, false, or None where nothing is asked."""
        return yes_or_no(value)


class YesOrNo(filters.BooleanFilter):
    """`true` or `false`."""

    field_class = _YesOrNoField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The widget it has by itself takes what it does not know for nothing at all.
        super().__init__(*args, widget=forms.TextInput, **kwargs)


class Choices(filters.MultipleChoiceFilter):
    """Any of several words, of a column of the row itself: no row is found twice."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(distinct=False, **kwargs)


class _MomentField(IsoDateTimeField):
    def clean(self, value: Any) -> datetime | None:
        """The moment, or None where none is asked."""
        return moment(value)


class Moment(filters.IsoDateTimeFilter):
    """A date and time with its offset from UTC (RFC 3339)."""

    field_class = _MomentField


class _WordsField(forms.CharField):
    def clean(self, value: Any) -> list[str]:
        """The words; those in quotation marks are one. Raises ValidationError."""
        if value is None:
            return []
        found = search_words.words_of(super().clean(value))
        if len(found) > search_words.MOST:
            raise ValidationError(f"These are more than {search_words.MOST} words.")
        return found


class Search(filters.CharFilter):
    """Words, each of which is in one of these columns: as the search of the console's list finds them."""

    field_class = _WordsField

    def __init__(self, *columns: str) -> None:
        super().__init__(max_length=500, help_text="Words, all of which it has, or “several in a row”.")
        self.columns = columns

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Those that have all of them."""
        for word in value or ():
            qs = qs.filter(reduce(or_, (Q(**{f"{name}__icontains": word}) for name in self.columns)))
        return qs


class _IdField(forms.DecimalField):
    def clean(self, value: Any) -> int | None:
        """The id, or None where none is asked."""
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= LARGEST_ID):
            raise ValidationError("This must be an id, which is a whole number.")
        return int(value)


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": LARGEST_ID})
class Id(filters.NumberFilter):
    """The id of another row."""

    field_class = _IdField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, widget=forms.TextInput, **kwargs)

    def get_max_validator(self) -> None:
        """None: the field has its own."""
