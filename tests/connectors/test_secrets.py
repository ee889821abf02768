"""References to secrets kept elsewhere, and hiding secrets wherever they might be seen."""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import Reason, SendError
from connectors.secrets import RedactingFilter, Redactor, is_reference, reference_problem, resolve_reference

TOKEN = 's3cr3t/to+ken=äß"quoted"&<tag>'
SLACK = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that file: references may reach."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("KUBEGRAF_SECRETS_DIR", str(folder))
    return folder


def refusal(text: str) -> str:
    with pytest.raises(SendError) as caught:
        resolve_reference(text)
    assert (caught.value.reason, caught.value.retry, caught.value.disable) == (
        Reason.MISCONFIGURED,
        False,
        True,
    )
    return caught.value.text


# --- References -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env:KUBEGRAF_SECRET_A", True),
        ("file:/run/secrets/a", True),
        (" env:X ", True),
        ("ENV:X", True),
        ("https://example.com/env:x", False),
        ("environment", False),
        ("", False),
    ],
)
def test_a_reference_is_told_by_its_scheme(text: str, expected: bool) -> None:
    assert is_reference(text) is expected


def test_any_other_text_stands_for_itself() -> None:
    assert resolve_reference("xoxb-1-2-3") == "xoxb-1-2-3"


def test_an_environment_variable_is_read_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEGRAF_SECRET_SLACK", "first")
    assert resolve_reference("env:KUBEGRAF_SECRET_SLACK") == "first"

    monkeypatch.setenv("KUBEGRAF_SECRET_SLACK", "second")
    assert resolve_reference("env:KUBEGRAF_SECRET_SLACK") == "second"


def test_a_file_is_read_when_it_is_used_without_its_last_line_break(folder: Path) -> None:
    (folder / "slack").write_text("first\n")
    assert resolve_reference(f"file:{folder}/slack") == "first"

    (folder / "slack").write_text("second\r\n")
    assert resolve_reference(f"file:{folder}/slack") == "second"


def test_a_secret_mounted_by_kubernetes_is_read_through_its_links(folder: Path) -> None:
    (folder / "..2026_01").mkdir()
    (folder / "..2026_01" / "token").write_text("mounted")
    (folder / "..data").symlink_to("..2026_01")
    (folder / "token").symlink_to("..data/token")

    assert resolve_reference(f"file:{folder}/token") == "mounted"


@pytest.mark.parametrize(
    "text",
    [
        "env:SECRET_KEY",
        "env:PATH",
        "env:KUBEGRAF_SECRET_",
        "env:",
        "env:DATABASE_URL",
        "env:KUBEGRAF_SECRET_A B",
    ],
)
def test_no_other_environment_variable_can_be_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:hunter22@db/x")

    assert refusal(text) == (
        f"The secret {text} cannot be used: env: refers only to environment variables whose names begin with"
        " KUBEGRAF_SECRET_."
    )


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "path", ["{outside}", "{folder}/../outside", "{folder}/x/../../outside", "{folder}", "outside"]
)
def test_no_file_elsewhere_can_be_read_nor_whether_there_is_one(
    folder: Path, tmp_path: Path, path: str, there: bool
) -> None:
    outside = tmp_path / "outside"
    if there:
        outside.write_text("private")
    text = "file:" + path.format(outside=outside, folder=folder)

    assert refusal(text) == f"The secret {text} cannot be used: file: refers only to files in {folder}."


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("private")
    (folder / "link").symlink_to(tmp_path / "outside")

    assert "refers only to files in" in refusal(f"file:{folder}/link")


def test_the_files_of_this_servers_own_secrets_cannot_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "secret_key").write_text("the server's own")
    monkeypatch.setenv("SECRET_KEY_FILE", str(folder / "secret_key"))

    assert "refers only to files in" in refusal(f"file:{folder}/secret_key")


def test_the_token_of_the_pods_own_account_cannot_be_read(folder: Path) -> None:
    token = folder / "kubernetes.io" / "serviceaccount" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("the pod's own")

    assert "refers only to files in" in refusal(f"file:{token}")


def test_what_is_missing_is_named(folder: Path) -> None:
    assert refusal("env:KUBEGRAF_SECRET_NONE") == (
        "The secret env:KUBEGRAF_SECRET_NONE cannot be used: there is no such environment variable."
    )
    assert refusal(f"file:{folder}/none") == (
        f"The secret file:{folder}/none cannot be used: No such file or directory."
    )


