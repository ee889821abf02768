"""What every integration keeps to. A new one is covered by being there."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors import registry
from connectors.configuration import schema
from connectors.configuration.setup import secret_values
from connectors.conversation import Call, Conversation, Dispatch, Receipt, Request, Response
from connectors.errors import Reason, SendError
from connectors.message import Message, Recommendation, Status
from connectors.provider import Config, Provider
from connectors.secrets import Redactor
from connectors.verdict import RETRIABLE_4XX
from tests.connectors.providers.conversing import a_message

PROVIDERS = list(registry.all_providers().values())
every_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=[found.slug for found in PROVIDERS])

NASTY = {
    "10,000 characters": "Pod my-app " + "x" * 10_000,
    "emoji": "Pod my-app 🔥👩‍👩‍👧‍👦🇪🇺",
    "right to left": "Pod my-app مرحبا \u202egnp.exe",
    "script": "Pod my-app <script>alert(1)</script> <img src=x onerror=alert(1)>",
    "mentions": "Pod my-app @channel <!channel> <@U0123> @octocat #12",
    "line breaks": "Pod my-app\r\nBcc: everyone@example.com\r\n\r\nBody\u2028\u0085",
    "backticks": "Pod my-app ``` ` ```` **bold** [link](https://example.com)",
    "NUL": "Pod my-app \x00\x1b[31m\x07",
    "half surrogates": "Pod my-app \ud83d \udc00",
    "templates": "Pod my-app {{title}} {% for i in (1..99) %} ${x} %s {0}",
}
every_nasty_text = pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())

TO_DO = re.compile(r"\b(check|verify|enter|create|copy|renew|reinstall|replace|choose|make)\b", re.IGNORECASE)


@cache
def configured(provider: Provider[Any]) -> Config:
    """The example, checked."""
    config: Config = provider.config_class.model_validate(dict(provider.example))
    return config


@cache
def redactor(provider: Provider[Any]) -> Redactor:
    """What the sender hides secrets with before anything is recorded."""
    return Redactor(secret_values(configured(provider)))


@cache
def traces(provider: Provider[Any]) -> list[str]:
    """What must not be seen of the example's secrets: of an address, what follows the host."""
    found = []
    for secret in secret_values(configured(provider)):
        address = urlsplit(secret)
        is_address = address.scheme in ("http", "https")
        found += [address.path, address.query] if is_address else [secret]
    return [trace for trace in found if len(trace) > 3]


def assert_no_trace(provider: Provider[Any], text: str) -> None:
    for trace in traces(provider):
        assert trace not in text


def everywhere(text: str) -> Message:
    """A message with `text` in every place that takes any."""
    return a_message(
        title=text,
        description=text,
        cluster=text,
        namespace=text,
        resource=text,
        event_type=text,
        key=text,
        details={text: text, "list": [text], "deep": {"deeper": [{text: text}]}, "inf": float("inf")},
        recommendations=(Recommendation(text, text),),
        url=text,
        routing={"slack-channel": text, "github-repo": text, "email-to": text},
    )


def hold(
    conversation: Conversation, answer: Callable[[Request], Response]
) -> tuple[list[Request | Call], Any]:
    """The requests of a conversation and what it ended in: a Receipt or a SendError.

    What is not HTTP is not performed; there the conversation is dropped.
    """
    asked: list[Request | Call] = []
    try:
        request = next(conversation)
        while True:
            asked.append(request)
            assert len(asked) < 100, "the conversation does not end"
            if not isinstance(request, Request):
                conversation.close()
                return asked, None
            request = conversation.send(answer(request))
    except StopIteration as end:
        assert isinstance(end.value, Receipt)  # noqa: PT017 - a generator's value has no other way out
        return asked, end.value
    except SendError as error:
        return asked, error


def begin(provider: Provider[Any], message: Message | None = None, **remote: Any) -> Conversation:
    dispatch = Dispatch("0199a0b0-1111-7000-8000-000000000001", message or a_message(), remote)
    return provider.send(configured(provider), dispatch)


