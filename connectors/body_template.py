"""`{{title}}` in what people write: Liquid with hard limits, and JSON that no value breaks out of. Pure.

A template that is to be JSON is decoded first, and only the texts inside it are rendered, so that whatever a
message contains, the result is JSON of the same shape. Liquid: https://shopify.github.io/liquid/
"""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TextIO

import liquid
from liquid import builtin
from liquid.ast import BlockNode
from liquid.builtin.tags.for_tag import ForTag
from liquid.builtin.tags.tablerow_tag import TablerowTag
from liquid.exceptions import LiquidError
from liquid.undefined import is_undefined

from connectors.encodable import encodable
from connectors.example import EXAMPLE
from connectors.message import JSONDict, Message
from connectors.wellformed import DEEPEST

LONGEST_TEMPLATE = 20_000  # characters
LONGEST_OUTPUT = 64 * 1024  # bytes
_MOST_ITEMS = 10_000  # in a list or range that a filter is given, and of rounds in loops
_LARGEST_NUMBER = 4096  # bits
_MOST_WORK = 0.25  # seconds that this thread may work on one template; one of sense takes a thousandth

# Filters that no argument can make slow or large in one step; those of our own are added below.
_FILTERS = {
    *("append", "capitalize", "default", "divided_by", "downcase", "escape", "first", "last", "map", "minus"),
    *("plus", "prepend", "remove", "size", "slice", "split", "strip", "strip_newlines", "times", "truncate"),
    *("truncatewords", "upcase", "url_encode"),
}
# Other templates do not exist here, and counters shared between them have no use.
_WITHOUT = ("include", "render", "increment", "decrement")

_LONGEST_GAP = 200
_LONG_GAP = re.compile(rf"\s{{{_LONGEST_GAP}}}")
_ONE_JSON_OUTPUT = re.compile(r"""\s*\{\{-?(?:[^{}"']|'[^']*'|"[^"]*")*\|\s*json\s*-?\}\}\s*""")


class TemplateError(ValueError):
    """A template that cannot be used, and why, in words for the one who wrote it."""


class _Object(dict[str, Any]):
    """An object that `{{details}}` shows as JSON."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class _Limited(liquid.Environment):
    loop_iteration_limit = _MOST_ITEMS
    output_stream_limit = LONGEST_OUTPUT
    local_namespace_limit = 4 * LONGEST_OUTPUT
    block_nesting_limit = 20


def values(message: Message) -> JSONDict:
    """What a template can name: the fields of the payload, and `count`, `url` and `test`."""
    named = {**message.payload(), "count": message.count, "url": message.url, "test": message.test}
    return {name: _as_objects(value) for name, value in encodable(named).items()}


def render(source: str, named: Mapping[str, Any]) -> str:
    """The text `source` with `named` filled in. Raises TemplateError."""
    with _limited_work():
        return _rendered(source, named)


def render_json(source: str, named: Mapping[str, Any]) -> Any:
    """`source` decoded, with `named` filled into every text in it. Raises TemplateError.

    A text that is one `{{… | json}}` and nothing else becomes the value itself, a number say.
    """
    node = _decoded(source)
    with _limited_work():
        return _filled(node, named)


def check(source: str, *, is_json: bool) -> None:
    """Raises TemplateError unless `source` can be read, names only what there is, and works on a sample."""
    if len(source) > LONGEST_TEMPLATE:
        raise TemplateError(f"The template is longer than {LONGEST_TEMPLATE:,} characters")
    for text in _texts(_decoded(source)) if is_json else [source]:
        _check_names(text)
    (render_json if is_json else render)(source, values(EXAMPLE))


def _check_names(source: str) -> None:
    """Refuses a name that no message has; below `details`, what there is differs from event to event."""
    try:
        used = _parsed(source).analyze().globals
    except _FAULTS as fault:
        raise TemplateError(_said(fault)) from None
    known = values(EXAMPLE)
    unknown = sorted(name for name in used if name not in known)
    if unknown:
        raise TemplateError(f"There is no field {unknown[0]!r}. There are: {', '.join(known)}")


def _decoded(source: str) -> Any:
    try:
        return json.loads(source)
    except RecursionError:
        raise TemplateError("The template is nested too deeply") from None
    except ValueError as fault:
        raise TemplateError(
            f"The template is not JSON: {fault}. Put every {{{{field}}}} between double quotes; to keep a"
            ' number a number, write "{{count | json}}"'
        ) from None


def _rendered(source: str, named: Mapping[str, Any]) -> str:
    try:
        return _parsed(source).render(**named)
    except _FAULTS as fault:
        raise TemplateError(_said(fault)) from None


def _filled(node: Any, named: Mapping[str, Any]) -> Any:
    if isinstance(node, str):
        text = _rendered(node, named)
        return json.loads(text) if _ONE_JSON_OUTPUT.fullmatch(node) else text
    if isinstance(node, list):
        return [_filled(item, named) for item in node]
    if isinstance(node, dict):
        return {name: _filled(item, named) for name, item in node.items()}
    return node


def _texts(node: Any, depth: int = 0) -> list[str]:
    """Every text that will be rendered."""
    if isinstance(node, str):
        return [node]
    if not isinstance(node, dict | list):
        return []
    if depth >= DEEPEST:
        raise TemplateError("The template is nested too deeply")
    if isinstance(node, list):
        return [text for item in node for text in _texts(item, depth + 1)]
    for name in node:
        if "{{" in name or "{%" in name:
            raise TemplateError(f"{name!r} is a name, and names are not filled in: only values are")
    return [text for item in node.values() for text in _texts(item, depth + 1)]


def _as_objects(value: Any) -> Any:
    if isinstance(value, dict):
        return _Object({name: _as_objects(item) for name, item in value.items()})
    return [_as_objects(item) for item in value] if isinstance(value, list) else value


def _said(fault: Exception) -> str:
    if isinstance(fault, RecursionError):
        return "The template is nested too deeply"
    words = fault.message if isinstance(fault, LiquidError) else fault
    return f"The template does not work: {words}"[:300]


# --- How much work ---------------------------------------------------------------------------------------

_work_ends: ContextVar[float] = ContextVar("_work_ends")


@contextmanager
def _limited_work() -> Iterator[None]:
    """Within this, `_keep_working` gives up when it has taken too long.

    What other threads do meanwhile does not count: on a busy machine a template that worked goes on working.
    """
    token = _work_ends.set(time.thread_time() + _MOST_WORK)
    try:
        yield
    finally:
        _work_ends.reset(token)


def _keep_working() -> None:
    if time.thread_time() > _work_ends.get():
        raise TemplateError("it takes too long: it has too many loops or filters")


def _refuse_endless(source: str) -> None:
    """Raises TemplateError for what Liquid would look through again from each of its characters."""
    for opening, closing in (("{{", "}}"), ("{%", "%}")):
        if source.rfind(opening) > source.rfind(closing):
            raise TemplateError(f"expected '{closing}' after the last '{opening}'")
    if _LONG_GAP.search(source):
        raise TemplateError(f"it has {_LONGEST_GAP} spaces or line breaks in a row")


class _Round(BlockNode):
    """What stands in a loop."""

    def render_to_output(self, context: liquid.RenderContext, buffer: TextIO) -> int:
        """Renders it once more, if there is time."""
        _keep_working()
        return super().render_to_output(context, buffer)


class _For(ForTag):
    def parse(self, stream: liquid.TokenStream) -> Any:
        """The loop, whose rounds are timed."""
        return _in_rounds(super().parse(stream))


class _Tablerow(TablerowTag):
    def parse(self, stream: liquid.TokenStream) -> Any:
        """The same for rows of a table."""
        return _in_rounds(super().parse(stream))


def _in_rounds(loop: Any) -> Any:
    loop.block = _Round(loop.block.token, loop.block.nodes)
    return loop


# --- Filters --------------------------------------------------------------------------------------------


def _guarded(run: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, kept from being fed or making what does not fit into memory."""

    @functools.wraps(run)  # its attributes tell Liquid what to pass
    def guarded(left: Any, *args: Any, **named: Any) -> Any:
        _keep_working()
        for value in (left, *args):
            if isinstance(value, list | tuple | range) and len(value) > _MOST_ITEMS:
                raise TemplateError(f"A list of more than {_MOST_ITEMS:,} items is too long for a filter")
        result = run(left, *args, **named)
        if isinstance(result, str) and len(result) > LONGEST_OUTPUT:
            raise TemplateError("A filter made a text that is too long")
        if isinstance(result, int) and result.bit_length() > _LARGEST_NUMBER:
            raise TemplateError("A filter made a number that is too large")
        return result

    return guarded


