"""Which version of a row's configuration somebody has seen, so that nobody overwrites what they did not see.

A version depends on what people configure, and on nothing that the engine or a watcher writes. It tells
nothing of the secrets that it depends on: it is a keyed hash.
"""

from __future__ import annotations

import json

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Field, Model
from django.utils.crypto import salted_hmac

from connectors.fields import EncryptedJSONText


def version_of(*rows: Model) -> str:
    """The version of what is configured in these rows together, as 32 hexadecimal digits."""
    said = [
        [row._meta.label_lower, str(row.pk), *(_value(row, field) for field in configured(row))]
        for row in rows
    ]
    text = json.dumps(said, cls=DjangoJSONEncoder, sort_keys=True)
    return salted_hmac(__name__, text, algorithm="sha256").hexdigest()[:32]


def configured(row: Model) -> list[Field[object, object]]:
    """The columns that people fill in: what may be edited, and secrets, which forms edit by other names."""
    return [
        field
        for field in row._meta.concrete_fields
        if not field.primary_key and (field.editable or isinstance(field, EncryptedJSONText))
    ]


def _value(row: Model, field: Field[object, object]) -> object:
    value = getattr(row, field.attname)
    # What cannot be decrypted is empty as text, and known by its type.
    return f"{type(value).__name__}:{value}" if isinstance(field, EncryptedJSONText) else value