def speaks_http(provider: Provider[Any]) -> bool:
    """Whether answers of HTTP are for it to judge; others have tests of their own."""
    return isinstance(next(begin(provider)), Request)


def conversations(provider: Provider[Any], *statuses: Status) -> Iterator[Conversation]:
    """What the provider has to say of a message in these statuses (or in each), and its check."""
    for status in statuses or Status:
        yield begin(provider, a_message(status=status))
    check = provider.check(configured(provider))
    if check is not None:
        yield check


# Answers that some service or other documents as a success.
_SUCCESS = {
    "ok": True,
    "channel": "C0123456789",
    "ts": "1736937000.000100",
    "status": "success",
    "dedup_key": "x",
    "number": 7,
    "id": 7,
    "state": "open",
    "html_url": "https://github.com/myorg/my-repo/issues/7",
}


def welcoming(request: Request) -> Response:
    return Response(200, {}, b"[]" if request.method == "GET" else json.dumps(_SUCCESS).encode())


def saying_ok(request: Request) -> Response:
    return Response(200, {}, b"ok")


def accepting(request: Request) -> Response:
    return Response(202, {}, b"")


# --- The declaration ------------------------------------------------------------------------------------


def test_the_integrations_of_the_documentation_are_there() -> None:
    assert {"email", "github", "pagerduty", "slack", "teams", "webhook"} <= set(registry.all_providers())


@every_provider
def test_the_module_the_test_and_the_page_are_named_after_the_slug(provider: Provider[Any]) -> None:
    assert inspect.getmodule(provider) is importlib.import_module(f"connectors.providers.{provider.slug}")
    assert Path(__file__).with_name(f"test_{provider.slug}.py").is_file()
    assert (settings.BASE_DIR / "docs" / "connectors" / "_parts" / f"{provider.slug}.md").is_file()