def test_what_is_empty_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEGRAF_SECRET_EMPTY", "")
    (folder / "empty").write_text("\n")

    assert refusal("env:KUBEGRAF_SECRET_EMPTY").endswith("it is empty.")
    assert refusal(f"file:{folder}/empty").endswith("it is empty.")


def test_what_is_no_file_of_text_is_refused(folder: Path) -> None:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    (folder / "large").write_bytes(b"a" * 70_000)

    assert refusal(f"file:{folder}/folder").endswith("it is not a file.")
    assert refusal(f"file:{folder}/pipe").endswith("it is not a file.")
    assert refusal(f"file:{folder}/binary").endswith("the file is not text in UTF-8.")
    assert refusal(f"file:{folder}/large").endswith("the file has more than 65536 bytes.")


def test_without_a_setting_the_folder_is_run_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEGRAF_SECRETS_DIR", raising=False)

    assert reference_problem("file:/run/secrets/slack") is None
    assert reference_problem("file:///run/secrets/slack") is None
    assert reference_problem("file:/etc/passwd") == "file: refers only to files in /run/secrets"
    assert reference_problem("xoxb-1") is None


# --- Hiding what is known -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [
        TOKEN,
        quote(TOKEN),
        quote(TOKEN, safe=""),
        quote_plus(TOKEN),
        html.escape(TOKEN),
        json.dumps(TOKEN),
        json.dumps(TOKEN, ensure_ascii=False),
        json.dumps(TOKEN).replace("/", "\\/"),
        json.dumps(TOKEN).replace("\\u00e4\\u00df", "\\u00E4\\u00DF"),
        json.dumps(TOKEN).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
        re.sub("%..", lambda found: found[0].lower(), quote(TOKEN, safe="")),
        html.escape(TOKEN, quote=False),
        html.escape(TOKEN).replace("&quot;", "&#34;"),
        base64.b64encode(TOKEN.encode()).decode(),
        base64.b64encode(f"user:{TOKEN}".encode()).decode(),
        base64.b64encode(f"me:{TOKEN}:more".encode()).decode(),
        base64.urlsafe_b64encode(f"a:{TOKEN}".encode()).decode(),
    ],
)
def test_a_secret_is_hidden_however_it_is_written(shown: str) -> None:
    blanked = Redactor([TOKEN]).blank(f"before {shown} after")

    assert blanked.startswith("before ")
    assert blanked.endswith(" after")
    assert "***" in blanked
    assert len(blanked) < len("before  after") + 20
    assert "s3cr3t" not in blanked


