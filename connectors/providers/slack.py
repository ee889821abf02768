"""Slack, through an incoming webhook or as a bot.

A webhook only takes messages: what it is sent later is a new message. A bot rewrites its first message when
the event changes or is resolved, and says what changed in that message's thread.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, and chat.postMessage, chat.update
and auth.test below https://docs.slack.dev/reference/methods. The blocks are made by
`connectors.services.slack.block_kit`, the answers read by `connectors.services.slack.words`.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from connectors import text
from connectors.config_values import StringList, allowed, blank_is_absent, reveal, secret, web_address
from connectors.conversation import Conversation, Dispatch, Receipt, Request, Response, post
from connectors.errors import Reason, SendError
from connectors.handshake import reach
from connectors.message import JSONDict, Message
from connectors.provider import Config, Preview, Provider, Rate
from connectors.services.slack import block_kit
from connectors.services.slack import words as slack_words

# --- What it can be told --------------------------------------------------------------------------------


def _webhook_url(address: str) -> str:
    parts = urlsplit(web_address(address))
    if parts.hostname == "hooks.slack.com" and not parts.path.startswith("/services/"):
        raise ValueError(
            "This is not an incoming webhook: in its address, /services/ comes after the host"
            " (one with /triggers/ or /workflows/ starts a workflow, which shows no message of ours)"
        )
    return address


def _bot_token(token: str) -> str:
    if not re.fullmatch(r"(xoxe\.)?xoxb-[A-Za-z0-9-]+", token):
        raise ValueError(
            "A bot token begins with xoxb-: copy the Bot User OAuth Token from the app's OAuth & Permissions"
        )
    return token


# What “Copy link” gives of a channel, of a message in it, or of a person.
_LINK = re.compile(
    r"https://(?:[\w.-]+\.slack\.com/(?:archives|team)|app\.slack\.com/client/\w+)/(\w+)(?:[/?]\S*)?",
    re.ASCII,
)


def _named(link: str) -> str:
    """The ID in what may be a link; anything else as it is."""
    copied = _LINK.fullmatch(link)
    return copied[1] if copied else link


def _channel(name: str) -> str:
    name = _named(name)
    if name and not re.fullmatch(r"[#@]?[^\s#@,<>/]{1,80}", name):
        raise ValueError("Enter one channel, as #name or as its ID (C…), or the member ID of a person (U…)")
    return name


class SlackConfig(Config):
    """An incoming webhook, or a bot token and a channel."""

    webhook_url: Annotated[SecretStr | None, secret(_webhook_url), BeforeValidator(blank_is_absent)] = Field(
        default=None,
        title="Webhook URL",
        description="From api.slack.com/apps → your app → Incoming Webhooks. Leave empty with a bot token.",
        json_schema_extra={"essential": True},
    )
    bot_token: Annotated[SecretStr | None, secret(_bot_token), BeforeValidator(blank_is_absent)] = Field(
        default=None,
        title="Bot token",
        description="xoxb-…, from api.slack.com/apps → your app → OAuth & Permissions, with the scope"
        " chat:write. Messages are then updated in place. Leave empty with a webhook.",
        json_schema_extra={"essential": True},
    )
    channel: Annotated[str, AfterValidator(_channel)] = Field(
        default="",
        title="Channel",
        description="#name or channel ID, or a person's member ID for direct messages. Needed with a bot"
        " token; an app's webhook has its channel built in.",
        json_schema_extra={"essential": True},
    )
    legacy_webhook: bool = Field(
        default=False,
        title="Legacy webhook",
        description="The webhook is an old custom integration, which lets the channel be chosen.",
    )
    allow_routing: bool = Field(
        default=False,
        title="Let workloads choose the channel",
        description="Heeds the annotation kubegraf.io/slack-channel, within the list below.",
    )
    routing_channels: StringList = Field(
        default_factory=list,
        title="Channels that workloads may choose",
        description="Names or patterns such as #team-*, separated by commas.",
    )
    api_url: Annotated[str, AfterValidator(web_address)] = Field(
        default="https://slack.com/api",
        title="API address",
        description="Other than https://slack.com/api only for GovSlack: https://slack-gov.com/api.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.webhook_url is None) == (self.bot_token is None):
            raise ValueError("Enter either a webhook URL or a bot token: one of the two, not both")
        if self.bot_token is not None and not self.channel:
            raise ValueError("Enter the channel: with a bot token the message needs one")
        if self.bot_token is not None and self.channel.startswith("@"):
            raise ValueError(
                "For a direct message enter the person's member ID (U…), found in their profile under"
                " “Copy member ID”; Slack no longer takes @names"
            )
        return self

    @property
    def chooses_channel(self) -> bool:
        """Whether naming a channel has any effect: Slack ignores or refuses it for an app's webhook."""
        return self.bot_token is not None or self.legacy_webhook