@every_provider
def test_it_says_what_it_is(provider: Provider[Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", provider.slug)
    assert provider.label
    assert provider.summary.endswith(".")


@every_provider
def test_its_example_is_valid_and_raises_no_warning_of_its_own_secrets(provider: Provider[Any]) -> None:
    warnings = provider.warnings(configured(provider))
    assert all(isinstance(warning, str) and warning.endswith(".") for warning in warnings)
    assert_no_trace(provider, " ".join(warnings))


@every_provider
def test_every_field_has_a_title_and_a_description(provider: Provider[Any]) -> None:
    for name, field in provider.config_class.model_fields.items():
        assert field.title, name
        assert field.description, name


@every_provider
def test_what_sounds_like_a_secret_is_declared_as_one(provider: Provider[Any]) -> None:
    for field in schema.fields(provider.config_class):
        if re.search(r"(^|_)(token|password|secret|key|headers)$|webhook_url", field.name):
            assert field.secret, field.name


@every_provider
def test_names_that_it_does_not_know_are_refused(provider: Provider[Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        provider.config_class.model_validate({**provider.example, "unknown_option": 1})


# --- Secrets --------------------------------------------------------------------------------------------


@every_provider
def test_the_example_has_secrets_to_be_kept(provider: Provider[Any]) -> None:
    assert traces(provider)


@every_provider
def test_a_configuration_never_shows_its_secrets(provider: Provider[Any]) -> None:
    config = configured(provider)
    shown = (repr(config), str(config), config.model_dump_json(), repr(config.model_dump()))
    for text in (*shown, json.dumps(schema.json_schema(provider))):
        assert_no_trace(provider, text)


NONSENSE = [
    *(None, "", "  ", "☠ s3cret-nonsense\r\n\x00", "s3cret-nonsense" * 1_000, -1, 1e300, True),
    *(["s3cret-nonsense", 1], {"s3cret": "s3cret-nonsense\n"}, [], {}),
]


def refusals(provider: Provider[Any]) -> Iterator[tuple[str, str]]:
    """(field, what is said) of the example with nonsense in each field in turn."""
    for name in provider.config_class.model_fields:
        for nonsense in NONSENSE:
            try:
                provider.config_class.model_validate({**provider.example, name: nonsense})
            except ValidationError as error:
                yield name, str(error)


@every_provider
def test_refusing_nonsense_repeats_no_secret(provider: Provider[Any]) -> None:
    secret_fields = {field.name for field in schema.fields(provider.config_class) if field.secret}
    refused = list(refusals(provider))
    assert refused
    for name, said in refused:
        assert_no_trace(provider, said)
        assert name not in secret_fields or "s3cret-nonsense" not in said


@every_provider
def test_a_person_is_told_what_to_have_at_hand(provider: Provider[Any]) -> None:
    assert provider.needs.endswith(".")
    assert provider.icon != Provider.icon


@every_provider
def test_requests_and_previews_never_show_secrets(provider: Provider[Any]) -> None:
    for conversation in conversations(provider):
        for request in hold(conversation, welcoming)[0]:
            assert_no_trace(provider, repr(request))
            assert_no_trace(provider, request.host)
    preview = provider.preview(configured(provider), a_message())
    assert_no_trace(provider, repr(preview))


@every_provider
@pytest.mark.parametrize("answer", [welcoming, saying_ok, accepting])
def test_what_is_remembered_is_json_without_secrets(
    provider: Provider[Any], answer: Callable[[Request], Response]
) -> None:
    _, end = hold(begin(provider), answer)
    if isinstance(end, Receipt):
        assert_no_trace(provider, json.dumps(dict(end.remote)) + end.url + end.note)
        assert provider.keeps_reference or not end.remote


# --- Answers --------------------------------------------------------------------------------------------


def judged(provider: Provider[Any], end: Any) -> None:
    """An ending is either a receipt, or an error that can be acted upon and holds no secret when recorded."""
    if isinstance(end, SendError):
        assert end.reason in set(Reason) - {Reason.INTERNAL, Reason.UNKNOWN}
        assert end.text.strip()
        assert len(end.text) < 2_000
        assert end.retry_after is None or (end.retry and end.retry_after >= 0)
        assert not (end.retry and end.disable)
        assert_no_trace(provider, redactor(provider).blank(end.text))


@pytest.mark.parametrize("hundred", [200, 300, 400, 500])
@every_provider
def test_every_status_ends_in_a_receipt_or_a_verdict(provider: Provider[Any], hundred: int) -> None:
    if not speaks_http(provider):
        return
    echo = " ".join(secret_values(configured(provider)))
    bodies = (b"", json.dumps({"message": echo, "errors": [echo], "error": echo}).encode())
    for status, body in itertools.product(range(hundred, hundred + 100), bodies):
        response = Response(status, {}, body)
        for conversation in conversations(provider, Status.FIRING, Status.RESOLVED):
            asked, end = hold(conversation, lambda _, response=response: response)
            judged(provider, end)
            if status >= 300 and isinstance(asked[0], Request):  # not a check that only shakes hands
                assert isinstance(end, SendError), status
                assert len(asked) == 1, "one attempt is one request, unless the answer gives reason for more"
                assert_verdict(status, end)


def assert_verdict(status: int, error: SendError) -> None:
    """What a status means with every service, whatever its body."""
    if status == 401:
        assert (error.reason, error.retry) == (Reason.AUTH, False)
        assert TO_DO.search(error.text), error.text
    elif status == 429:
        assert (error.reason, error.retry) == (Reason.RATE_LIMITED, True)
    elif status < 400:
        assert (error.reason, error.retry) == (Reason.REDIRECT, False)
    elif status >= 500:
        assert (error.reason, error.retry) == (Reason.SERVER_ERROR, True)
    elif status not in RETRIABLE_4XX:
        assert not error.retry, status


@every_provider
def test_a_refusal_quotes_no_secret_of_its_own_accord(provider: Provider[Any]) -> None:
    for status in (200, 202, 302, 400, 401, 403, 404, 410, 422, 429, 500):
        _, end = hold(begin(provider), lambda _, status=status: Response(status))
        if isinstance(end, SendError):
            assert_no_trace(provider, end.text)


@every_provider
def test_how_long_to_wait_is_heeded(provider: Provider[Any]) -> None:
    asked, end = hold(begin(provider), lambda _: Response(429, {"retry-after": "600"}))
    if isinstance(asked[0], Request):
        assert (end.reason, end.retry_after) == (Reason.RATE_LIMITED, 600.0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "ok",
                    "error",
                    "errors",
                    "status",
                    "message",
                    "number",
                    "id",
                    "channel",
                    "ts",
                    "labels",
                    "body",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@every_provider
@given(
    status=st.sampled_from([200, 201, 202, 204, 301, 400, 403, 404, 409, 410, 422, 429, 500]),
    body=st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode()),
    truncated=st.booleans(),
    headers=st.dictionaries(
        st.sampled_from(["location", "retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "date"]),
        st.text(max_size=12) | st.sampled_from(["0", "99999999999999999999", "https://[", "//x", "\u0661"]),
        max_size=3,
    ),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_no_answer_makes_anything_but_a_verdict(
    provider: Provider[Any], status: int, body: bytes, truncated: bool, headers: dict[str, str]
) -> None:
    for conversation in conversations(provider) if speaks_http(provider) else ():
        judged(provider, hold(conversation, lambda _: Response(status, headers, body, truncated))[1])


@every_provider
def test_what_the_driver_says_goes_through_unchanged(provider: Provider[Any]) -> None:
    error = SendError(Reason.TIMEOUT, "No whole answer within 15 s.", retry=True)
    conversation = begin(provider)
    next(conversation)
    with pytest.raises(SendError) as raised:
        conversation.throw(error)
    assert raised.value is error


# --- Messages -------------------------------------------------------------------------------------------


@every_provider
@every_nasty_text
@pytest.mark.parametrize("status", Status)
def test_any_text_arrives_harmless_and_readable(provider: Provider[Any], text: str, status: Status) -> None:
    message = Message.from_json({**everywhere(text).to_json(), "status": status.value})
    bodies = b""
    for answer in (welcoming, saying_ok, accepting):
        for request in hold(begin(provider, message), answer)[0]:
            if not isinstance(request, Request):
                return  # what is not HTTP is judged by its own tests, as it arrives at a real server
            bodies += request.body
            assert len(request.body) <= 1024 * 1024
            assert request.url.isascii()
            assert request.url.isprintable()
            for name, value in request.headers.items():
                assert re.fullmatch(r"[A-Za-z0-9-]+", name)
                assert value.isascii()
                assert value.isprintable()
            if request.body and "json" in request.headers["Content-Type"]:
                json.loads(request.body.decode()).__str__().encode()
    if status in (Status.FIRING, Status.OCCURRED):
        assert b"my-app" in bodies
    preview = provider.preview(configured(provider), message)
    json.dumps(preview.content, ensure_ascii=False, allow_nan=False).encode()
    assert preview.target


@every_provider
def test_how_much_is_left_out_is_said(provider: Provider[Any]) -> None:
    many = range(100, 160)
    message = a_message(
        recommendations=tuple(Recommendation(f"Try way {number}") for number in many),
        details={f"key_{number}": f"value {number}" for number in many},
    )

    shown = json.dumps(provider.preview(configured(provider), message).content, ensure_ascii=False)

    for words in ("Try way", "value"):
        left_out = len(many) - len(set(re.findall(rf"{words} (\d+)", shown)))
        # A body of one's own says what it is made to say, and may leave out all.
        assert left_out in (0, len(many)) or f"and {left_out} more" in shown, words


@every_provider
def test_a_text_that_is_cut_says_so(provider: Provider[Any]) -> None:
    long = "kubectl " + "x" * 100_000
    message = a_message(description="", details={}, recommendations=(Recommendation("Look", long),))

    shown = json.dumps(provider.preview(configured(provider), message).content, ensure_ascii=False)

    assert not re.search(r"xxx(?![x…])", shown.replace(long, ""))