def _json(value: Any) -> str:
    """JSON of any value; of one that is not there, null."""
    return json.dumps(None if is_undefined(value) else encodable(value), ensure_ascii=False)


def _join(value: Any, separator: Any = " ") -> str:
    """The items of a list, with `separator` between them."""
    if not isinstance(value, list | tuple | range):
        return str(value)
    if len(str(separator)) * len(value) > LONGEST_OUTPUT:
        raise TemplateError("join makes a text that is too long")
    return str(separator).join(str(item) for item in value)


def _replace(value: Any, old: Any, new: Any = "") -> str:
    """Every `old` in a text replaced."""
    text, old, new = str(value), str(old), str(new)
    if text.count(old) * len(new) > LONGEST_OUTPUT:
        raise TemplateError("replace makes a text that is too long")
    return text.replace(old, new)


def _round(value: Any, digits: Any = 0) -> Any:
    """A number with at most ten digits after the point."""
    number = float(value)
    kept = max(0, min(10, int(digits)))
    return round(number, kept) if kept else round(number)


def _date(value: Any, form: Any) -> str:
    """A time such as `timestamp`, put as `form` says: "%Y/%m"; nothing for one that is not there."""
    if is_undefined(value):
        return ""
    if re.search(r"%[^a-zA-Z%]", str(form)):  # a width such as %0999999d would be obeyed
        raise TemplateError(f"date takes letters after each %, such as %Y-%m-%d, not {str(form)[:40]!r}")
    return datetime.fromisoformat(str(value)).strftime(str(form)[:200])


def _environment() -> _Limited:
    environment = _Limited()
    builtin.register(environment)
    for name in _WITHOUT:
        del environment.tags[name]
    environment.add_tag(_For)
    environment.add_tag(_Tablerow)
    ours = {"json": _json, "join": _join, "replace": _replace, "round": _round, "date": _date}
    theirs: dict[str, Any] = {name: environment.filters[name] for name in _FILTERS}
    environment.filters = {name: _guarded(run) for name, run in (theirs | ours).items()}
    return environment


_ENVIRONMENT = _environment()
# What rendering may end in. Liquid lets Python's own errors out of filters that are given odd values.
_FAULTS = (
    LiquidError,
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@functools.lru_cache(maxsize=512)
def _parsed(source: str) -> liquid.BoundTemplate:
    _refuse_endless(source)
    return _ENVIRONMENT.from_string(source)
