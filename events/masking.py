"""Makes text that a program wrote for itself fit to be shown: readable, and without what looks like a secret.

Nobody can tell for certain what in a log is secret. So this hides what stands next to a name such as
`password`, and what has the form of a known credential, and rather too much than too little. Pure.
"""

from __future__ import annotations

import re

from connectors.secrets import MASK, Redactor
from connectors.text import clean

# Colours, cursor movements and window titles: ECMA-48, section 5.4, and OSC, which ends with BEL or ST.
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")

# What has such a name is a secret, and what has one of the others may be.
_CERTAIN = (
    r"passw(?:or)?d|passphrase|passcode|pwd|api[_-]?key|(?:access|account|auth|client|encryption|master"
    r"|private|shared|signing|storage)[_-]?key"
)
_LIKELY = r"secret|token|credential"
_REST_OF_NAME = r"[\w.\-\]]{0,40}"
# A value in quotes, or in the escaped quotes of JSON within JSON, which is how many programs log what they
# were sent. One that is cut off ends with its line.
_QUOTED = r"\"(?:[^\"\\\n]|\\.)*(?:\"|$)|'(?:[^'\\\n]|\\.)*(?:'|$)|\\\"[^\"\n]*(?:\"|$)"

# user:password@host, with a password that may have an @ or a slash in it. It comes before all else, because
# other patterns would take the first @ for the end.
_IN_ADDRESS = re.compile(r"(://[^\s:/@\"'<>]{0,100}:)[^\s\"'<>]{1,300}@")

# (The pattern, what to put instead.) All repetitions are bounded: a line of a log may be long, and made by
# someone who means no good.
_SHAPES = (
    # Lines of a private key whose beginning has scrolled out of view, and its end too.
    (re.compile(r"\A.*-----END [A-Z ]{0,40}PRIVATE KEY-----", re.DOTALL), MASK),
    (re.compile(r"^[ ]*[A-Za-z0-9+/]{60,}={0,2}[ ]*$", re.MULTILINE), MASK),
    # Headers, whose value is the rest of the line, or ends with the quote.
    (
        re.compile(
            r"\b((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s{0,3}[:=]\s{0,3}[\"'\[]{0,2})[^\n\"']+",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}",
    ),
    # PASSWORD=x, token => x
    (
        re.compile(
            rf"({_CERTAIN}|{_LIKELY})({_REST_OF_NAME}(?:\\?[\"'])? {{0,3}}(?:={{1,3}}>?|:=) {{0,3}})"
            rf"(?:{_QUOTED}|[^\s\"']+)",
            re.IGNORECASE | re.MULTILINE,
        ),
        rf"\1\2{MASK}",
    ),
    # "api_key": "x"
    (
        re.compile(
            rf"({_CERTAIN}|{_LIKELY})({_REST_OF_NAME}(?:\\?[\"'])? {{0,3}}: {{0,3}})(?:{_QUOTED})",
            re.IGNORECASE | re.MULTILINE,
        ),
        rf"\1\2{MASK}",
    ),
    # password: x; but TokenFilter.java:42 is a place in a program.
    (
        re.compile(rf"({_CERTAIN})([\w-]{{0,40}}[\"']?: {{0,3}})[^\s\"'*]+", re.IGNORECASE),
        rf"\1\2{MASK}",
    ),
    # token: x, where x has a digit or is long: “invalid token: expired” stays readable.
    (
        re.compile(
            rf"({_LIKELY})([\w-]{{0,40}}[\"']?: {{0,3}})(?=[^\s\"'\d]{{0,200}}\d|[^\s\"']{{16}})[^\s\"']+",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}",
    ),
    # --password x, --api-token 'x'
    (
        re.compile(
            rf"((?<!-)--[\w-]{{0,40}}?(?:{_CERTAIN}|{_LIKELY})[\w-]{{0,40}} {{1,3}})(?!-)"
            rf"(?:{_QUOTED}|[^\s\"']+)",
            re.IGNORECASE | re.MULTILINE,
        ),
        rf"\1{MASK}",
    ),
    # Credentials that say what they are: of AWS, Google, GitLab, npm, Docker, Vault, Stripe, SendGrid, PyPI.
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    (re.compile(r"\bAIza[\w-]{30,}"), MASK),
    (
        re.compile(r"\b(?:glpat-|npm_|dckr_pat_|hv[sb]\.|sk-|[sr]k_(?:live|test)_|SG\.|pypi-)[\w.-]{16,}"),
        MASK,
    ),
)

_redactor = Redactor()


def mask(text: str) -> str:
    """`text` without control characters and terminal codes, and with what looks like a secret masked.

    Cleaned first, so that a colour in the middle of a word hides nothing. A tab becomes a space.
    """
    text = clean(_TERMINAL.sub("", text)).replace("\t", " ")
    text = _redactor.blank(_IN_ADDRESS.sub(rf"\1{MASK}@", text))
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    return text
