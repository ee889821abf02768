"""Raising one number in a Kubernetes manifest, and changing nothing else in the file. Pure.

The place is found by reading the YAML, the change is made in the text, and the result is read again: so
comments and layout stay, and where anything is in doubt nothing is changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

import yaml

Change: TypeAlias = Literal["memory_limit", "max_replicas"]

LONGEST = 64 * 1024  # characters; reading YAML takes about a second for as many

_DEEPEST = 60
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SMALLER = {"T": "G", "G": "M", "Ti": "Gi", "Gi": "Mi"}
_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)(|k|[MGT]|[KMGT]i)")

# Where the template of its pods is, by kind.
_POD_SPECS = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), ("spec", "template", "spec")
    ),
}


class Refusal(ValueError):
    """The manifest is not changed, and why, in words."""


@dataclass(frozen=True, slots=True)
class Raise:
    """What to raise, by how much, and up to where (empty for no limit)."""

    change: Change
    factor: float
    maximum: str = ""


@dataclass(frozen=True, slots=True)
class Raised:
    """The changed file, and what was changed, from what to what."""

    text: str
    what: str
    before: str
    after: str


def memory(quantity: str) -> int:
    """Bytes in a quantity such as 512Mi. Raises ValueError with a sentence."""
    found = _QUANTITY.fullmatch(quantity)
    if not found:
        raise ValueError(f"“{quantity[:40]}” is not an amount of memory such as 512Mi or 2Gi")
    return math.ceil(Decimal(found[1]) * _UNITS[found[2]])


def replicas(text: str) -> int:
    """A number of replicas. Raises ValueError with a sentence."""
    if not re.fullmatch(r"\d{1,6}", text):
        raise ValueError(f"“{text[:40]}” is not a number of replicas")
    return int(text)


def raised(text: str, wanted: Raise, workload: str, container: str = "") -> Raised:
    """The manifest `text` with the number of `workload` (`Deployment/my-app`) raised.

    `container` names the one whose limit is meant; where it is empty, there must be only one. Raises Refusal.
    """
    kind, _, name = workload.partition("/")
    if not name:
        raise Refusal("The event does not say which workload it is about")
    resource = _only_document(text, kind, name)
    if wanted.change == "memory_limit":
        what, node = _memory_limit(resource, workload, container)
        after = _more_memory(node.value, wanted)
    else:
        what = f"maxReplicas of {workload}"
        node = _scalar(_at(resource, ("spec", "maxReplicas")), what)
        after = _more_replicas(node.value, wanted)
    start, end = node.start_mark.index, node.end_mark.index
    quote = text[start] if text[start : start + 1] in ("'", '"') else ""
    changed = text[:start] + quote + after + quote + text[end:]
    _verify(text, changed, node.value, after)
    return Raised(changed, what, node.value, after)


def _only_document(text: str, kind: str, name: str) -> yaml.MappingNode:
    """The one document of that kind and name."""
    if len(text) > LONGEST:
        raise Refusal(f"The manifest is longer than {LONGEST:,} characters")
    try:
        _look_through(text)
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise Refusal(
            f"The file is not plain YAML{where}: a template of Helm cannot be changed here"
        ) from None
    found = [
        document
        for document in documents
        if isinstance(document, yaml.MappingNode)
        and _text(_at(document, ("kind",))) == kind
        and _text(_at(document, ("metadata", "name"))) == name
    ]
    if len(found) != 1:
        raise Refusal(f"The manifest must have one {kind} named {name}; it has {len(found) or 'none'}")
    return found[0]


def _look_through(text: str) -> None:
    """Raises Refusal for aliases, and for nesting with which reading would take a minute. Or YAMLError."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            raise Refusal("The manifest uses YAML anchors and aliases: one change could be several")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEEPEST:
            raise Refusal("The manifest is nested too deeply")


def _memory_limit(resource: yaml.MappingNode, workload: str, container: str) -> tuple[str, yaml.ScalarNode]:
    kind = workload.partition("/")[0]
    if kind not in _POD_SPECS:
        raise Refusal(f"{workload} has no containers whose memory could be limited")
    containers = [
        item
        for part in ("containers", "initContainers")
        for item in _items(_at(resource, (*_POD_SPECS[kind], part)))
        if not container or _text(_at(item, ("name",))) == container
    ]
    if len(containers) != 1:
        named = f" named {container}" if container else ""
        raise Refusal(
            f"{workload} must have one container{named} in the manifest; it has {len(containers) or 'none'}"
        )
    what = f"memory limit of container {_text(_at(containers[0], ('name',)))} of {workload}"
    return what, _scalar(_at(containers[0], ("resources", "limits", "memory")), what)


def _at(node: yaml.Node, path: tuple[str, ...]) -> yaml.Node | None:
    """The node at `path`. Raises Refusal where a name on the way is there twice."""
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        found = [value for key, value in node.value if _text(key) == name]
        if len(found) > 1:
            raise Refusal(f"{name} is in the manifest twice (line {found[1].start_mark.line + 1})")
        if not found:
            return None
        node = found[0]
    return node


def _items(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _scalar(node: yaml.Node | None, what: str) -> yaml.ScalarNode:
    if isinstance(node, yaml.MappingNode):
        raise Refusal(f"The {what} is a placeholder: a template of Helm cannot be changed here")
    if not isinstance(node, yaml.ScalarNode) or not node.value:
        raise Refusal(f"The manifest does not set the {what}")
    return node


def _more_memory(before: str, wanted: Raise) -> str:
    try:
        current = memory(before)
        most = memory(wanted.maximum) if wanted.maximum else None
    except ValueError as error:
        raise Refusal(str(error)) from None
    unit = _QUANTITY.fullmatch(before)[2]  # type: ignore[index]  # memory() has matched it
    target = math.ceil(current * Decimal(str(wanted.factor)))
    if most is not None and target >= most:
        _require_more(current, most, wanted.maximum)
        return wanted.maximum
    while target % _UNITS[unit] and unit in _SMALLER:
        unit = _SMALLER[unit]
    return f"{math.ceil(target / _UNITS[unit])}{unit}"


def _more_replicas(before: str, wanted: Raise) -> str:
    try:
        current = replicas(before)
        most = replicas(wanted.maximum) if wanted.maximum else None
    except ValueError as error:
        raise Refusal(str(error)) from None
    target = max(current + 1, math.ceil(current * Decimal(str(wanted.factor))))
    if most is not None and target > most:
        _require_more(current, most, wanted.maximum)
        target = most
    return str(target)


def _require_more(current: int, most: int, maximum: str) -> None:
    if current >= most:
        raise Refusal(f"It is at the maximum of {maximum} already")


def _verify(before: str, after: str, old: str, new: str) -> None:
    """Raises Refusal unless the two differ, as YAML, in that one value. Comments are not compared."""
    try:
        was, now = (list(yaml.parse(text, Loader=yaml.SafeLoader)) for text in (before, after))
    except yaml.YAMLError:
        raise Refusal("The manifest would no longer be YAML after the change") from None
    different = [(one, other) for one, other in zip(was, now, strict=False) if _said(one) != _said(other)]
    changes = [(_said(one, old), _said(other, new)) for one, other in different]
    if len(was) != len(now) or len(changes) != 1 or changes[0][0] != changes[0][1]:
        raise Refusal("The change could not be kept to one value")


def _said(event: yaml.Event, besides: str = "") -> tuple[str, ...]:
    """What a YAML event says, without where it stands and how it is quoted; `besides` counts as nothing."""
    value = str(getattr(event, "value", ""))
    anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
    return type(event).__name__, "" if value == besides else value, str(anchor), str(tag)
