"""The form of a connector: the fields that every connector has, and those that its provider declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from django import forms
from django.utils.html import escape
from django.utils.text import capfirst
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from connectors import registry
from connectors.configuration import schema, setup
from connectors.configuration.reconfigure import Configured, configured
from connectors.configuration.schema import ConfigField, Kind
from connectors.console.form_fields import (
    Entry,
    JSONTextField,
    LinesField,
    SecretField,
    parse_json,
    split_lines,
)
from connectors.console.seen import SeenForm
from connectors.engine.bucket import limits_in_words
from connectors.models import Connector
from connectors.provider import Provider

PREFIX = "config_"
"""Before the name of a declared field, so that it cannot collide with one of the connector's own."""


class ConnectorForm(SeenForm[Connector]):
    """The base of every connector's form; `form_for` adds the fields of a provider.

    A secret left blank is kept as it is. `result` holds the checked configuration once the form is valid.
    """

    provider: ClassVar[Provider[Any]]
    result: Configured

    class Meta:
        model = Connector
        fields = ("name", "enabled", "deliver_brief", "rate_per_second", "digest_after")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.provider = self.provider.slug
        if "rate_per_second" in self.fields:
            self.fields["rate_per_second"].help_text = f"Empty for {limits_in_words(self.provider)}."
        if not self.provider.digests:
            self.fields.pop("digest_after", None)
        elif "digest_after" in self.fields:
            self.fields["digest_after"].required = False
        self.stored = setup.join(self.instance) if self.instance.pk else {}
        for field in self._declared():
            shown, stored = self.fields.get(PREFIX + field.name), self.stored.get(field.name)
            if isinstance(shown, SecretField):
                shown.widget.is_set = bool(stored)
                shown.widget.may_clear = not field.required
                if stored and isinstance(stored, Mapping):
                    names = escape(", ".join(stored))
                    shown.help_text += f" Set: {names}. What is entered replaces all of them."
            elif field.name in self.stored:
                self.initial[PREFIX + field.name] = stored

    def clean(self) -> dict[str, Any] | None:
        """Checks the configuration as a whole; each mistake lands at its field."""
        cleaned = super().clean()
        if not any(name.startswith(PREFIX) for name in self.errors):
            self._check_config()
        return cleaned

    def clean_digest_after(self) -> int:
        """The threshold; left blank, what it is at first."""
        entered: int | None = self.cleaned_data["digest_after"]
        first: int = Connector._meta.get_field("digest_after").default
        return first if entered is None else entered

    def save(self, commit: bool = True) -> Connector:
        """The connector with its new configuration. Raises ValueError if the form is not valid."""
        if self.is_valid():
            self.instance.options = self.result.options
            self.instance.secrets = self.result.secrets
        connector: Connector = super().save(commit)
        return connector

    def _check_config(self) -> None:
        try:
            self.result = configured(self.instance, self.entered(), replace=True)
        except setup.ConfigError as error:
            for name, texts in error.errors.items():
                field = PREFIX + name if PREFIX + name in self.fields else None
                for text in texts:
                    self.add_error(field, text if field else f"{name}: {text}".removeprefix(": "))

    def errors_in_words(self) -> list[tuple[str, str]]:
        """Every mistake: the label of its field, or nothing where it is about the whole, and the sentence.

        What is only missing is no mistake yet: see `missing`.
        """
        return [
            (self._label(name), str(text))
            for name, texts in self.errors.items()
            if name not in self._required()
            for text in texts
        ]

    def missing(self) -> list[str]:
        """The labels of the fields that are still to be filled in."""
        return [self._label(name) for name in self._required()]

    def _required(self) -> list[str]:
        found = self.errors.as_data()
        return [name for name, errors in found.items() if any(error.code == "required" for error in errors)]

    def _label(self, name: str) -> str:
        return capfirst(str(self.fields[name].label or name)) if name in self.fields else ""

    def entered(self) -> dict[str, Any]:
        """The configuration as entered, as far as it is well-formed; the form must have been checked.

        What was left blank is not in it, and stored secrets stay by that.
        """
        entered: dict[str, Any] = {}
        for field in self._declared():
            value = self.cleaned_data.get(PREFIX + field.name)
            if value is Entry.CLEAR:
                entered[field.name] = None
            elif value is not Entry.KEEP and (
                value not in (None, "", []) or (field.kind is Kind.LIST and field.default)
            ):
                entered[field.name] = value
        return entered

    def _declared(self) -> tuple[ConfigField, ...]:
        return schema.fields(self.provider.config_class)


@cache
def form_for(slug: str) -> type[ConnectorForm]:
    """The form of one kind of connector. Raises LookupError."""
    provider = registry.provider(slug)
    declared = {PREFIX + field.name: form_field(field) for field in schema.fields(provider.config_class)}
    return type(f"{type(provider).__name__}Form", (ConnectorForm,), {"provider": provider, **declared})


def essential_names(slug: str) -> list[str]:
    """The names of the fields in that form without which nothing works, in order."""
    return _names(slug, essential=True)


def option_names(slug: str) -> list[str]:
    """The names of the other declared fields, in order."""
    return _names(slug, essential=False)


def _names(slug: str, *, essential: bool) -> list[str]:
    declared = schema.fields(registry.provider(slug).config_class)
    return [PREFIX + field.name for field in declared if field.essential is essential]


def delivery_names(slug: str) -> list[str]:
    """The names of the fields that say how a connector of that kind delivers, in order."""
    names = ["deliver_brief", "rate_per_second"]
    return [*names, "digest_after"] if registry.provider(slug).digests else names


def form_field(field: ConfigField) -> forms.Field:
    """The form field in which a person enters a declared one."""
    words: dict[str, Any] = {
        "label": field.title,
        # Text, in which the documents read Markdown, and pages HTML.
        "help_text": escape(field.description.replace("`", "")),
        "required": field.required,
    }
    if field.secret:
        return _secret_field(field, words)
    words["initial"] = field.default
    match field.kind:
        case Kind.FLAG:
            return forms.BooleanField(**{**words, "required": False}, widget=UnfoldBooleanSwitchWidget)
        case Kind.INTEGER:
            return forms.IntegerField(**words, widget=UnfoldAdminIntegerFieldWidget)
        case Kind.NUMBER:
            return forms.FloatField(**words, widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}))
        case Kind.CHOICE:
            return _choice_field(field, words)
        case Kind.LIST:
            return LinesField(**words)
        case Kind.JSON:
            return JSONTextField(**words)
        case Kind.TEXT:
            return forms.CharField(**words, widget=_text_widget(field))


def _secret_field(field: ConfigField, words: dict[str, Any]) -> SecretField:
    if field.kind is Kind.LIST:
        return SecretField(read=split_lines, multiline=True, **words)
    if field.kind is Kind.JSON:
        return SecretField(read=parse_json, multiline=True, **words)
    return SecretField(**words)


def _choice_field(field: ConfigField, words: dict[str, Any]) -> forms.Field:
    by_text = {str(choice): choice for choice in field.choices}
    none = [] if field.required or not field.optional else [("", "–")]
    return forms.TypedChoiceField(
        choices=[*none, *((text, text.replace("_", " ")) for text in by_text)],
        coerce=by_text.__getitem__,
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
        **words,
    )


def _text_widget(field: ConfigField) -> Any:
    """A text is one line, unless its declaration says that it may hold several."""
    if field.multiline:
        return UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"})
    return UnfoldAdminTextInputWidget()
