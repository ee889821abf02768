"""Requests and responses as values."""

from __future__ import annotations

import pytest

from connectors.conversation import Request, Response, get, post, request
from connectors.errors import Reason, SendError


def test_a_payload_becomes_compact_json_in_utf_8() -> None:
    made = post("https://example.com/", payload={"title": "Grüße", "list": [1, None]})

    assert made.method == "POST"
    assert made.body == '{"title":"Grüße","list":[1,null]}'.encode()
    assert made.headers == {"Content-Type": "application/json"}


def test_headers_given_win_over_the_usual_ones() -> None:
    made = request(
        "PUT", "https://example.com/", payload={}, headers={"Content-Type": "application/vnd.a+json"}
    )

    assert made.headers == {"Content-Type": "application/vnd.a+json"}


def test_a_get_has_no_body() -> None:
    made = get("https://example.com/", headers={"Accept": "text/plain"})

    assert (made.method, made.body, made.headers) == ("GET", b"", {"Accept": "text/plain"})


def test_a_request_shows_neither_its_address_nor_its_headers_nor_its_body() -> None:
    made = post(
        "https://example.com/secret-path", payload={"key": "secret-key"}, headers={"X-Token": "secret-token"}
    )

    assert repr(made) == "Request(method='POST')"
    assert made.host == "example.com"


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        get("https://example.com/").url = "https://other.example.com/"  # type: ignore[misc]  # the point


def test_an_address_without_a_host_has_none() -> None:
    assert Request("GET", "nonsense").host == ""


def test_json_is_decoded() -> None:
    assert Response(200, {}, b'{"a": [1]}').object == {"a": [1]}
    assert Response(200, {}, b"[1]").json == [1]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"\xff"])
def test_what_is_no_json_is_a_bad_answer_to_be_tried_again(body: bytes) -> None:
    with pytest.raises(SendError) as caught:
        _ = Response(502, {}, body).json

    assert (caught.value.reason, caught.value.retry) == (Reason.BAD_ANSWER, True)
    assert caught.value.text.startswith("HTTP 502 with a body that is not JSON: ")


@pytest.mark.parametrize("body", [b"[]", b'"ok"', b"null"])
def test_json_that_is_no_object_is_a_bad_answer_where_one_is_needed(body: bytes) -> None:
    with pytest.raises(SendError) as caught:
        _ = Response(200, {}, body).object

    assert (caught.value.reason, caught.value.text) == (
        Reason.BAD_ANSWER,
        "HTTP 200 with JSON that is not an object",
    )


def test_a_body_that_is_not_utf_8_has_replacement_characters() -> None:
    assert Response(200, {}, b"Gr\xfc\xdfe").text == "Gr��e"


def test_a_response_does_not_show_its_body() -> None:
    assert "secret" not in repr(Response(200, {}, b"secret"))
