"""Reads the objects of one kind out of lists and watch lines, whatever state they are in.

One object that cannot be read must not stop a stream, and still has to count as being there: so whatever can
be told of which object it is, is.
"""

from __future__ import annotations

import logging
from typing import Generic, TypeAlias, TypeVar

import msgspec

from events.cluster.decoding import decode
from events.cluster.objects import Meta, Object
from events.cluster.trouble import ClusterError, Trouble

logger = logging.getLogger(__name__)

_CHANGES = ("ADDED", "MODIFIED", "DELETED")
# The same fault may come again with every change of the object; past this many, a log says nothing new.
_COMPLAINTS = 100


class Line(msgspec.Struct):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and its object as it came."""

    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"{}")


T = TypeVar("T", bound=Object)


class Whole(msgspec.Struct, Generic[T]):
    """A line that is all right, read at one go."""

    type: str
    object: T


class Which(msgspec.Struct, rename="camel"):
    """Which object, as far as can be told of one that does not decode."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Head(msgspec.Struct):
    metadata: Which = msgspec.field(default_factory=Which)


Identity: TypeAlias = Meta | Which


def without_nul(text: bytes) -> bytes:
    """JSON with U+FFFD for U+0000, which a container's last words may hold and PostgreSQL cannot store."""
    return text.replace(rb"\u0000", rb"\ufffd")


def read_line(text: bytes) -> Line:
    """A line of a watch. Raises ClusterError (GARBLED) for anything else."""
    try:
        return msgspec.json.decode(without_nul(text), type=Line)
    except msgspec.DecodeError as error:
        raise ClusterError(Trouble.GARBLED, f"a line is not what a watch sends ({error})") from error


def identity(raw: msgspec.Raw) -> Identity:
    """Name, uid and version of an object, of which nothing else need be right; empty where they are not."""
    try:
        return decode(raw, _Head).metadata
    except (msgspec.DecodeError, RecursionError):
        return Which()


class Reader:
    """Decodes objects of one kind. What cannot be read is logged once and left out. `name` is for the log."""

    def __init__(self, kind: type[Object], name: str) -> None:
        self._kind = kind
        self._name = name
        self._complaints: set[str] = set()
        self._decoder = msgspec.json.Decoder(Whole[kind])  # type: ignore[valid-type]  # known when it runs

    def change(self, text: bytes) -> Whole[Object] | None:
        """A line of a watch that tells of an object which is as it should be, as nearly all are; else None.

        This reads the line once, where `read_line` and `read` go over it twice.
        """
        try:
            whole: Whole[Object] = self._decoder.decode(without_nul(text))
        except (msgspec.DecodeError, RecursionError):
            return None
        meta = whole.object.metadata
        return whole if whole.type in _CHANGES and meta.uid and meta.name else None

    def read(self, raw: msgspec.Raw) -> tuple[Object | None, Identity]:
        """The object, or None if it cannot be read; and which it is."""
        try:
            obj = decode(raw, self._kind)
        except (msgspec.DecodeError, RecursionError) as error:
            which = identity(raw)
            named = f"{self._kind.resource.kind} {which.namespace}/{which.name}"
            self.complain(f"{named} cannot be read and was skipped: {error}")
            return None, which
        if not obj.metadata.uid or not obj.metadata.name:
            self.complain(f"a {self._kind.resource.kind} without a name or uid was skipped")
            return None, obj.metadata
        return obj, obj.metadata

    def complain(self, text: str) -> None:
        """Log what is wrong with something, unless that was said before."""
        if text not in self._complaints and len(self._complaints) < _COMPLAINTS:
            self._complaints.add(text)
            logger.warning("%s: %s", self._name, text)
