from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from slack_sdk.models.blocks import Block

from connectors.configuration.setup import ConfigError, validate
from connectors.conversation import Call, Dispatch, Receipt, Request, Response
from connectors.errors import Reason, SendError
from connectors.handshake import Handshake
from connectors.message import JSONDict, Message, Recommendation, Severity, Status
from connectors.providers.slack import Slack, SlackConfig, target
from connectors.services.slack import block_kit
from connectors.services.slack.words import MEANINGS, REFUSED_BLOCKS
from tests.connectors.providers.canary import CANARY
from tests.connectors.providers.conversing import a_message, answer, converse, failing, sent

EXAMPLE = dict(Slack.example)
CANARIES = [
    {"webhook_url": f"https://hooks.slack.com/services/T0/B0/{CANARY}"},
    {"bot_token": f"xoxb-{CANARY}"},
]
TOKEN = "xoxb-1234567890-made0up1secret2"
POSTED = {"ok": True, "channel": "C012AB3CD", "ts": "1736937000.000100"}
FIRST = {
    "channel": "C012AB3CD",
    "ts": "1736937000.000100",
    "event": a_message().id,
    "standing": "Critical",
}
RESOLVED = a_message(status=Status.RESOLVED)


def a_webhook(**changes: Any) -> SlackConfig:
    return SlackConfig.model_validate({"webhook_url": EXAMPLE["webhook_url"], **changes})


def a_bot(**changes: Any) -> SlackConfig:
    return SlackConfig.model_validate({"bot_token": TOKEN, "channel": "#k8s-alerts", **changes})


def a_dispatch(message: Message | None = None, remote: dict[str, Any] | None = None) -> Dispatch:
    return Dispatch("0199a0b0-1111-7000-8000-000000000009", message or a_message(), remote or {})


