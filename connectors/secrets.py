"""Secrets: those kept outside, which are looked up when they are used, and hiding all of them from view.

Pure, and free of Django: providers and the logging configuration import it.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, quote_plus, urlsplit

from connectors.errors import Reason, SendError

# --- References -----------------------------------------------------------------------------------------

ENV_PREFIX = "KUBEGRAF_SECRET_"
FOLDER_VARIABLE = "KUBEGRAF_SECRETS_DIR"
DEFAULT_FOLDER = "/run/secrets"

_LONGEST = 64 * 1024


def is_reference(text: str) -> bool:
    """Whether `text` names a secret kept elsewhere (`env:…`, `file:…`) rather than being one itself."""
    return text.strip().lower().startswith(("env:", "file:"))


def reference_problem(text: str) -> str | None:
    """What is wrong with how a reference is written; None if nothing is, or if it is no reference.

    References reach only what was put there for connectors: this server's own secrets are out of reach of
    people who configure connectors. The answer does not depend on what exists.
    """
    if not is_reference(text):
        return None
    scheme, name = _taken_apart(text)
    if scheme == "env":
        if re.fullmatch(ENV_PREFIX + r"\w+", name, re.ASCII):
            return None
        return f"env: refers only to environment variables whose names begin with {ENV_PREFIX}"
    inside = _inside(name, _folder())
    # Where Kubernetes mounts the token of the pod's own service account.
    if inside and inside[0] != "kubernetes.io":
        return None
    return f"file: refers only to files in {_folder()}"


def resolve_reference(text: str) -> str:
    """The secret that a reference stands for, as it is now; any other text as it is.

    Raises SendError(MISCONFIGURED), naming the reference.
    """
    if not is_reference(text):
        return text
    text = text.strip()
    problem = reference_problem(text)
    if problem:
        raise _unresolved(text, problem)
    scheme, name = _taken_apart(text)
    secret = os.environ.get(name) if scheme == "env" else _read(text, name)
    if secret is None:
        raise _unresolved(text, "there is no such environment variable")
    if not secret:
        raise _unresolved(text, "it is empty")
    return secret


def _read(text: str, name: str) -> str:
    # A secret mounted by Kubernetes is a symlink within its folder, so links are followed, but not out of it.
    path = os.path.realpath(name)
    if not _inside(path, os.path.realpath(_folder())) or path in _own_secrets():
        raise _unresolved(text, f"file: refers only to files in {_folder()}")
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _unresolved(text, "it is not a file")
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise _unresolved(text, error.strerror or str(error)) from None
    if len(content) > _LONGEST:
        raise _unresolved(text, f"the file has more than {_LONGEST} bytes")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise _unresolved(text, "the file is not text in UTF-8") from None


def _taken_apart(text: str) -> tuple[str, str]:
    scheme, _, name = text.strip().partition(":")
    if scheme.lower() == "env":
        return "env", name
    return "file", posixpath.normpath("/" + name.lstrip("/"))


def _folder() -> str:
    return os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER


def _inside(path: str, folder: str) -> tuple[str, ...]:
    """The parts of `path` below `folder`; none if it does not lie there."""
    try:
        return Path(path).relative_to(folder).parts
    except ValueError:
        return ()


def _own_secrets() -> set[str]:
    """The files this server reads its own secrets from (SECRET_KEY_FILE and the like): not for connectors."""
    return {os.path.realpath(path) for name, path in os.environ.items() if name.endswith("_FILE") and path}


def _unresolved(text: str, why: str) -> SendError:
    return SendError(Reason.MISCONFIGURED, f"The secret {text} cannot be used: {why}.", disable=True)


# --- Hiding ---------------------------------------------------------------------------------------------

MASK = "***"

_SHORTEST = 4  # a shorter secret is found in every other word
_MEMORABLE = 128  # up to here a text is remembered with what became of it
_REMEMBERED = 256  # so many texts
_SHORT = 8  # up to here a secret is hidden only where it stands alone: “prod”, but not in “production”

_RAREST_FIRST = "%+QJXZKYVWUGHBFNMOLIDERqjxzSATCPkvwyb9"

# What secrets look like that nobody told us: (a rare character that must be there, texts of which one must,
# the pattern, what to put instead). The first two only save time.
_Shape: TypeAlias = "tuple[str, tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]]"
_SHAPES: tuple[_Shape, ...] = (
    (".", ("hooks.slack",), re.compile(r"(hooks\.slack(?:-gov)?\.com)(?:\\?/[\w-]+)+"), rf"\1/{MASK}"),
    ("x", ("xox", "xapp-"), re.compile(r"(?:xoxe\.)?(?:xox[a-z]|xapp)-[\w-]{6,}"), MASK),
    ("_", ("gh", "github_pat_"), re.compile(r"\b(?:gh[pousr]|github_pat)_\w{8,}"), MASK),
    ("_", ("whs",), re.compile(r"\bwh(?:sec|sk)_[\w+/=-]{8,}"), MASK),
    (
        "J",
        ("eyJ",),
        # What only begins like a token is matched as well, and left: it would be gone through again from each
        # place in it where one could begin.
        re.compile(r"\beyJ[\w-]{8,}(\.[\w-]{8,}\.[\w-]*)?"),
        lambda found: MASK if found[1] else found[0],
    ),
    (
        "",
        ("earer", "asic", "EARER", "ASIC"),
        # With a digit in it or very long, so that “Basic authentication” stays readable.
        re.compile(r"\b(bearer|basic)(:?\s+)(?=[\w.~+/-]*[\d=]|[\w.~+/-]{20})[\w.~+/-]{8,}=*", re.IGNORECASE),
        rf"\1\2{MASK}",
    ),
    ("=", ("sig=",), re.compile(r"(?<![A-Za-z])sig=[^&\s\"'<>\\]+"), f"sig={MASK}"),
    (
        "=",
        ("=",),
        re.compile(
            r"([?&](?:token|access_token|api_?key|key|code|secret|password|signature)=)[^&\s\"'<>\\]+"
        ),
        rf"\1{MASK}",
    ),
    ("@", ("@",), re.compile(r"(://)[^/\s@\"'<>\\]+@"), rf"\1{MASK}@"),
    (
        "K",
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        MASK,
    ),
)


class Redactor:
    """Hides secrets in text: those it is given, in any of the usual encodings, and what looks like one.

    Of a secret address the path and the query are hidden, not the host.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for part in _parts(secret) for form in _forms(part)}
        # The longest first, so that no secret is left in part because a shorter one is contained in it.
        ordered = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
        self._long = [form for form in ordered if len(form) >= _SHORT]
        # Those that contain no other: a text without any of these has none of the others either.
        self._cores = [
            (_rare(form), form)
            for position, form in enumerate(self._long, 1)
            if not any(map(form.__contains__, self._long[position:]))
        ]
        self._short = [
            (form, re.compile(rf"(?<!\w){re.escape(form)}(?!\w)")) for form in ordered if len(form) < _SHORT
        ]
        # Headers and addresses are the same from one exchange to the next.
        self._known: dict[str, str] = {}

    def blank(self, text: str) -> str:
        """`text` with every secret replaced by a mask."""
        if len(text) > _MEMORABLE:
            return self._blanked(text)
        known = self._known.get(text)
        if known is None:
            known = self._blanked(text)
            if len(self._known) < _REMEMBERED:
                self._known[text] = known
        return known

    def _blanked(self, text: str) -> str:
        for rare, core in self._cores:
            if rare in text and core in text:
                for form in self._long:
                    text = text.replace(form, MASK)
                break
        for form, pattern in self._short:
            if form in text:  # which is told much faster than where it stands alone
                text = pattern.sub(MASK, text)
        for rare, signs, pattern, replacement in _SHAPES:
            if rare in text:
                for sign in signs:
                    if sign in text:
                        text = pattern.sub(replacement, text)
                        break
        return text

    def blank_json(self, value: Any) -> Any:
        """Decoded JSON with every secret in its strings, names included, replaced by a mask."""
        if isinstance(value, str):
            return self.blank(value)
        if isinstance(value, dict):
            return {self.blank(str(name)): self.blank_json(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.blank_json(item) for item in value]
        return value

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._long) + len(self._short)} forms>"


