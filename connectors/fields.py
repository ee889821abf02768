"""An encrypted text column that keeps what it is given.

django-encrypted-model-fields 0.6.5 does the encryption. As it comes, it destroys values in `bulk_update`,
hands out ciphertext under a wrong key as if it were the secret, decrypts whatever ciphertext a form is fed,
lets a lookup silently find nothing, and writes secrets into fixtures. This subclass mends those, and is what
migrations name from 0001 on.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldError
from django.db.models import F, Model, Value
from django.db.models.sql import InsertQuery
from encrypted_model_fields.fields import EncryptedTextField, get_crypter

if TYPE_CHECKING:
    from django.db.models import TextField

    # The package ships no types; in those of Django, its field is one that holds text.
    _TextField = TextField[str, str]
else:
    _TextField = EncryptedTextField

READABLE_LOOKUPS = frozenset(("isnull",))

MASK = "(encrypted)"
"""What fixtures and forms have in place of the text. Loaded over a row, it leaves the row's text alone."""


class Stored(str):
    """Stands for what a row's encrypted column holds, whatever that is: saving it changes nothing.

    As text it is empty. In a new row there is nothing to keep, so that it becomes the field's default.
    """

    field: Any  # the column's field; declared as that, it would be taken for a descriptor

    def __new__(cls, field: EncryptedJSONText) -> Stored:
        stored = super().__new__(cls, "")
        stored.field = field
        return stored

    def __getnewargs__(self) -> Any:
        # What copying and pickling a str would pass is its text.
        return (self.field,)

    def __repr__(self) -> str:
        return "<what is stored>"

    def resolve_expression(self, query: Any = None, *args: Any, **kwargs: Any) -> Any:
        """What Django asks of a value that is to be computed by the database."""
        if isinstance(query, InsertQuery):
            return self.in_new_row().resolve_expression(query, *args, **kwargs)
        return F(self.field.attname).resolve_expression(query, *args, **kwargs)

    def in_new_row(self) -> Value:
        """What a row gets that has nothing stored yet."""
        return Value(self.field.get_default(), output_field=self.field)


class Unreadable(Stored):
    """Stands for a value that none of the keys decrypts. It never holds the ciphertext.

    Its row can be saved and deleted; the ciphertext stays as it is, for the day when the key is back.
    """

    def __repr__(self) -> str:
        return "<unreadable: no key in FIELD_ENCRYPTION_KEY decrypts this value>"

    def in_new_row(self) -> Value:
        """Raises ValueError: the copy would have lost its secret."""
        raise ValueError(
            f"{self.field.verbose_name} cannot be read with the present FIELD_ENCRYPTION_KEY and so cannot be"
            " copied into a new row."
        )


class EncryptedJSONText(_TextField):
    """Text, encrypted at rest; masked in fixtures; readable only with a key of FIELD_ENCRYPTION_KEY."""

    def to_python(self, value: Any) -> Any:
        """What a form or fixture gives, as it is: never decrypted, or a form would be a decryption oracle."""
        return Stored(self) if value == MASK else value

    def from_db_value(self, value: Any, *_: object) -> Any:
        """The plain text, or Unreadable where no key fits."""
        if value is None:
            return None
        try:
            return crypter().decrypt(value.encode()).decode()
        except InvalidToken:
            return Unreadable(self)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """The ciphertext to store. Database expressions, such as those of `bulk_update`, pass as they are."""
        if value is None or hasattr(value, "as_sql"):
            return value
        if not isinstance(value, str):
            raise TypeError(f"{self.name} holds text, not {type(value).__name__}.")
        return crypter().encrypt(value.encode()).decode()

    def get_lookup(self, lookup_name: str) -> Any:
        """Only `isnull`: each encryption of a value differs, so a comparison would silently find nothing."""
        if lookup_name not in READABLE_LOOKUPS:
            raise FieldError(f"{self.name} is encrypted: it cannot be filtered by {lookup_name!r}.")
        return super().get_lookup(lookup_name)

    def value_from_object(self, obj: Model) -> Any:
        """What forms and serializers show of it: only whether there is something."""
        value = getattr(obj, self.attname)
        return MASK if value or isinstance(value, Stored) else value

    def value_to_string(self, obj: Model) -> str:
        """What `dumpdata` writes: the same."""
        return self.value_from_object(obj) or ""


def crypter() -> MultiFernet:
    """Encrypts with the first key of `settings.FIELD_ENCRYPTION_KEY`, decrypts with any of them."""
    return _crypter(tuple(settings.FIELD_ENCRYPTION_KEY))


@lru_cache(maxsize=8)
def _crypter(keys: tuple[str, ...]) -> MultiFernet:
    # The package reads the setting itself, and says what is wrong with it; the argument is what to cache by.
    parsed: MultiFernet = get_crypter()
    return parsed


def encrypted_columns() -> Iterator[tuple[type[Model], EncryptedJSONText]]:
    """Every encrypted column of every model that has a table of its own."""
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            for field in model._meta.local_concrete_fields:
                if isinstance(field, EncryptedJSONText):
                    yield model, field
