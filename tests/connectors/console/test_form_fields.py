"""The form fields themselves: what they read, what they show, what counts as a change."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.http import QueryDict

from connectors.console.form_fields import (
    Entry,
    JSONTextField,
    LinesField,
    SecretField,
    SecretWidget,
    parse_json,
    split_lines,
)


def test_lines_are_split_at_line_ends_and_commas_without_blanks_and_repetitions() -> None:
    assert split_lines(" a, b\n\nc,a ,\r\n") == ["a", "b", "c"]


def test_a_list_is_shown_one_per_line() -> None:
    assert LinesField().prepare_value(["a", "b"]) == "a\nb"


def test_lines_typed_otherwise_are_no_change() -> None:
    field = LinesField(required=False)
    assert (field.has_changed(["a", "b"], "a, b"), field.has_changed(["a"], "a, b")) == (False, True)


def test_json_is_shown_indented() -> None:
    assert JSONTextField().prepare_value({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'


def test_json_formatted_otherwise_is_no_change() -> None:
    field = JSONTextField(required=False)
    assert field.has_changed({"a": 1}, '{ "a" : 1 }') is False
    assert field.has_changed({"a": 1}, "{") is True
    assert field.has_changed({}, "") is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"a": 1,}',
            "This is not JSON: Expecting property name enclosed in double quotes in line 1, column 9.",
        ),
        ('{"a": NaN}', "This is not JSON: NaN is not a number there."),
        ('{"a": 1, "a": 2}', "'a': the same name is twice in one object."),
        ('{"a": "\\u0000"}', "a: NUL characters (\\u0000) are not allowed."),
        ('{"a": "\\ud800"}', "a: half of a surrogate pair (\\ud800 to \\udfff) is not a character."),
        ("[" * 5000 + "]" * 5000, "The JSON is nested too deeply."),
        ("1" * 5000, "This is not JSON: a number is too long."),
        ("1e999", "The value: the number is too large."),
    ],
)
def test_json_that_cannot_be_kept_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_json(text)
    assert caught.value.messages == [words]


def test_a_broken_secret_is_refused_without_repeating_it() -> None:
    field = SecretField(read=parse_json, multiline=True)
    with pytest.raises(ValidationError) as caught:
        field.clean('{"Authorization": "Bearer hush')
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ("token=new", "new"),
        ("token=", Entry.KEEP),
        ("token=++", Entry.KEEP),
        ("", Entry.KEEP),
        ("token=&token-clear=on", Entry.CLEAR),
        ("token=new&token-clear=on", "new"),
    ],
)
def test_a_secret_is_entered_kept_or_cleared(posted: str, expected: object) -> None:
    assert SecretWidget().value_from_datadict(QueryDict(posted), {}, "token") == expected


def test_a_required_secret_may_be_left_blank_only_where_one_is_set() -> None:
    field = SecretField(required=True)
    with pytest.raises(ValidationError):
        field.clean(Entry.KEEP)
    field.widget.is_set = True
    assert field.clean(Entry.KEEP) is Entry.KEEP


def test_leaving_a_secret_alone_is_no_change() -> None:
    field = SecretField(required=False)
    assert [field.has_changed(None, data) for data in (Entry.KEEP, Entry.CLEAR, "new")] == [False, True, True]


@pytest.mark.parametrize("multiline", [False, True])
def test_a_secret_is_never_rendered(multiline: bool) -> None:
    html = SecretWidget(multiline=multiline).render("token", "hush", {"id": "id_token"})
    assert "hush" not in html
    assert 'name="token"' in html


def test_only_what_is_set_and_not_required_can_be_removed() -> None:
    widget = SecretWidget()
    widget.is_set = True
    assert "token-clear" not in widget.render("token", None)
    widget.may_clear = True
    assert 'name="token-clear"' in widget.render("token", None)
    widget.is_set = False
    assert "token-clear" not in widget.render("token", None)
