"""What Slack answers: its error words, what each means for a delivery, and what to do about it. Pure.

https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks for webhooks; the pages of
chat.postMessage, chat.update and auth.test below https://docs.slack.dev/reference/methods for bots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from connectors import text
from connectors.conversation import Response
from connectors.errors import Reason, SendError
from connectors.message import JSONDict
from connectors.verdict import require_success, retry_after


class _Meaning(NamedTuple):
    """What a word means for the delivery and the connector, and what a person can do."""

    reason: Reason
    advice: str
    retry: bool = False
    disable: bool = False


def _meanings(
    reason: Reason, advice: Mapping[str, str], *, retry: bool = False, disable: bool = False
) -> dict[str, _Meaning]:
    return {
        word: _Meaning(reason, sentence, retry, disable)
        for words, sentence in advice.items()
        for word in words.split()
    }


CHANNEL = _meanings(
    Reason.GONE,
    {
        "channel_not_found": "Check that the channel exists and that the bot has access to it:"
        " a private channel needs /invite",
        "not_in_channel": "Invite the bot with /invite, or give the app the scope chat:write.public",
        "is_archived channel_is_archived is_inactive": "Unarchive the channel or choose another",
        "team_not_found": "Enter the channel's ID (C…) instead of its name: the token is one of a whole"
        " organisation, in which a name may stand for several channels",
        "user_not_found messages_tab_disabled": "Check the member ID, and that the Messages Tab is on"
        " under App Home in the Slack app's settings",
        "restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel"
        " restricted_action_non_threadable_channel posting_to_general_channel_denied"
        " posting_to_channel_denied action_prohibited": "The workspace forbids posting here: ask an"
        " administrator, or choose another channel",
    },
    disable=True,
)
"""Those that speak of the channel alone: another may do."""

MEANINGS = {
    **CHANNEL,
    **_meanings(
        Reason.GONE,
        {
            "invalid_token no_service no_service_id no_team no_active_hooks team_disabled": "Verify the"
            " webhook URL, for instance directly with curl, and that incoming webhooks are enabled in the"
            " Slack app's settings; a webhook that was removed has to be made anew",
        },
        disable=True,
    ),
    **_meanings(
        Reason.AUTH,
        {
            "not_authed invalid_auth": "Slack does not know the bot token: copy it again from"
            " OAuth & Permissions in the Slack app's settings",
            "account_inactive token_revoked token_expired": "The bot token is no longer valid: reinstall"
            " the app in the workspace and enter its new token",
            "missing_scope no_permission not_allowed_token_type team_access_not_granted": "The bot token"
            " lacks a right: add the scope chat:write under OAuth & Permissions and reinstall the app",
            "access_denied accesslimited ekm_access_denied enterprise_is_restricted"
            " two_factor_setup_required": "An administrator of the workspace restricts this app or network",
        },
        disable=True,
    ),
    **_meanings(
        Reason.MISCONFIGURED,
        {"deprecated_endpoint method_deprecated": "Slack has withdrawn this call: KubeGraf needs an update"},
        disable=True,
    ),
    **_meanings(
        Reason.INVALID_MESSAGE,
        {
            "msg_too_long msg_blocks_too_long invalid_blocks invalid_blocks_format invalid_attachments"
            " too_many_attachments invalid_payload no_text missing_text_or_fallback_or_attachments"
            " invalid_arguments invalid_arg_name invalid_array_arg invalid_charset invalid_form_data"
            " invalid_post_type missing_post_type block_mismatch cant_update_message edit_window_closed"
            " message_not_found thread_not_found cannot_reply_to_message"
            " streaming_state_conflict cant_broadcast_message"
            " restricted_action_thread_locked": "Slack does not take this message; others may pass",
        },
    ),
    **_meanings(
        Reason.RATE_LIMITED,
        {"ratelimited rate_limited message_limit_exceeded": "Too many messages: Slack asks to wait"},
        retry=True,
    ),
    **_meanings(
        Reason.SERVER_ERROR,
        {
            "internal_error fatal_error rollup_error service_unavailable request_timeout update_failed"
            " external_channel_migrating team_added_to_org"
            " org_login_required": "Slack has a fault, or the workspace is being moved; it should pass",
        },
        retry=True,
    ),
}
"""Every error word that Slack documents for the calls made here."""

REFUSED_BLOCKS = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}
"""When the text without blocks may still pass."""
FIRST_IS_GONE = {
    *("message_not_found", "thread_not_found", "cannot_reply_to_message", "cant_broadcast_message"),
    *("restricted_action_thread_locked", *CHANNEL),
}
"""When the first message, or its channel, is no longer there to be changed, or to be answered."""
FIRST_STAYS = {"cant_update_message", "edit_window_closed", "msg_too_long", "block_mismatch"}
"""When the first message is there but stays as it is."""


class Refusal(SendError):
    """Slack said no, with a word."""

    def __init__(self, word: str, response: Response, extra: str = "") -> None:
        meaning = MEANINGS.get(word) or _Meaning(
            Reason.BAD_ANSWER, "Slack does not document this", retry=True
        )
        super().__init__(
            meaning.reason,
            f"Slack says {word}{extra}. {meaning.advice}.",
            retry=meaning.retry,
            retry_after=retry_after(response.headers) if meaning.retry else None,
            disable=meaning.disable,
        )
        self.word = word


def require_ok(response: Response) -> JSONDict:
    """The Web API's answer. It is 200 even for an error: only `ok: true` is a success.

    Raises Refusal, or SendError where the answer is not Slack's.
    """
    try:
        answer = response.object
    except SendError:
        require_success(response)
        raise
    if answer.get("error") not in MEANINGS:
        require_success(response)
    if answer.get("ok") is True:
        return answer
    needed = answer.get("needed")
    raise Refusal(
        text.one_line(str(answer.get("error", "neither ok nor an error")))[:80],
        response,
        f" (needed: {text.one_line(str(needed))[:200]})" if needed else "",
    )


def require_ok_text(response: Response) -> None:
    """Checks a webhook's answer, whose body is the text `ok`, or one word. Raises like `require_ok`."""
    word = response.text.strip()
    if word in MEANINGS:
        raise Refusal(word, response)
    require_success(response)
    if word != "ok":
        raise SendError(
            Reason.BAD_ANSWER, f"HTTP {response.status} without Slack's “ok”: {word[:200]!r}", retry=True
        )
