"""The whole interface of an integration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from connectors.conversation import Conversation, Dispatch
from connectors.message import JSONDict, Message


class Config(BaseModel):
    """What one kind of connector can be told. Declared once; form, API, import, schema and docs follow.

    Every field has a title and a description for people. A secret is a `SecretStr` field: stored encrypted,
    never shown again. Unknown names are errors, so that a misspelt option is not silently without effect.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True
    )


C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent, without sending it and without any secret.

    `format` says how to show `content`: "slack" (blocks), "adaptive_card", "markdown" ({"title", "body"}),
    "email" ({"subject", "text", "html"}) or "json" (any object). `target` says where it would go, for people.
    """

    format: Literal["slack", "adaptive_card", "markdown", "email", "json"]
    target: str
    content: JSONDict


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` messages at once, and on average no more than that in `seconds`."""

    count: float
    seconds: float = 1.0


class Provider(ABC, Generic[C]):
    """One integration. It keeps no state and does no I/O: it says what to send and judges the answers.

    `example` is a complete configuration with made-up secrets, as a person would write it in JSON: it is
    what the documentation shows and what the tests of every provider run on. `rates` is how fast the service
    takes messages, all of them to be kept; `digests` says that people read what is sent, so that one message
    may stand for many. `keeps_reference` is False for one whose receipts have no `remote`, so that none is
    looked up. `needs` is what a person should have at hand before they begin, `icon` the name of a
    Material symbol.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[str] = ""
    icon: ClassVar[str] = "cable"
    config_class: type[C]
    example: ClassVar[Mapping[str, Any]]
    rates: ClassVar[tuple[Rate, ...]] = ()
    digests: ClassVar[bool] = False
    keeps_reference: ClassVar[bool] = True

    @abstractmethod
    def send(self, config: C, dispatch: Dispatch) -> Conversation:
        """One attempt at one delivery.

        Ends in a Receipt, or raises SendError; an answer the service does not document is never a success.
        """

    @abstractmethod
    def preview(self, config: C, message: Message) -> Preview:
        """What `send` would say of this message at first, built by the same functions."""

    def check(self, config: C) -> Conversation | None:
        """Asks the service whether this configuration can work, sending nothing that anyone would see.

        The Receipt's note says what was found, in words for people; what is wrong is raised as a SendError
        that says what to do about it. Where the service offers no such question, what is left is
        `connectors.handshake.reach`; None asks nothing at all.
        """
        return None

    def warnings(self, config: C) -> list[str]:
        """What is allowed but will probably not do what is hoped for, one sentence each."""
        return []