# --- The conversations ----------------------------------------------------------------------------------


def target(config: SlackConfig, message: Message) -> tuple[str, str]:
    """The channel the message goes to, and a remark where the workload's wish was not granted."""
    wish = text.one_line(message.routing.get("slack-channel", ""))
    named = _named(wish)
    if not wish or not config.allow_routing or not config.chooses_channel:
        return config.channel, ""
    patterns = [_named(pattern).lstrip("#") for pattern in config.routing_channels]
    if re.fullmatch(r"#?[^\s#@,<>]{1,80}", named) and allowed(named.lstrip("#"), patterns):
        return named, ""
    return config.channel, (
        f"The workload asks for the channel {wish[:80]}, which is not among the channels that workloads may"
        " choose; the connector's own was used."
    )


@dataclass(frozen=True)
class _Bot:
    """The Web API, with a token."""

    api: str
    token: str = field(repr=False)

    def call(
        self, method: str, arguments: JSONDict
    ) -> Generator[Request, Response, tuple[JSONDict, Response]]:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json; charset=utf-8",
        }
        response = yield post(f"{self.api.rstrip('/')}/{method}", payload=arguments, headers=headers)
        return slack_words.require_ok(response), response

    def say(
        self, method: str, where: JSONDict, message: Message, shown: list[JSONDict]
    ) -> Generator[Request, Response, JSONDict]:
        """Posts or updates; as plain text when Slack will not have the blocks."""
        manner = {"parse": "none", "link_names": False}
        if method == "chat.postMessage":
            manner |= {"unfurl_links": False, "unfurl_media": False}
        try:
            answer, _ = yield from self.call(
                method, {**where, **manner, "text": block_kit.fallback(message), "blocks": shown}
            )
        except slack_words.Refusal as refusal:
            if refusal.word not in slack_words.REFUSED_BLOCKS:
                raise
            answer, _ = yield from self.call(
                method, {**where, **manner, "text": block_kit.plain(message), "blocks": []}
            )
        return answer


def _bot(config: SlackConfig) -> _Bot:
    return _Bot(config.api_url, reveal(config.bot_token, "Bot token", _bot_token))


def _by_webhook(config: SlackConfig, message: Message) -> Conversation:
    url = reveal(config.webhook_url, "Webhook URL", _webhook_url)
    channel, note = target(config, message)
    where = {"channel": channel} if channel and config.legacy_webhook else {}
    try:
        response = yield post(url, payload={**where, **_said(message)})
        slack_words.require_ok_text(response)
    except slack_words.Refusal as refusal:
        if refusal.word not in slack_words.REFUSED_BLOCKS:
            raise
        response = yield post(url, payload={**where, "text": block_kit.plain(message)})
        slack_words.require_ok_text(response)
    return Receipt(note=note)


def _said(message: Message) -> JSONDict:
    return {"text": block_kit.fallback(message), "blocks": block_kit.blocks(message)}


def _by_bot(config: SlackConfig, dispatch: Dispatch) -> Conversation:
    bot, message = _bot(config), dispatch.message
    if dispatch.remote.get("event") == message.id:
        receipt = yield from _follow_up(bot, dispatch.remote, message)
        if receipt is not None:
            return receipt
    channel, note = target(config, message)
    shown = block_kit.blocks(message)
    try:
        answer = yield from bot.say("chat.postMessage", {"channel": channel}, message, shown)
    except slack_words.Refusal as refusal:
        # A workload's mistake must neither lose its message nor pause a connector that serves others.
        if channel == config.channel or refusal.word not in slack_words.CHANNEL:
            raise
        note = f"Posted to {config.channel}: {channel}, which the workload asks for, failed. {refusal.text}"
        answer = yield from bot.say("chat.postMessage", {"channel": config.channel}, message, shown)
    return _receipt(answer.get("channel"), answer.get("ts"), message, note)


