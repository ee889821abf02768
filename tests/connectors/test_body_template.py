"""`{{title}}` in templates: what comes out, what is refused at save, and what abuse costs."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.body_template import TemplateError, check, render, render_json, values
from connectors.example import EXAMPLE
from connectors.message import Recommendation
from tests.connectors.providers.conversing import a_message

NAMED = values(EXAMPLE)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{title}} in {{ cluster }}", "Pod my-app-123 in crash loop in production"),
        ("{{details.restart_count}} restarts", "5 restarts"),
        ("{{details.nothing_of_the_kind}}.", "."),
        ("{{recommendations[0].command}}", "kubectl logs my-app-123 -n default"),
        ('{{resource | split: "/" | last | upcase}}', "MY-APP-123"),
        ('{{timestamp | date: "%d.%m.%Y"}}', "15.01.2025"),
        ('{{details.since | date: "%Y"}}', ""),
        ("{% if severity == 'critical' %}!{% else %}?{% endif %}", "!"),
        ("{% for item in recommendations %}{{item.action}};{% endfor %}", "Check pod logs;"),
        ("{{ 3.14159 | round: 2 }} {{ 2.5 | round }}", "3.14 2"),
        ('{{ "a-b" | split: "-" | join: "+" }}', "a+b"),
        ('{{ title | replace: "Pod", "P" }}', "P my-app-123 in crash loop"),
        ("{{ recommendations | json }}", '[{"action": "Check pod logs", "command": "kubectl logs my-app-123'),
        ("{{ details }}", '{"pod_name": "my-app-123", "namespace": "default", "restart_count": 5'),
        ("{{ test }} {{ count }} {{ status }}", "false 1 firing"),
    ],
)
def test_a_template_is_filled_in(template: str, expected: str) -> None:
    assert render(template, NAMED).startswith(expected)
    check(template, is_json=False)


def test_the_documented_template_gives_json_of_its_shape() -> None:
    template = '{"alert": "{{title}}", "cluster": "{{cluster}}"}'
    assert render_json(template, NAMED) == {"alert": "Pod my-app-123 in crash loop", "cluster": "production"}


def test_numbers_and_objects_keep_their_type_through_the_json_filter() -> None:
    template = """{"n": "{{details.restart_count | json}}", "all": ["{{ details | json }}"], "fixed": 7,
                   "none": "{{ details.nope | json }}", "text": "n={{ count | json }}"}"""
    assert render_json(template, NAMED) == {
        "n": 5,
        "all": [EXAMPLE.details],
        "fixed": 7,
        "none": None,
        "text": "n=1",
    }


@given(title=st.text(max_size=60), error=st.text(max_size=60))
def test_no_value_breaks_out_of_json(title: str, error: str) -> None:
    message = a_message(title=title, details={"last_error": error})
    built = render_json('{"a": "{{title}}", "b": ["<{{details.last_error}}>"]}', values(message))
    assert list(built) == ["a", "b"]
    title, error = (re.sub("\r\n?", "\n", text) for text in (title, error))  # every line break becomes \\n
    assert json.loads(json.dumps(built)) == {"a": title, "b": [f"<{error}>"]}


def test_what_a_message_says_is_never_read_as_a_template() -> None:
    message = a_message(title="{{cluster}}{% for i in (1..9) %}x{% endfor %}")
    assert render("{{title}}", values(message)) == message.title


def test_half_surrogates_and_infinite_numbers_do_not_stop_a_message() -> None:
    message = a_message(title="a\ud800b", details={"cpu": float("inf")})
    assert render_json('["{{title}}", "{{details.cpu | json}}"]', values(message)) == ["a\ufffdb", "inf"]


@pytest.mark.parametrize(
    ("template", "is_json", "words"),
    [
        ("{{titel}}", False, "There is no field 'titel'. There are: id, key, status"),
        ("{% if false %}{{ nmae }}{% endif %}", False, "There is no field 'nmae'"),
        ("{{title", False, "The template does not work: expected '}}'"),
        ("{{title | shout}}", False, "unknown filter 'shout'"),
        ("{% include 'x' %}", False, "unexpected tag 'include'"),
        ("{% render 'x' %}", False, "unexpected tag 'render'"),
        ("x" * 20_001, False, "longer than 20,000 characters"),
        ('{"n": {{count}}}', True, 'to keep a number a number, write "{{count | json}}"'),
        ('{"{{title}}": 1}', True, "names are not filled in"),
        ('{"a": ["{{titel}}"]}', True, "There is no field 'titel'"),
        ("[" * 19_000, True, "nested too deeply"),
        ("[" * 900 + "]" * 900, True, "nested too deeply"),
        ("{% if a %}" * 40 + "{% endif %}" * 40, False, "The template does not work"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_reason(
    template: str, is_json: bool, words: str
) -> None:
    with pytest.raises(TemplateError) as refusal:
        check(template, is_json=is_json)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in (1..999999999) %}x{% endfor %}",
        "{% for i in (1..9000) %}{% for j in (1..9000) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..9000) %}{{description}}{% endfor %}",
        '{{ (1..999999999) | map: "x" }}',
        "{{ (1..999999999) | join }}",
        "{{ (1..9999999999999999999999) | size }}",
        '{% assign s = "aaaaaaaaaa" %}' + "{% assign s = s | append: s %}" * 40 + "{{s}}",
        '{{ "\\" ' + "| json " * 100 + "}}",
        "{{ 'a' | replace: 'a', '" + "b" * 9_000 + "' | replace: 'b', '" + "c" * 9_000 + "' }}",
        '{{ "' + "a," * 9_000 + '" | split: "," | join: "' + "b" * 900 + '" }}',
        "{{ 9 " + "| times: 999999999999 " * 700 + "}}",
        '{{ timestamp | date: "%0999999999d" }}',
        "{{ 5 | divided_by: 0 }}",
    ],
)
def test_a_template_that_would_fill_the_memory_is_stopped_at_once(template: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateError):
        render(template, NAMED)
    assert time.process_time() - began < 1


LONG = "{% assign s = 'éé' %}" + "{% assign s = s | append: s %}" * 14


@pytest.mark.parametrize(
    ("template", "is_json"),
    [
        (LONG + "{% for i in (1..9000) %}{% assign t = s " + "| upcase " * 900 + "%}{% endfor %}", False),
        (
            LONG + "{% tablerow i in (1..900) %}{% assign t = s " + "| upcase " * 900 + "%}{% endtablerow %}",
            False,
        ),
        ("{% for i in (1..9000) %}" + "{% if i %}{% endif %}" * 900 + "{% endfor %}", False),
        (json.dumps(["{% for i in (1..9000) %}{% endfor %}"] * 400), True),
    ],
    ids=["filters", "rows", "tags", "texts"],
)
def test_a_template_that_would_keep_a_worker_busy_is_refused_soon(template: str, is_json: bool) -> None:
    began = time.process_time()
    with pytest.raises(TemplateError, match=r"^The template does not work: it takes too long"):
        check(template, is_json=is_json)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{" * 19_000, "expected '}}' after the last '{{'"),
        ("{{" + " " * 19_000, "expected '}}' after the last '{{'"),
        ("{% comment %}" + "{{" * 9_000 + "{% endcomment %}", "expected '}}' after the last '{{'"),
        ("{% if" + " " * 19_000, "expected '%}' after the last '{%'"),
        ("{%" + "a" * 19_000, "expected '%}' after the last '{%'"),
        ("{{" + " " * 19_000 + "}}", "it has 200 spaces or line breaks in a row"),
    ],
)
def test_a_template_that_would_be_read_for_long_is_refused_at_once(template: str, words: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateError) as refusal:
        check(template, is_json=False)
    assert str(refusal.value) == f"The template does not work: {words}"
    assert time.process_time() - began < 1


def test_a_number_of_more_than_a_thousand_digits_is_not_made() -> None:
    with pytest.raises(TemplateError, match="a number that is too large"):
        render("{% assign n = 9 %}" + "{% assign n = n | times: n %}" * 20, NAMED)


@pytest.mark.parametrize(
    "template",
    ["{{ title.__class__ }}", "{{ details.__class__.__mro__ }}", "{{ title.upper }}", "{{ details.keys }}"],
)
def test_nothing_of_python_is_reached(template: str) -> None:
    assert render(template, NAMED) == ""


def test_a_filter_that_does_not_fit_the_value_is_an_error_in_words() -> None:
    message = a_message(recommendations=(Recommendation("x"),))
    with pytest.raises(TemplateError, match="The template does not work"):
        render('{{ title | date: "%Y" }}', values(message))
