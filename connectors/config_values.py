"""What several connectors ask of their settings: addresses, secrets that are no placeholders, lists of names.

Every check takes text and returns it, or raises ValueError with one sentence for the person at the form. No
sentence repeats a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from connectors.errors import Reason, SendError
from connectors.secrets import is_reference

Check: TypeAlias = Callable[[str], str]

# What documentation puts where a secret goes: ..., YOUR/WEBHOOK/URL, YOUR_TOKEN, ghp_xxxxxxxxxxxx, <token>.
# your-server.de and your-storagebox.de are a hosting company's own domains. Between angle brackets only words
# count: generated passwords have both.
_PLACEHOLDER = re.compile(
    r"\.\.\.|…|(?<![A-Za-z0-9])your[-_/ ](?!(?:server|storagebox)\.de\b)[A-Za-z0-9/_-]*|x{6,}"
    r"|(?<!\w)<[A-Za-z][A-Za-z _-]{2,}>(?!\w)|change[-_]?me",
    re.IGNORECASE,
)


def refuse_placeholder(text: str) -> str:
    """`text`, unless part of it stands for a value that somebody still has to fill in."""
    found = _PLACEHOLDER.search(text)
    if found:
        raise ValueError(f"“{_repeatable(found[0])}” is a placeholder from an example: enter the real value")
    return text


def _repeatable(placeholder: str) -> str:
    """A placeholder as it can be repeated: it may be part of a secret that merely looks like one."""
    plain = placeholder in (placeholder.lower(), placeholder.upper()) and not re.search(r"\d", placeholder)
    return placeholder if plain else f"{placeholder[:4]}…"


def is_placeholder(text: str) -> bool:
    """Whether `text` is nothing but what stands for a value that somebody still has to fill in.

    A secret of which a part merely looks like that remains a secret.
    """
    return _PLACEHOLDER.fullmatch(text) is not None


def web_address(text: str) -> str:
    """`text` if it is an absolute http or https address with a host and without credentials in it.

    Plain http has the right shape; whether it may be used is for the driver to say.
    """
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("The address has a space or a line break in it: was it copied whole?")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("This is not a web address: the host or the port cannot be read") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise ValueError("Enter the whole address, beginning with https://")
    if not host:
        raise ValueError("The address has no host name after https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("Leave out what stands before the @: a password does not belong in an address")
    return text


def string_or_list(value: object) -> object:
    """A comma-separated text as a list, without blank and repeated entries; other types pass unchanged."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(dict.fromkeys(item.strip() for item in value if item.strip()))
    return value


StringList: TypeAlias = Annotated[list[str], BeforeValidator(string_or_list)]


def blank_is_absent(value: object) -> object:
    """An empty text, which is what a form sends for a field left blank, becomes None."""
    return None if isinstance(value, str) and not value.strip() else value


def secret(*checks: Check) -> AfterValidator:
    """The validator of a SecretStr: not empty, no placeholder, and every check passes.

    A reference (`env:…`, `file:…`) passes as it is: its value is not known until it is used, and is checked
    then by `reveal`.
    """

    def validate(value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value().strip()
        return SecretStr(text if is_reference(text) else _checked(text, checks))

    return AfterValidator(validate)


def reveal(value: SecretStr | None, title: str, *checks: Check) -> str:
    """The secret's text, checked once more at the time of use, since a reference's value may be anything.

    `title` is the field's. Raises SendError(MISCONFIGURED), which pauses the connector.
    """
    text = value.get_secret_value().strip() if value is not None else ""
    try:
        return _checked(text, checks)
    except ValueError as error:
        raise SendError(Reason.MISCONFIGURED, f"{title}: {error}", disable=True) from None


def _checked(text: str, checks: Iterable[Check]) -> str:
    if not text:
        raise ValueError("This is empty")
    for check in (refuse_placeholder, *checks):
        text = check(text)
    return text


def allowed(value: str, patterns: Iterable[str]) -> bool:
    """Whether `value` matches a pattern of the allow-list (`*` and `?` as in file names), ignoring case."""
    return any(fnmatchcase(value.casefold(), pattern.casefold()) for pattern in patterns)