def _follow_up(
    bot: _Bot, first: Mapping[str, Any], message: Message
) -> Generator[Request, Response, Receipt | None]:
    """Rewrites the first message and says in its thread what changed. None when it is there no more."""
    place = {"channel": first.get("channel"), "ts": first.get("ts")}
    updated = True
    try:
        yield from bot.say("chat.update", place, message, block_kit.blocks(message))
    except slack_words.Refusal as refusal:
        if refusal.word in slack_words.FIRST_IS_GONE:
            return None
        if refusal.word not in slack_words.FIRST_STAYS:
            raise
        updated = False
    # A first message that cannot be changed goes on saying what is no longer so: let all see the reply.
    reply = {"channel": place["channel"], "thread_ts": place["ts"], "reply_broadcast": not updated}
    note = "" if updated else "The first message could not be changed; the reply in its thread says it."
    try:
        yield from bot.say(
            "chat.postMessage", reply, message, block_kit.change(message, str(first.get("standing", "")))
        )
    except SendError as error:
        if updated:  # what matters is said; sending it all again would not say it better
            note = f"The first message was updated, but the reply in its thread failed: {error.text}"
        elif isinstance(error, slack_words.Refusal) and error.word in slack_words.FIRST_IS_GONE:
            return None
        else:
            raise
    return _receipt(place["channel"], place["ts"], message, note)


def _receipt(channel: object, ts: object, message: Message, note: str) -> Receipt:
    if not isinstance(channel, str) or not isinstance(ts, str):
        raise SendError(Reason.BAD_ANSWER, "Slack says ok but not where the message is", retry=False)
    return Receipt(
        remote={"channel": channel, "ts": ts, "event": message.id, "standing": text.standing(message)},
        url=f"https://slack.com/app_redirect?channel={channel}&message_ts={ts}",
        note=note,
    )


class Slack(Provider[SlackConfig]):
    """Messages to a Slack channel or person."""

    slug = "slack"
    label = "Slack"
    summary = "Messages to a channel or a person; with a bot token they are updated in place."
    needs = "The URL of an incoming webhook; or a bot token and the name of a channel."
    icon = "tag"
    config_class = SlackConfig
    rates = (Rate(1),)  # https://docs.slack.dev/apis/web-api/rate-limits
    digests = True
    example = {
        "webhook_url": "https://hooks.slack.com/services/T0EXAMPLE/B0EXAMPLE/made0up1secret2for3docs",
        "channel": "#k8s-alerts",
    }

    def send(self, config: SlackConfig, dispatch: Dispatch) -> Conversation:
        """One message, or one update and a reply in its thread."""
        if config.webhook_url is not None:
            return (yield from _by_webhook(config, dispatch.message))
        return (yield from _by_bot(config, dispatch))

    def preview(self, config: SlackConfig, message: Message) -> Preview:
        """The blocks and the fallback text."""
        channel, _ = target(config, message)
        where = channel if channel and config.chooses_channel else "the webhook's own channel"
        return Preview("slack", where, _said(message))

    def check(self, config: SlackConfig) -> Conversation:
        """auth.test for a bot; a webhook cannot be asked more than whether it can be reached."""
        if config.bot_token is None:
            return (yield from reach(reveal(config.webhook_url, "Webhook URL", _webhook_url)))
        answer, response = yield from _bot(config).call("auth.test", {})
        who = f"The token is that of {answer.get('user', 'a bot')} in {answer.get('team', 'a workspace')}."
        scopes = [scope.strip() for scope in response.headers.get("x-oauth-scopes", "").split(",")]
        if scopes != [""] and "chat:write" not in scopes:
            raise SendError(
                Reason.AUTH,
                f"{who} It lacks the scope chat:write: add it under OAuth & Permissions, reinstall the app.",
                disable=True,
            )
        if scopes != [""] and "chat:write.public" not in scopes:
            who += (
                " Without the scope chat:write.public it has to be invited into each channel, with /invite."
            )
        return Receipt(note=text.one_line(who))

    def warnings(self, config: SlackConfig) -> list[str]:
        """Settings without effect."""
        found = []
        if config.channel and not config.chooses_channel:
            found.append(
                f"The channel {config.channel} has no effect: the webhook of a Slack app posts to the channel"
                " it was made for. Use a bot token to choose, or say that this is a legacy webhook."
            )
        if config.allow_routing and not config.chooses_channel:
            found.append("Workloads cannot choose the channel of an app's webhook: that needs a bot token.")
        elif config.allow_routing and not config.routing_channels:
            found.append("Workloads may choose a channel, but the list of channels they may choose is empty.")
        if config.routing_channels and not config.allow_routing:
            found.append("The list of channels for workloads has no effect while they may not choose.")
        return found
