"""Form fields for what configurations hold: secrets that are never shown, lists by line, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import INPUT_CLASSES, TEXTAREA_CLASSES, UnfoldAdminTextareaWidget

from connectors import wellformed


class Entry(Enum):
    """What a person did with a secret's field, other than entering a new value."""

    KEEP = "keep"
    CLEAR = "clear"


class SecretWidget(forms.Widget):
    """An input that never shows what is stored, and a box to remove it where it may be removed.

    `is_set` and `may_clear` are told by the form, which knows the object.
    """

    template_name = "connectors/widgets/secret.html"
    is_set = False
    may_clear = False

    def __init__(self, attrs: Mapping[str, Any] | None = None, *, multiline: bool = False) -> None:
        super().__init__({"autocomplete": "new-password", "spellcheck": "false", **(attrs or {})})
        self.multiline = multiline

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Without the value: a form that was sent in with a mistake does not echo the secret either."""
        context = super().get_context(name, None, attrs)
        context["widget"] |= {
            "classes": " ".join(TEXTAREA_CLASSES if self.multiline else INPUT_CLASSES),
            "multiline": self.multiline,
            "is_set": self.is_set,
            "may_clear": self.is_set and self.may_clear,
            "clear_name": f"{name}-clear",
        }
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """The text entered; else whether to keep or to clear what is stored."""
        text = data.get(name) or ""
        if text.strip():
            return text
        return Entry.CLEAR if data.get(f"{name}-clear") else Entry.KEEP

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Leaving it out means keeping it."""
        return False

    def use_required_attribute(self, initial: Any) -> bool:
        """A stored secret need not be entered again."""
        return not self.is_set


class SecretField(forms.Field):
    """A secret. Its value is what `read` makes of the text, or an Entry where none was entered."""

    widget = SecretWidget

    def __init__(
        self, *, read: Callable[[str], Any] = str.strip, multiline: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(widget=SecretWidget(multiline=multiline), **kwargs)
        self.read = read

    def clean(self, value: Any) -> Any:
        """Raises ValidationError, which does not repeat the secret."""
        if isinstance(value, Entry):
            if self.required and not self.widget.is_set:
                raise ValidationError(self.error_messages["required"], code="required")
            return value
        wrong = wellformed.problem(value)
        if wrong:
            raise ValidationError(wrong)
        return self.read(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Anything but leaving it alone is a change."""
        return data is not Entry.KEEP


class LinesField(forms.Field):
    """Several short texts, one per line or with commas between them."""

    widget = forms.Textarea

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 3}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        """One per line."""
        return "\n".join(str(item) for item in value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:
        """The texts, without blanks and repetitions."""
        text = value or ""
        wrong = wellformed.problem(text)
        if wrong:
            raise ValidationError(wrong)
        return split_lines(text)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compares what is meant, not how it is typed."""
        return list(initial or []) != self.to_python(data)


class JSONTextField(forms.Field):
    """JSON, typed in by hand."""

    widget = forms.Textarea

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 5, "spellcheck": "false"}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Indented, unless it is what somebody typed."""
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        """The decoded JSON; None for nothing."""
        return parse_json(value) if isinstance(value, str) and value.strip() else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compares what is meant; what is no JSON is a change."""
        try:
            return (initial or None) != (self.to_python(data) or None)
        except ValidationError:
            return True


def split_lines(text: str) -> list[str]:
    """The texts, one per line or with commas between them, without blanks and repetitions."""
    parts = (part.strip() for line in text.splitlines() for part in line.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def parse_json(text: str) -> Any:
    """The decoded text. Raises ValidationError with the place of the mistake, without the text itself."""
    try:
        return wellformed.loads(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None
