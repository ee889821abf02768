"""Forms that overwrite only what their reader has seen.

A page carries the version of the row that it shows (`connectors.versions`). When it comes back and the row
has another version by then, nothing is saved, and the page says who was quicker.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from connectors import history
from connectors.versions import version_of

M = TypeVar("M", bound=Model)


class SeenForm(forms.ModelForm[M]):
    """A form of a row, with the version that its page showed, and when. Without that, nothing is compared."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "version" in self.fields:
            self.initial["version"] = signing.dumps(
                [self.version_of(self.instance), int(timezone.now().timestamp())], salt=__name__
            )

    def version_of(self, row: M) -> str:
        """The version of all that this page may overwrite."""
        return version_of(row)

    @property
    def changed_data(self) -> list[str]:
        """The fields that somebody changed, of which the version is none."""
        return [name for name in super().changed_data if name != "version"]

    def clean_version(self) -> None:
        """Raises ValidationError where the row is no longer as the page showed it."""
        seen = self.cleaned_data.get("version")
        if not seen or not self.instance.pk:
            return
        try:
            version, shown_at = signing.loads(seen, salt=__name__)
        except signing.BadSignature:
            self.add_error(None, "This page cannot be saved. Reload it.")
            return
        row = self._row_now()
        if row is None or self.version_of(row) != version:
            self.add_error(None, ValidationError(_words(self.instance, row, shown_at), code="stale"))

    def _row_now(self) -> M | None:
        """The row as it is by now; locked until the page is saved, where that is one transaction."""
        model = type(self.instance)
        rows = model._default_manager.filter(pk=self.instance.pk)
        if transaction.get_connection().in_atomic_block:
            rows = rows.select_for_update(of=("self",))
        return rows.first()


def _words(instance: Model, row: Model | None, shown_at: int) -> str:
    what = "changed" if row is not None else "deleted"
    line = history.last_line(instance, since=datetime.fromtimestamp(shown_at, UTC))
    who = f" by {line.who}" if line is not None and line.who else ""
    if at := line.history_date if line is not None else getattr(row, "updated_at", None):
        who += f" at {at:%H:%M:%S} UTC"
    return (
        f"This {instance._meta.verbose_name} was {what} meanwhile{who}, after you had opened the page."
        " Nothing has been saved. Reload the page, and make your change to what it is now."
    )