def _rare(form: str) -> str:
    """A character of it that few texts have, by which it is told sooner that one does not hold it."""
    return next((character for character in _RAREST_FIRST if character in form), form[0])


def _parts(secret: str) -> Iterator[str]:
    """What of a secret must not be seen: of an address, what follows the host; of others, all of it."""
    secret = secret.strip()
    if not re.match(r"https?://", secret, re.IGNORECASE):
        yield secret
        scheme, _, credentials = secret.partition(" ")
        if scheme.isalpha():  # Bearer …
            yield credentials
        return
    try:
        address = urlsplit(secret)
    except ValueError:
        yield secret
        return
    beyond = address.path + (f"?{address.query}" if address.query else "")
    yield from (beyond, address.path, address.query, address.fragment)
    yield from (part for part in address.path.split("/") if len(part) >= 2 * _SHORT)
    values = (part.partition("=")[2] for part in address.query.split("&"))
    yield from (value for value in values if len(value) >= _SHORT)


_HTML_OF_OTHERS: tuple[dict[str, str], ...] = (
    {},
    {"&#x27;": "&#39;"},
    {"&#x27;": "&#039;"},
    {"&#x27;": "&#39;", "&quot;": "&#34;"},
)
_JSON_OF_GO = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}


def _replaced(text: str, marks: Mapping[str, str]) -> str:
    for mark, written in marks.items():
        text = text.replace(mark, written)
    return text


def _forms(part: str) -> Iterator[str]:
    """A secret as it is, and as URLs, JSON, HTML and base64 write it, in any of the usual languages."""
    yield part
    for quoted in (quote(part), quote(part, safe=""), quote_plus(part)):
        yield quoted
        yield re.sub("%..", lambda found: found[0].lower(), quoted)
    yield html.escape(part, quote=False)
    for marks in _HTML_OF_OTHERS:
        yield _replaced(html.escape(part), marks)
    for escaped in (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]):
        for marks in ({}, {"/": "\\/"}, _JSON_OF_GO):
            written = _replaced(escaped, marks)
            yield written
            yield re.sub(r"\\u....", lambda found: f"\\u{found[0][2:].upper()}", written)
    data = part.encode(errors="surrogatepass")
    for offset in range(3):
        # Within a longer text, such as user:password, base64 depends on the position modulo 3. Characters at
        # either end also hold bits of what stands before or after, and are left out.
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        stable = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        if len(stable) >= _SHORT:
            yield stable
            yield stable.replace("+", "-").replace("/", "_")


class RedactingFilter(logging.Filter):
    """Hides in log records what looks like a secret, tracebacks included. To be put on every handler."""

    _redactor = Redactor()

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; always True."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return True  # arguments that do not fit the text: the handler reports that
        record.msg, record.args = self._redactor.blank(message), None
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self._redactor.blank(record.exc_text)
        if record.stack_info:
            record.stack_info = self._redactor.blank(record.stack_info)
        return True