@given(st.text(min_size=8, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    text = f"{before}{secret}{after}"

    blanked = Redactor([secret]).blank(text)

    assert secret.strip() not in blanked or len(secret.strip()) < 8


def test_the_longest_of_two_secrets_goes_first() -> None:
    assert Redactor(["abcdefgh", "abcdefghijkl"]).blank("x abcdefghijkl y abcdefgh z") == "x *** y *** z"


def test_of_a_secret_address_the_host_stays_readable() -> None:
    redactor = Redactor(["https://hooks.example.com/in/abc123?code=wxyz9876&a=b"])

    assert redactor.blank("POST https://hooks.example.com/in/abc123?code=wxyz9876&a=b failed") == (
        "POST https://hooks.example.com*** failed"
    )
    assert redactor.blank("no route /in/abc123") == "no route ***"
    assert redactor.blank("bad code wxyz9876") == "bad code ***"


def test_base64_is_hidden_as_addresses_write_it_too() -> None:
    secret = "~~~???>>>~~~???"
    written = base64.urlsafe_b64encode(secret.encode()).decode()
    assert {"-", "_"} <= set(written)

    assert written[:16] not in Redactor([secret]).blank(f"cursor {written} is gone")


def test_what_follows_the_mark_of_a_secret_address_is_hidden_alone_too() -> None:
    assert Redactor(["https://hooks.example.com/#wxyz9876"]).blank("bad code wxyz9876") == "bad code ***"


def test_a_long_part_of_a_secret_address_is_hidden_alone_too() -> None:
    assert Redactor([SLACK]).blank("invalid token abcdefghijklmnopqrstuvwx") == "invalid token ***"


def test_the_credentials_of_a_header_are_hidden_without_their_scheme_too() -> None:
    assert Redactor(["Bearer abcdefgh"]).blank("token abcdefgh is revoked") == "token *** is revoked"


@pytest.mark.parametrize("secret", ["", "a", "abc", "https://example.com", "https://example.com/"])
def test_what_is_too_short_hides_nothing(secret: str) -> None:
    text = "a b c abc, see https://example.com/ for abc"

    assert Redactor([secret]).blank(text) == text


def test_a_short_secret_is_hidden_only_where_it_stands_alone() -> None:
    assert Redactor(["prod"]).blank("prod, production, 'prod'") == "***, production, '***'"


def test_json_is_blanked_within_its_strings_and_names() -> None:
    value = {"a": ["x token-1234 y", 1, None, True], "token-1234": {"b": ("token-1234",)}}

    assert Redactor(["token-1234"]).blank_json(value) == {
        "a": ["x *** y", 1, None, True],
        "***": {"b": ["***"]},
    }


def test_a_redactor_does_not_show_what_it_hides() -> None:
    assert "token-1234" not in repr(Redactor(["token-1234"]))


# --- Hiding what only looks like a secret ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "blanked"),
    [
        (f"POST {SLACK} 404", "POST https://hooks.slack.com/*** 404"),
        (SLACK.replace("/", "\\/"), "https:\\/\\/hooks.slack.com/***"),
        ("xoxb-123456789012-abcDEF", "***"),
        ("xoxe.xoxp-1-abcdefgh", "***"),
        ("xapp-1-A0-abcdef", "***"),
        ("token ghp_abcdefghijklmnop0123", "token ***"),
        ("github_pat_11ABCDEF_abcdef", "***"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "authorization: basic ***"),
        ("https://prod-1.logic.azure.com/workflows/a?sp=x&sig=AbC-123_x&v=1", "https://prod-1.logic.azure.com/workflows/a?sp=x&sig=***&v=1"),
        ("https://example.com/?access_token=abc&x=1", "https://example.com/?access_token=***&x=1"),
        ("whsec_C2FVsBQIhrscChlQIMV", "***"),
        ("postgres://user:hunter22@db:5432/x", "postgres://***@db:5432/x"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrOHMifQ.c2lnbmF0dXJl", "***"),
        ("eyJhbGciOiJS eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrOHMifQ.c2ln", "eyJhbGciOiJS ***"),
        ("eyJhbGciOiJS.eyJ -eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrOHMifQ.", "eyJhbGciOiJS.eyJ -***"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- b", "a *** b"),
        ("a -----BEGIN PRIVATE KEY-----\nabc cut off", "a ***"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden(text: str, blanked: str) -> None:
    assert Redactor().blank(text) == blanked


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication is not supported; use a bearer token",
        "mail to someone@example.com about label key=value",
        "HTTP 404: no_service",
        "Pod default/my-app-123 restarted 5 times",
        "https://example.com/a?limit=10",
    ],
)
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert Redactor().blank(text) == text


# --- In logs --------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def logger(lines: list[str]) -> logging.Logger:
    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    logger = logging.Logger("test")  # noqa: LOG001 - not registered, so that it has this handler alone
    handler = Lines()
    handler.addFilter(RedactingFilter())
    logger.addHandler(handler)
    return logger


def test_a_secret_in_a_message_or_its_arguments_is_not_logged(
    logger: logging.Logger, lines: list[str]
) -> None:
    logger.info("to %s with %d", SLACK, 7)
    logger.info(f"to {SLACK}")  # noqa: G004 - what the test is about

    assert lines == ["to https://hooks.slack.com/*** with 7", "to https://hooks.slack.com/***"]


def test_a_secret_in_the_stack_is_not_logged() -> None:
    record = logging.makeLogRecord({"msg": "here", "stack_info": f'  File "send.py": post("{SLACK}")'})

    RedactingFilter().filter(record)

    assert record.stack_info == '  File "send.py": post("https://hooks.slack.com/***")'


def test_a_secret_in_a_traceback_is_not_logged(logger: logging.Logger, lines: list[str]) -> None:
    try:
        raise ValueError(f"no route to {SLACK}")
    except ValueError:
        logger.exception("failed")

    assert lines[0].startswith("failed\nTraceback")
    assert lines[0].endswith("ValueError: no route to https://hooks.slack.com/***")


def test_a_message_without_secrets_is_logged_as_it_is(logger: logging.Logger, lines: list[str]) -> None:
    logger.warning("100%% of %s", "it")

    assert lines == ["100% of it"]


def test_a_message_that_does_not_fit_its_arguments_is_left_to_the_handler(
    logger: logging.Logger, lines: list[str]
) -> None:
    with pytest.raises(TypeError):
        logger.info("%d %d", 1)

    assert lines == []
