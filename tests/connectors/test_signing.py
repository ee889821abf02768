"""Signatures, judged by the Standard Webhooks package."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from connectors.signing import signature_headers, signing_key

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a made-up key").decode()
OTHER = "whsec_" + base64.b64encode(b"another made-up key, long enough").decode()
BODY = '{"title":"Ünïcode 🔥"}'.encode()


def test_a_signature_is_accepted_by_the_specifications_own_package() -> None:
    headers = signature_headers([signing_key(SECRET)], "0199a0b0-1", int(time.time()), BODY)
    assert Webhook(SECRET).verify(BODY, headers) == {"title": "Ünïcode 🔥"}


def test_a_changed_body_is_not_accepted() -> None:
    headers = signature_headers([signing_key(SECRET)], "0199a0b0-1", int(time.time()), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers)


def test_with_two_keys_a_receiver_needs_to_know_only_one() -> None:
    keys = [signing_key(SECRET), signing_key(OTHER)]
    headers = signature_headers(keys, "0199a0b0-1", int(time.time()), BODY)
    assert Webhook(SECRET).verify(BODY, headers)
    assert Webhook(OTHER).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"k" * 32).decode()).verify(BODY, headers)


def test_the_example_of_the_specification_comes_out() -> None:
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_an_id_with_a_full_stop_is_refused() -> None:
    with pytest.raises(ValueError, match="full stop"):
        signature_headers([signing_key(SECRET)], "a.b", 1614265330, BODY)


@pytest.mark.parametrize(
    "secret",
    [
        "bWFkZS11cC1zaWduaW5nLXNlY3JldC1mb3ItZG9jcw==",
        "whsec_not base64 at all!",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
    ],
    ids=["no prefix", "no base64", "empty", "too short", "too long"],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_ followed by base64|bytes after decoding") as refusal:
        signing_key(secret)
    assert secret.removeprefix("whsec_") == "" or secret.removeprefix("whsec_") not in str(refusal.value)


@pytest.mark.parametrize("length", [24, 64])
def test_the_shortest_and_longest_keys_are_taken(length: int) -> None:
    assert signing_key("whsec_" + base64.b64encode(b"k" * length).decode()) == b"k" * length