def problems(config: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        SlackConfig.model_validate(config)
    return "; ".join(error["msg"] for error in refused.value.errors(include_input=False))


def no(word: str, status: int = 200, **headers: str) -> Response:
    return answer(status, {"ok": False, "error": word}, **headers)


def yes(**changes: Any) -> Response:
    return answer(200, {**POSTED, **changes})


def bot(
    *answers: Response | SendError,
    message: Message | None = None,
    remote: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[list[Request | Call], Receipt]:
    return converse(Slack().send(a_bot(**changes), a_dispatch(message, remote)), *answers)


def method(request: Request | Call) -> str:
    assert isinstance(request, Request)
    return request.url.rpartition("/")[2]


# --- Settings -------------------------------------------------------------------------------------------


def test_neither_webhook_nor_token_is_refused() -> None:
    assert "one of the two, not both" in problems({})


def test_both_webhook_and_token_are_refused() -> None:
    assert "one of the two, not both" in problems({**EXAMPLE, "bot_token": TOKEN})


def test_a_token_needs_a_channel() -> None:
    assert "Enter the channel" in problems({"bot_token": TOKEN})


@pytest.mark.parametrize("token", ["xoxp-123-abc", "xapp-1-abc", "abc"])
def test_a_token_that_is_no_bots_is_refused(token: str) -> None:
    said = problems({"bot_token": token, "channel": "#a"})

    assert "A bot token begins with xoxb-" in said
    assert token not in said


def test_the_placeholder_of_an_example_is_refused_by_name() -> None:
    said = problems({"webhook_url": "https://hooks.slack.com/services/YOUR/WEBHOOK/URL"})

    assert "“YOUR/WEBHOOK/URL” is a placeholder" in said


def test_a_webhook_that_starts_a_workflow_is_refused() -> None:
    said = problems({"webhook_url": "https://hooks.slack.com/triggers/T012/345/abc"})

    assert "This is not an incoming webhook" in said


def test_what_is_said_of_such_an_address_is_read_whole() -> None:
    with pytest.raises(ConfigError) as refused:
        validate(Slack(), {"webhook_url": "https://hooks.slack.com/triggers/T012/345/abc"})

    assert "in its address, /services/ comes after the host" in str(refused.value)
    assert "***" not in str(refused.value)


@pytest.mark.parametrize(
    "channel", ["#a b", "a,b", "<#C012>", "#" + "x" * 81, "https://example.com/archives/C012", "#a/b"]
)
def test_what_is_no_channel_is_refused(channel: str) -> None:
    assert "Enter one channel" in problems({"bot_token": TOKEN, "channel": channel})


@pytest.mark.parametrize(
    ("link", "channel"),
    [
        ("https://example.slack.com/archives/C0123456789", "C0123456789"),
        ("https://example.slack.com/archives/C0123456789/p1736937000000100?thread_ts=1", "C0123456789"),
        ("https://example.enterprise.slack.com/team/U0123456789", "U0123456789"),
        ("https://app.slack.com/client/T0123456789/C0123456789", "C0123456789"),
    ],
)
def test_a_channel_may_be_given_by_its_link(link: str, channel: str) -> None:
    assert SlackConfig.model_validate({"bot_token": TOKEN, "channel": link}).channel == channel


def test_a_name_with_an_at_sign_is_refused_for_a_bot() -> None:
    assert "member ID" in problems({"bot_token": TOKEN, "channel": "@jo"})


def test_a_webhook_of_an_app_and_a_channel_are_warned_of() -> None:
    (warning,) = Slack().warnings(a_webhook(channel="#k8s-alerts"))

    assert warning.startswith("The channel #k8s-alerts has no effect")


def test_a_legacy_webhook_and_a_channel_are_not_warned_of() -> None:
    assert Slack().warnings(a_webhook(channel="#k8s-alerts", legacy_webhook=True)) == []


def test_routing_without_effect_is_warned_of() -> None:
    assert Slack().warnings(a_webhook(allow_routing=True, routing_channels="#a")) == [
        "Workloads cannot choose the channel of an app's webhook: that needs a bot token."
    ]
    assert Slack().warnings(a_bot(allow_routing=True)) == [
        "Workloads may choose a channel, but the list of channels they may choose is empty."
    ]
    assert Slack().warnings(a_bot(routing_channels="#a")) == [
        "The list of channels for workloads has no effect while they may not choose."
    ]


# --- Blocks ---------------------------------------------------------------------------------------------


def require_valid(blocks: list[JSONDict]) -> None:
    """By Slack's own models, which check most limits, and by the documentation for the rest."""
    assert len(blocks) <= 50
    assert len(json.dumps(blocks, ensure_ascii=False).encode("utf-16-le")) // 2 <= block_kit.TOTAL
    for block in blocks:
        Block.parse(block).to_dict()  # raises when a limit is passed
        if block["type"] == "header":
            assert len(block["text"]["text"].encode("utf-16-le")) // 2 <= 150
        if block["type"] == "context":
            assert 1 <= len(block["elements"]) <= 10
        for field in block.get("fields", []):
            assert 1 <= len(field["text"]) <= 2000
        if "text" in block:
            assert 1 <= len(block["text"]["text"]) <= 3000


def test_the_message_has_everything_in_order() -> None:
    blocks = block_kit.blocks(a_message())

    require_valid(blocks)
    assert [block["type"] for block in blocks] == [
        "header",
        "context",
        "section",
        "section",
        "section",
        "section",
        "section",
    ]
    assert blocks[0]["text"]["text"] == "🔴 Pod my-app-123 in crash loop"
    assert [element["text"] for element in blocks[1]["elements"]] == [
        "Cluster: production",
        "Namespace: default",
        "Resource: Pod/my-app-123",
        "Severity: Critical",
        "Status: Firing",
        "Time: <!date^1736937000^{date_short_pretty} {time_secs}|15 Jan 2025, 10:30:00 UTC>",
    ]
    assert blocks[2]["text"]["text"] == "Pod has restarted 5 times in the last 10 minutes"
    assert [field["text"] for field in blocks[3]["fields"]] == [
        "*Pod name*",
        "my-app-123",
        "*Restart count*",
        "5",
        "*Last error*",
        "Container failed to start",
    ]
    assert blocks[4]["text"]["text"] == "*What you can do*"
    assert blocks[5]["text"]["text"] == "• Check pod logs\n```kubectl logs my-app-123 -n default```"
    assert blocks[6]["text"]["text"] == (
        "<https://kubegraf.example.com/admin/events/event/1/|Open in KubeGraf>"
    )


@pytest.mark.parametrize(
    ("changes", "heading"),
    [
        ({"severity": Severity.HIGH}, "🟠 Pod my-app-123 in crash loop"),
        ({"status": Status.RESOLVED}, "✅ Resolved: Pod my-app-123 in crash loop"),
        ({"status": Status.ACKNOWLEDGED}, "👀 Acknowledged: Pod my-app-123 in crash loop"),
        ({"status": Status.OCCURRED}, "🟥 Pod my-app-123 in crash loop"),
    ],
)
def test_how_it_stands_is_seen_at_a_glance(changes: dict[str, Any], heading: str) -> None:
    assert block_kit.blocks(a_message(**changes))[0]["text"]["text"] == heading


def test_a_resolved_message_recommends_nothing() -> None:
    assert "kubectl" not in json.dumps(block_kit.blocks(RESOLVED))


def test_a_bare_message_is_valid() -> None:
    bare = a_message(
        description="", details={}, recommendations=(), url="", cluster="", namespace="", resource=""
    )

    require_valid(block_kit.blocks(bare))


@pytest.mark.parametrize("mention", ["<!channel>", "<!here>", "<@U012AB3CD>", "<#C012AB3CD>", "<script>"])
def test_a_value_mentions_nobody(mention: str) -> None:
    message = a_message(
        title=mention,
        description=mention,
        cluster=mention,
        details={mention: mention},
        recommendations=(Recommendation(mention, mention),),
    )

    (request,), _ = converse(Slack().send(a_webhook(), a_dispatch(message)), answer(200, "ok"))

    body = sent(request)
    assert mention not in json.dumps(body, ensure_ascii=False)
    assert mention.replace("<", "&lt;").replace(">", "&gt;") in body["text"]


def test_a_command_cannot_end_its_code_block() -> None:
    blocks = block_kit.blocks(a_message(recommendations=(Recommendation("Look ``` at it", "a```b"),)))

    assert blocks[5]["text"]["text"].count("```") == 2


def test_only_so_many_details_and_the_rest_is_counted() -> None:
    blocks = block_kit.blocks(a_message(details={f"detail {index}": index + 1 for index in range(20)}))

    assert sum(len(block.get("fields", [])) for block in blocks) == 30
    assert {"type": "plain_text", "text": "… and 5 more details", "emoji": False} in [
        element for block in blocks for element in block.get("elements", [])
    ]


NASTY = st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: text * 100) | st.sampled_from(
    ["🔥" * 5000, "\n" * 9000, '"\\' * 9000, "&<>" * 9000, "```" * 9000, "א" * 9000]
)


@settings(max_examples=15, deadline=None)
@given(title=NASTY, value=NASTY, count=st.integers(0, 60))
def test_no_limit_is_ever_passed(title: str, value: str, count: int) -> None:
    message = a_message(
        title=title,
        description=value,
        cluster=title,
        namespace=value,
        resource=title,
        details={f"{index} {title}": value for index in range(count)},
        recommendations=(Recommendation(title, value),) * count,
        url="https://example.com/?" + "&" * 1900,
    )

    require_valid(block_kit.blocks(message))
    require_valid(block_kit.change(message, "High"))
    assert len(block_kit.fallback(message)) <= 1_000
    assert len(block_kit.plain(message)) <= 3_500


# --- By webhook -----------------------------------------------------------------------------------------


def test_a_webhook_is_sent_blocks_and_a_fallback() -> None:
    (request,), receipt = converse(Slack().send(a_webhook(), a_dispatch()), answer(200, "ok"))

    assert isinstance(request, Request)
    assert (request.method, request.url) == ("POST", EXAMPLE["webhook_url"])
    assert sent(request) == {
        "text": "Critical: Pod my-app-123 in crash loop (Pod/my-app-123, default, production)",
        "blocks": block_kit.blocks(a_message()),
    }
    assert receipt == Receipt()


def test_an_apps_webhook_is_sent_no_channel() -> None:
    (request,), _ = converse(Slack().send(a_webhook(channel="#a"), a_dispatch()), answer(200, "ok"))

    assert "channel" not in sent(request)


def test_a_legacy_webhook_is_sent_the_channel() -> None:
    config = a_webhook(channel="#a", legacy_webhook=True)

    (request,), _ = converse(Slack().send(config, a_dispatch()), answer(200, "ok"))

    assert sent(request)["channel"] == "#a"


def test_blocks_that_are_refused_are_followed_by_plain_text() -> None:
    requests, _ = converse(
        Slack().send(a_webhook(), a_dispatch()), answer(400, "invalid_blocks"), answer(200, "ok")
    )

    assert sent(requests[1]) == {"text": block_kit.plain(a_message())}
    assert "kubectl logs my-app-123 -n default" in block_kit.plain(a_message())


@pytest.mark.parametrize(
    ("status", "body", "reason", "retry", "disable"),
    [
        (400, "invalid_payload", Reason.INVALID_MESSAGE, False, False),
        (400, "no_text", Reason.INVALID_MESSAGE, False, False),
        (400, "too_many_attachments", Reason.INVALID_MESSAGE, False, False),
        (400, "user_not_found", Reason.GONE, False, True),
        (403, "action_prohibited", Reason.GONE, False, True),
        (403, "invalid_token", Reason.GONE, False, True),
        (403, "posting_to_general_channel_denied", Reason.GONE, False, True),
        (404, "channel_not_found", Reason.GONE, False, True),
        (404, "no_service", Reason.GONE, False, True),
        (404, "no_team", Reason.GONE, False, True),
        (410, "channel_is_archived", Reason.GONE, False, True),
        (429, "rate_limited", Reason.RATE_LIMITED, True, False),
        (500, "rollup_error", Reason.SERVER_ERROR, True, False),
        (503, "upstream", Reason.SERVER_ERROR, True, False),
        (200, "<html>", Reason.BAD_ANSWER, True, False),
        (200, "", Reason.BAD_ANSWER, True, False),
        (302, "", Reason.REDIRECT, False, False),
    ],
)
def test_each_answer_to_a_webhook_has_its_verdict(
    status: int, body: str, reason: Reason, *, retry: bool, disable: bool
) -> None:
    error = failing(Slack().send(a_webhook(), a_dispatch()), answer(status, body))

    assert (error.reason, error.retry, error.disable) == (reason, retry, disable)


def test_a_webhook_that_was_removed_says_what_to_do() -> None:
    error = failing(Slack().send(a_webhook(), a_dispatch()), answer(404, "no_service"))

    assert error.text == (
        "Slack says no_service. Verify the webhook URL, for instance directly with curl, and that incoming"
        " webhooks are enabled in the Slack app's settings; a webhook that was removed has to be made anew."
    )


def test_the_wait_that_slack_asks_for_is_kept() -> None:
    error = failing(Slack().send(a_webhook(), a_dispatch()), answer(429, "rate_limited", retry_after="30"))

    assert error.retry_after == 30.0


def test_a_reference_that_led_to_nothing_useful_pauses_the_connector() -> None:
    config = a_webhook().model_copy(update={"webhook_url": SecretStr("sesame")})

    error = failing(Slack().send(config, a_dispatch()))

    assert (error.reason, error.disable) == (Reason.MISCONFIGURED, True)
    assert "sesame" not in error.text


# --- As a bot -------------------------------------------------------------------------------------------


def test_a_bot_posts_and_remembers_where() -> None:
    (request,), receipt = bot(yes())

    assert isinstance(request, Request)
    assert request.url == "https://slack.com/api/chat.postMessage"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert sent(request) == {
        "channel": "#k8s-alerts",
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "text": "Critical: Pod my-app-123 in crash loop (Pod/my-app-123, default, production)",
        "blocks": block_kit.blocks(a_message()),
    }
    assert receipt == Receipt(
        remote=FIRST,
        url="https://slack.com/app_redirect?channel=C012AB3CD&message_ts=1736937000.000100",
    )


def test_a_resolve_updates_the_first_message_and_is_told_in_its_thread() -> None:
    (update, reply), receipt = bot(yes(), yes(ts="1736937060.000200"), message=RESOLVED, remote=FIRST)

    assert (method(update), method(reply)) == ("chat.update", "chat.postMessage")
    assert (sent(update)["channel"], sent(update)["ts"]) == (FIRST["channel"], FIRST["ts"])
    assert sent(update)["blocks"] == block_kit.blocks(RESOLVED)
    assert (sent(reply)["channel"], sent(reply)["thread_ts"]) == (FIRST["channel"], FIRST["ts"])
    assert sent(reply)["reply_broadcast"] is False
    assert sent(reply)["blocks"][0]["text"]["text"] == "✅ Critical → Resolved"
    assert receipt.remote == {**FIRST, "standing": "Resolved"}


def test_what_is_put_into_the_thread_is_valid() -> None:
    require_valid(block_kit.change(RESOLVED, "Critical"))
    require_valid(block_kit.change(a_message(severity=Severity.HIGH), "Critical"))


def test_a_recurrence_is_a_new_message() -> None:
    (request,), receipt = bot(yes(), remote={**FIRST, "event": "an earlier one"})

    assert method(request) == "chat.postMessage"
    assert "thread_ts" not in sent(request)
    assert receipt.remote["event"] == a_message().id


@pytest.mark.parametrize("word", ["message_not_found", "channel_not_found", "is_archived"])
def test_a_first_message_that_is_gone_is_followed_by_a_new_one(word: str) -> None:
    requests, receipt = bot(no(word), yes(ts="2.2"), message=RESOLVED, remote=FIRST)

    assert [method(request) for request in requests] == ["chat.update", "chat.postMessage"]
    assert "thread_ts" not in sent(requests[1])
    assert sent(requests[1])["channel"] == "#k8s-alerts"
    assert receipt.remote["ts"] == "2.2"


@pytest.mark.parametrize("word", ["cant_update_message", "edit_window_closed", "msg_too_long"])
def test_a_first_message_that_cannot_be_changed_is_answered_for_all_to_see(word: str) -> None:
    requests, receipt = bot(no(word), yes(), message=RESOLVED, remote=FIRST)

    assert sent(requests[1])["thread_ts"] == FIRST["ts"]
    assert sent(requests[1])["reply_broadcast"] is True
    assert receipt.remote["ts"] == FIRST["ts"]
    assert receipt.note == "The first message could not be changed; the reply in its thread says it."


@pytest.mark.parametrize(
    "word", ["thread_not_found", "restricted_action_thread_locked", "cant_broadcast_message"]
)
def test_a_thread_that_takes_no_answer_is_followed_by_a_new_message(word: str) -> None:
    requests, _ = bot(no("cant_update_message"), no(word), yes(), message=RESOLVED, remote=FIRST)

    assert "thread_ts" in sent(requests[1])
    assert "thread_ts" not in sent(requests[2])


@pytest.mark.parametrize(
    "failure", [no("ratelimited", 429), SendError(Reason.TIMEOUT, "No answer.", retry=True)]
)
def test_an_update_without_its_reply_is_a_delivery(failure: Response | SendError) -> None:
    _, receipt = bot(yes(), failure, message=RESOLVED, remote=FIRST)

    assert receipt.remote["standing"] == "Resolved"
    assert receipt.note.startswith("The first message was updated, but the reply in its thread failed: ")


def test_a_reply_that_alone_would_have_told_it_is_tried_again() -> None:
    conversation = Slack().send(a_bot(), a_dispatch(RESOLVED, FIRST))

    error = failing(conversation, no("cant_update_message"), no("internal_error"))

    assert error.retry


def test_an_update_that_fails_otherwise_is_the_verdict() -> None:
    error = failing(Slack().send(a_bot(), a_dispatch(RESOLVED, FIRST)), no("token_revoked"))

    assert (error.reason, error.disable) == (Reason.AUTH, True)


def test_an_update_whose_blocks_are_refused_is_plain_text_without_blocks() -> None:
    requests, _ = bot(no("msg_blocks_too_long"), yes(), yes(), message=RESOLVED, remote=FIRST)

    assert method(requests[1]) == "chat.update"
    assert sent(requests[1])["blocks"] == []
    assert sent(requests[1])["text"] == block_kit.plain(RESOLVED)


@pytest.mark.parametrize("word", sorted(MEANINGS))
def test_every_error_word_says_what_to_do(word: str) -> None:
    meaning = MEANINGS[word]
    answers = [no(word)] * (2 if word in REFUSED_BLOCKS else 1)

    error = failing(Slack().send(a_bot(), a_dispatch()), *answers)

    assert (error.reason, error.retry, error.disable) == (meaning.reason, meaning.retry, meaning.disable)
    assert error.text == f"Slack says {word}. {meaning.advice}."


@pytest.mark.parametrize(
    ("word", "reason", "retry", "disable"),
    [
        ("invalid_auth", Reason.AUTH, False, True),
        ("account_inactive", Reason.AUTH, False, True),
        ("missing_scope", Reason.AUTH, False, True),
        ("channel_not_found", Reason.GONE, False, True),
        ("not_in_channel", Reason.GONE, False, True),
        ("is_archived", Reason.GONE, False, True),
        ("team_not_found", Reason.GONE, False, True),
        ("msg_too_long", Reason.INVALID_MESSAGE, False, False),
        ("ratelimited", Reason.RATE_LIMITED, True, False),
        ("message_limit_exceeded", Reason.RATE_LIMITED, True, False),
        ("internal_error", Reason.SERVER_ERROR, True, False),
        ("a_word_of_next_year", Reason.BAD_ANSWER, True, False),
    ],
)
def test_a_no_inside_a_200_is_no_success(word: str, reason: Reason, *, retry: bool, disable: bool) -> None:
    error = failing(Slack().send(a_bot(), a_dispatch()), no(word))

    assert (error.reason, error.retry, error.disable) == (reason, retry, disable)


def test_the_scope_that_is_missing_is_named() -> None:
    refusal = answer(200, {"ok": False, "error": "missing_scope", "needed": "chat:write"})

    error = failing(Slack().send(a_bot(), a_dispatch()), refusal)

    assert "(needed: chat:write)" in error.text


@pytest.mark.parametrize("body", [{}, {"ok": "true"}, {"ok": 1}, {"ok": None}])
def test_an_answer_without_ok_is_no_success(body: JSONDict) -> None:
    error = failing(Slack().send(a_bot(), a_dispatch()), answer(200, body))

    assert (error.reason, error.retry) == (Reason.BAD_ANSWER, True)


@pytest.mark.parametrize("body", [b"ok", b'{"ok": tr', b"[]", b"\xff\xfe"])
def test_an_answer_that_is_no_json_object_is_no_success(body: bytes) -> None:
    error = failing(Slack().send(a_bot(), a_dispatch()), answer(200, body))

    assert (error.reason, error.retry) == (Reason.BAD_ANSWER, True)


def test_a_rate_limit_is_waited_for() -> None:
    error = failing(Slack().send(a_bot(), a_dispatch()), no("ratelimited", 429, retry_after="12"))

    assert (error.reason, error.retry, error.retry_after) == (Reason.RATE_LIMITED, True, 12.0)


def test_a_gateways_error_page_goes_by_its_status() -> None:
    error = failing(Slack().send(a_bot(), a_dispatch()), answer(502, "<html>Bad gateway</html>"))

    assert (error.reason, error.retry) == (Reason.SERVER_ERROR, True)


# --- Where the workload wants it ------------------------------------------------------------------------


def routed(wish: str, **changes: Any) -> tuple[str, str]:
    config = a_bot(routing_channels="#team-*, C0PAYMENTS", **changes)
    return target(config, a_message(routing={"slack-channel": wish}))


@pytest.mark.parametrize("wish", ["#team-a", "team-a", "C0PAYMENTS"])
def test_a_workload_may_choose_a_channel_on_the_list(wish: str) -> None:
    assert routed(wish, allow_routing=True) == (wish, "")


@pytest.mark.parametrize("wish", ["C0PAYMENTS", "https://example.slack.com/archives/C0PAYMENTS"])
@pytest.mark.parametrize("listed", ["C0PAYMENTS", "https://example.slack.com/archives/C0PAYMENTS"])
def test_a_channel_that_a_workload_may_choose_may_be_named_by_its_link(wish: str, listed: str) -> None:
    config = a_bot(routing_channels=listed, allow_routing=True)

    assert target(config, a_message(routing={"slack-channel": wish})) == ("C0PAYMENTS", "")


def test_a_workload_has_no_say_where_that_is_not_allowed() -> None:
    assert routed("#team-a") == ("#k8s-alerts", "")


@pytest.mark.parametrize("wish", ["#general", "#team-a b", "@team-a", "#team-<!channel>"])
def test_a_channel_off_the_list_is_not_used_and_named(wish: str) -> None:
    channel, note = routed(wish, allow_routing=True)

    assert channel == "#k8s-alerts"
    assert wish in note


@pytest.mark.parametrize("word", ["channel_not_found", "not_in_channel", "is_archived"])
def test_a_workloads_mistake_neither_loses_the_message_nor_pauses_the_connector(word: str) -> None:
    message = a_message(routing={"slack-channel": "#team-a"})

    requests, receipt = bot(no(word), yes(), message=message, allow_routing=True, routing_channels="#team-*")

    assert [sent(request)["channel"] for request in requests] == ["#team-a", "#k8s-alerts"]
    assert receipt.note.startswith(
        f"Posted to #k8s-alerts: #team-a, which the workload asks for, failed. Slack says {word}."
    )


# --- Check and preview ----------------------------------------------------------------------------------


def check(*answers: Response) -> tuple[list[Request | Call], Receipt]:
    return converse(Slack().check(a_bot()), *answers)


def test_a_webhook_is_asked_no_more_than_whether_it_can_be_reached() -> None:
    assert next(Slack().check(a_webhook())) == Handshake(str(EXAMPLE["webhook_url"]))


def test_the_check_asks_whose_token_it_is() -> None:
    who = {"ok": True, "user": "kubegraf", "team": "Example", "url": "https://example.slack.com/"}
    scopes = {"x_oauth_scopes": "chat:write,chat:write.public"}

    (request,), receipt = check(answer(200, who, **scopes))

    assert method(request) == "auth.test"
    assert receipt.note == "The token is that of kubegraf in Example."


def test_the_check_says_that_the_bot_must_be_invited() -> None:
    _, receipt = check(answer(200, {"ok": True}, x_oauth_scopes="chat:write"))

    assert "has to be invited into each channel" in receipt.note


def test_the_check_finds_that_the_bot_may_not_write() -> None:
    with pytest.raises(SendError) as failed:
        check(answer(200, {"ok": True}, x_oauth_scopes="channels:read"))
    assert (failed.value.reason, failed.value.disable) == (Reason.AUTH, True)
    assert "It lacks the scope chat:write" in failed.value.text


def test_the_check_finds_a_wrong_token() -> None:
    with pytest.raises(SendError) as failed:
        check(no("invalid_auth"))
    assert "copy it again from OAuth & Permissions" in failed.value.text


def test_the_preview_is_what_would_be_sent() -> None:
    preview = Slack().preview(a_bot(), a_message())

    assert preview.target == "#k8s-alerts"
    assert preview.content["blocks"] == block_kit.blocks(a_message())


def test_the_preview_of_a_webhook_names_no_address() -> None:
    preview = Slack().preview(a_webhook(channel="#elsewhere"), a_message())

    assert preview.target == "the webhook's own channel"
    assert "hooks.slack.com" not in json.dumps(preview.content)


def test_the_token_is_not_in_what_is_printed_of_a_request() -> None:
    (request,), _ = bot(yes())

    assert TOKEN not in repr(request)
