from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pytest_django import Settings

from connectors import text
from connectors.conversation import Call, Conversation, Dispatch, Receipt, Response
from connectors.errors import Reason, SendError
from connectors.message import Message, Recommendation, Status
from connectors.providers.email import Email, EmailConfig, mail, recipients_of, subject
from connectors.services.mail import body as mail_body
from connectors.transport.drive import drive
from tests.connectors.providers.canary import CANARY
from tests.connectors.providers.conversing import a_message, answer, converse, failing

EXAMPLE = dict(Email.example)
CANARIES = [{"password": CANARY}]
DELIVERY = "0199a0b0-1111-7000-8000-000000000009"
ROOT = "<0199a0b0-0000-7000-8000-000000000001@kubegraf.example.com>"


def a_config(**changes: Any) -> EmailConfig:
    return EmailConfig.model_validate({**EXAMPLE, **changes})


def a_dispatch(message: Message | None = None, remote: dict[str, Any] | None = None) -> Dispatch:
    return Dispatch(DELIVERY, message or a_message(), remote or {})


def problems(**changes: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        a_config(**changes)
    return "; ".join(error["msg"] for error in refused.value.errors(include_input=False))


def a_reply(
    stage: str, code: int, said: str = "no", refused: dict[str, tuple[int, str]] | None = None
) -> Response:
    return answer(code, {"stage": stage, "reply": [code, said], "refused": refused or {}})


def built(
    message: Message | None = None, remote: dict[str, Any] | None = None, **changes: Any
) -> EmailMessage:
    """The mail as a reader parses it from the wire."""
    config = a_config(**changes)
    sent = mail(config, a_dispatch(message, remote), config.to).as_bytes()
    assert max(map(len, sent.splitlines())) <= 998
    parsed = message_from_bytes(sent, policy=modern)
    assert isinstance(parsed, EmailMessage)
    return parsed


def part(parsed: EmailMessage, kind: str) -> str:
    body = parsed.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


# --- Settings -------------------------------------------------------------------------------------------


def test_the_example_is_valid_and_has_nothing_to_warn_of() -> None:
    assert Email().warnings(a_config()) == []


def test_recipients_may_be_one_text_with_commas() -> None:
    assert a_config(to="a@example.com, b@example.com").to == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    "to",
    ["a@example.com; b@example.com", "a@example.com\r\nb@example.com\n", ["a@example.com;b@example.com"]],
)
def test_recipients_may_be_as_mail_programs_copy_them(to: str | list[str]) -> None:
    assert a_config(to=to).to == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize("sender", ["a@example.com, b@example.com", "KubeGraf, Ops <a@example.com>"])
def test_more_than_one_sender_is_refused(sender: str) -> None:
    assert "Enter one sender" in problems(sender=sender)


def test_the_name_of_a_sender_may_have_a_comma_between_quotes() -> None:
    assert built(sender='"KubeGraf, Ops" <a@example.com>')["From"] == ('"KubeGraf, Ops" <a@example.com>')


@pytest.mark.parametrize(
    "address",
    ["oncall", "a b@example.com", "a@example.com\r\nBcc: x@example.com", "<a@example.com>", "@example.com"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert "is not an e-mail address" in problems(to=[address])


def test_no_recipient_is_refused() -> None:
    assert "at least 1 item" in problems(to=" , ")


def test_a_sender_with_a_line_break_is_refused() -> None:
    assert "on one line" in problems(sender="KubeGraf\r\nBcc: x@example.com <a@example.com>")


def test_a_user_name_without_a_password_is_refused() -> None:
    assert "or neither" in problems(password="")


def test_a_server_given_as_an_address_is_refused() -> None:
    assert "the server's name alone" in problems(smtp_host="smtp://smtp.example.com:587")


def test_a_placeholder_for_a_password_is_refused() -> None:
    assert "is a placeholder" in problems(password="your-password")


def test_no_encryption_is_warned_of() -> None:
    assert Email().warnings(a_config(security="none")) == [
        "Without encryption everybody on the way can read the mail and the password."
    ]


@pytest.mark.parametrize(("port", "security"), [(465, "starttls"), (587, "tls")])
def test_a_port_that_goes_with_another_encryption_is_warned_of(port: int, security: str) -> None:
    (warning,) = Email().warnings(a_config(smtp_port=port, security=security))

    assert warning.startswith(f"Port {port} usually goes with")


# --- The mail -------------------------------------------------------------------------------------------


def test_the_first_mail_is_named_after_its_delivery_and_refers_to_its_event() -> None:
    first = built()

    assert first["Message-ID"] == f"<{DELIVERY}@kubegraf.example.com>"
    assert first["References"] == ROOT
    assert first["In-Reply-To"] is None


def test_a_later_mail_is_in_the_thread_of_the_first() -> None:
    remote = {"event": a_message().id, "subject": "[KubeGraf] Critical: as it was"}

    later = built(a_message(status=Status.RESOLVED), remote)

    assert later["In-Reply-To"] == later["References"] == ROOT
    assert later["Subject"] == "Re: [KubeGraf] Critical: as it was"
    assert part(later, "plain").startswith("✅ Resolved: Pod my-app-123 in crash loop")


def test_a_recurrence_begins_a_thread_of_its_own() -> None:
    recurrence = built(remote={"event": "an earlier one", "subject": "[KubeGraf] earlier"})

    assert recurrence["In-Reply-To"] is None
    assert recurrence["Subject"] == "[KubeGraf] Critical: Pod my-app-123 in crash loop (production)"


def test_message_ids_stay_whole_however_long_the_domain_is() -> None:
    domain = ".".join(["a-rather-long-name"] * 6)

    later = built(remote={"event": a_message().id}, sender=f"kubegraf@{domain}.example.com")

    assert later["References"] == later["In-Reply-To"] == ROOT.replace("example.com", f"{domain}.example.com")


def test_the_mail_says_that_a_machine_wrote_it() -> None:
    first = built()

    assert first["Auto-Submitted"] == "auto-generated"
    assert first["X-Auto-Response-Suppress"] == "All"
    assert first["From"] == "KubeGraf <kubegraf@example.com>"
    assert first["To"] == "oncall@example.com"
    assert first["Date"].datetime.tzinfo is not None


def test_a_title_cannot_add_a_header() -> None:
    title = "Down\r\nBcc: everybody@example.com\r\n\r\nbody"

    first = built(a_message(title=title))

    assert first["Bcc"] is None
    assert (
        first["Subject"].strip() == "[KubeGraf] Critical: Down Bcc: everybody@example.com body (production)"
    )


def test_a_title_that_looks_like_an_encoded_word_adds_no_header() -> None:
    title = "=?utf-8?q?=0D=0ABcc:_everybody@example.com=0D=0A=0D=0Abody?= x"

    first = built(a_message(title=title))

    assert first["Bcc"] is None
    assert first["Subject"] == f"[KubeGraf] Critical: {title} (production)"


@hypothesis_settings(deadline=None)
@given(st.lists(st.sampled_from(["=?utf-8?q?", "?=", "=0D=0A", "Bcc:", " ", "é", "🔥", "x" * 90, ", <@>"])))
def test_a_subject_arrives_as_it_is(pieces: list[str]) -> None:
    title = text.one_line("".join(["a", *pieces]))

    assert built(a_message(title=title, cluster=""))["Subject"] == (
        text.shorten(f"[KubeGraf] Critical: {title}", 180)
    )


def test_a_sender_with_a_long_name_is_one_sender() -> None:
    name = "everybody@example.com, " * 9 + "Ops"

    [sender] = built(sender=f'"{name}" <kubegraf@example.com>')["From"].addresses

    assert sender.addr_spec == "kubegraf@example.com"


def test_the_name_of_a_sender_may_be_in_any_script() -> None:
    [sender] = built(sender="通知 🔥 <kubegraf@example.com>")["From"].addresses

    assert (sender.display_name, sender.addr_spec) == ("通知 🔥", "kubegraf@example.com")


def test_a_recipient_that_looks_like_an_encoded_word_is_written_as_it_is() -> None:
    to = "=?utf-8?q?=0D=0ABcc=3A_x?=@example.com"

    assert f"To: {to}\r\nSubject:".encode() in mail(a_config(to=[to]), a_dispatch(), [to]).as_bytes()


def test_the_subject_is_shortened() -> None:
    assert len(subject(a_config(), a_message(title="x" * 10_000))) <= 180


def test_emoji_and_right_to_left_text_arrive() -> None:
    first = built(a_message(title="שלום 🔥 ünïcode", description="العربية 👩‍👩‍👧"))

    assert first["Subject"] == "[KubeGraf] Critical: שלום 🔥 ünïcode (production)"
    assert "العربية 👩‍👩‍👧" in part(first, "plain")
    assert "العربية 👩‍👩‍👧" in part(first, "html")


def test_the_html_part_shows_markup_as_text() -> None:
    evil = "<script>alert('x')</script>"
    page = mail_body.html(
        a_message(
            title=evil,
            description=evil,
            cluster=evil,
            details={evil: evil},
            recommendations=(Recommendation(evil, evil),),
            url='https://x.example/"><script>',
        )
    )

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 8


def test_the_plain_part_has_everything_in_order() -> None:
    assert mail_body.plain_text(a_message()) == (
        "🔴 Pod my-app-123 in crash loop\n\n"
        "Pod has restarted 5 times in the last 10 minutes\n\n"
        "Cluster:         production\n"
        "Namespace:       default\n"
        "Resource:        Pod/my-app-123\n"
        "Severity:        Critical\n"
        "Status:          Firing\n"
        "Time:            15 Jan 2025, 10:30:00 UTC\n\n"
        "Details\n"
        "Pod name:        my-app-123\n"
        "Restart count:   5\n"
        "Last error:      Container failed to start\n\n"
        "What you can do\n"
        "- Check pod logs\n"
        "    kubectl logs my-app-123 -n default\n\n"
        "https://kubegraf.example.com/admin/events/event/1/\n"
    )


def test_a_resolved_message_recommends_nothing() -> None:
    assert "kubectl" not in mail_body.plain_text(a_message(status=Status.RESOLVED))


def test_a_huge_message_makes_a_mail_of_bearable_size() -> None:
    huge = a_message(
        title="t" * 10_000, description="d" * 1_000_000, details={f"k{i}": "v" * 50_000 for i in range(500)}
    )

    assert len(mail(a_config(), a_dispatch(huge), ["a@example.com"]).as_bytes()) < 1_000_000


def test_the_preview_is_what_would_be_sent() -> None:
    preview = Email().preview(a_config(), a_message())

    assert preview.target == "oncall@example.com"
    assert preview.content["subject"] == built()["Subject"]
    assert preview.content["text"] == mail_body.plain_text(a_message())
    assert preview.content["html"] == mail_body.html(a_message())


# --- Whom it goes to ------------------------------------------------------------------------------------


def routed(to: str, **changes: Any) -> tuple[list[str], str]:
    config = a_config(routing_recipients=["@teams.example.com", "lead-*@example.com"], **changes)
    return recipients_of(config, a_message(routing={"email-to": to}))


def test_a_workload_may_choose_recipients_on_the_list() -> None:
    to = "a@teams.example.com, lead-b@example.com"

    assert routed(to, allow_routing=True) == (["a@teams.example.com", "lead-b@example.com"], "")


def test_a_workload_may_choose_recipients_with_semicolons_between_them() -> None:
    to = "a@teams.example.com; lead-b@example.com"

    assert routed(to, allow_routing=True) == (["a@teams.example.com", "lead-b@example.com"], "")


def test_a_workload_has_no_say_where_that_is_not_allowed() -> None:
    assert routed("a@teams.example.com") == (["oncall@example.com"], "")


@pytest.mark.parametrize(
    "to", ["ceo@example.com", "a@teams.example.com.evil.example", "x <a@teams.example.com>"]
)
def test_a_recipient_off_the_list_is_left_out_and_named(to: str) -> None:
    recipients, note = routed(to, allow_routing=True)

    assert recipients == ["oncall@example.com"]
    assert to in note


# --- Verdicts -------------------------------------------------------------------------------------------


def outcome(reply: Response) -> SendError:
    return failing(Email().send(a_config(), a_dispatch()), reply)


@pytest.mark.parametrize(
    "stage", ["greeting", "hello", "starttls", "auth", "sender", "recipients", "content"]
)
@pytest.mark.parametrize("code", [421, 450, 451, 452, 454, -1])
def test_a_passing_refusal_is_tried_again(stage: str, code: int) -> None:
    error = outcome(a_reply(stage, code, "later"))

    assert (error.reason, error.retry, error.disable) == (Reason.SERVER_ERROR, True, False)
    assert "later" in error.text


@pytest.mark.parametrize(
    ("stage", "code", "reason", "disable", "advice"),
    [
        ("greeting", 554, Reason.AUTH, True, "ask its administrator"),
        ("hello", 550, Reason.AUTH, True, "ask its administrator"),
        ("starttls", 501, Reason.TLS, True, "nothing is sent in clear"),
        ("auth", 535, Reason.AUTH, True, "Check the user name and the password"),
        ("auth", 534, Reason.AUTH, True, "app password"),
        ("sender", 530, Reason.AUTH, True, "Check the user name and the password"),
        ("sender", 550, Reason.MISCONFIGURED, True, "Check the sender"),
        ("sender", 552, Reason.INVALID_MESSAGE, False, "others may pass"),
        ("recipients", 550, Reason.INVALID_MESSAGE, False, "Check the recipients"),
        ("content", 554, Reason.INVALID_MESSAGE, False, "others may pass"),
        ("content", 552, Reason.INVALID_MESSAGE, False, "others may pass"),
    ],
)
def test_a_lasting_refusal_is_final(
    stage: str, code: int, reason: Reason, advice: str, *, disable: bool
) -> None:
    error = outcome(a_reply(stage, code, "5.0.0 no"))

    assert (error.reason, error.retry, error.disable) == (reason, False, disable)
    assert advice in error.text
    assert f"smtp.example.com:587 says {code} 5.0.0 no" in error.text or stage == "recipients"


def test_it_is_tried_again_when_nobody_was_accepted_and_somebody_may_be_later() -> None:
    error = outcome(
        a_reply("recipients", 550, "no", {"a@example.com": (450, "busy"), "b@example.com": (550, "unknown")})
    )

    assert (error.reason, error.retry) == (Reason.SERVER_ERROR, True)
    assert "a@example.com (450 busy); b@example.com (550 unknown)" in error.text


def test_it_is_final_when_nobody_will_ever_be_accepted() -> None:
    error = outcome(a_reply("recipients", 550, "no", {"b@example.com": (550, "unknown")}))

    assert (error.reason, error.retry) == (Reason.INVALID_MESSAGE, False)


def test_it_is_delivered_when_somebody_was_accepted_and_says_who_was_not() -> None:
    reply = a_reply("content", 250, "queued", {"b@example.com": (450, "busy")})

    _, receipt = converse(Email().send(a_config(), a_dispatch()), reply)

    assert receipt.note == ("Not to b@example.com (450 busy): it is not tried again, as the others have it.")


def test_the_receipt_remembers_the_thread() -> None:
    _, receipt = converse(Email().send(a_config(), a_dispatch()), a_reply("content", 250, "queued"))

    assert receipt == Receipt(
        remote={
            "event": a_message().id,
            "subject": "[KubeGraf] Critical: Pod my-app-123 in crash loop (production)",
        }
    )


def test_the_subject_of_the_thread_does_not_grow() -> None:
    remote = {"event": a_message().id, "subject": "[KubeGraf] first"}

    _, receipt = converse(Email().send(a_config(), a_dispatch(remote=remote)), a_reply("content", 250))

    assert receipt.remote["subject"] == "[KubeGraf] first"


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"[]", b"{}", b'{"stage":"content","reply":"250","refused":{}}']
)
def test_an_answer_of_another_kind_is_no_success(body: bytes) -> None:
    error = outcome(answer(250, body))

    assert (error.reason, error.retry) == (Reason.BAD_ANSWER, True)


# --- With a real server ---------------------------------------------------------------------------------

PASSWORD = "open-s3same"


@dataclass
class Mailbox:
    """What a server took, and what it is to refuse."""

    host: str = "127.0.0.1"
    port: int = 0
    taken: list[Envelope] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    content_reply: str = "250 OK"
    signed_in: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.encrypted.append(session.ssl is not None)
        if self.content_reply.startswith("250"):
            self.taken.append(envelope)
        return self.content_reply

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.signed_in.append(data.login.decode())
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    def config(self, **changes: Any) -> EmailConfig:
        return a_config(**{"smtp_host": self.host, "smtp_port": self.port, "password": PASSWORD, **changes})

    def unguarded(self, **changes: Any) -> EmailConfig:
        """Without encryption and without signing in."""
        return self.config(security="none", username="", password="", **changes)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that the system trusts for as long as the test lasts."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return ca


def certified(ca: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def serve() -> Iterator[Callable[..., Mailbox]]:
    """Starts mail servers: `serve(tls_context=…)` for STARTTLS, `serve(ssl_context=…)` for TLS at once."""
    running: list[Controller] = []

    def start(**options: Any) -> Mailbox:
        mailbox = Mailbox()
        with socket.socket() as probe:
            probe.bind((mailbox.host, 0))
            mailbox.port = probe.getsockname()[1]
        encrypted = {"auth_require_tls": "tls_context" in options}
        controller = Controller(
            mailbox,
            mailbox.host,
            mailbox.port,
            authenticator=mailbox.authenticate,
            **{**encrypted, **options},
        )
        controller.start()
        running.append(controller)
        return mailbox

    yield start
    for controller in running:
        controller.stop()


def held(conversation: Conversation, seconds: float = 10) -> Receipt:
    """The conversation over real connections."""

    def connect(host: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection((host, port), timeout)

    try:
        asked = next(conversation)
        while True:
            assert isinstance(asked, Call)
            asked = conversation.send(asked.perform(connect, time.monotonic() + seconds))
    except StopIteration as end:
        receipt: Receipt = end.value
        return receipt


def sending(config: EmailConfig, message: Message | None = None) -> Receipt:
    return held(Email().send(config, a_dispatch(message)))


def refused(config: EmailConfig, seconds: float = 10) -> SendError:
    with pytest.raises(SendError) as failed:
        held(Email().send(config, a_dispatch()), seconds)
    return failed.value


def test_a_mail_arrives_by_starttls(authority: trustme.CA, serve: Callable[..., Mailbox]) -> None:
    server = serve(tls_context=certified(authority), require_starttls=True, auth_required=True)

    sending(server.config(to="a@example.com, b@example.com"))

    (envelope,) = server.taken
    assert server.encrypted == [True]
    assert server.signed_in == ["kubegraf@example.com"]
    assert envelope.mail_from == "kubegraf@example.com"
    assert envelope.rcpt_tos == ["a@example.com", "b@example.com"]
    assert isinstance(envelope.content, bytes)
    arrived = message_from_bytes(envelope.content, policy=modern)
    assert arrived["Subject"] == "[KubeGraf] Critical: Pod my-app-123 in crash loop (production)"
    assert arrived["To"] == "a@example.com, b@example.com"


def test_a_mail_arrives_through_the_driver(
    authority: trustme.CA, serve: Callable[..., Mailbox], settings: Settings
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    server = serve(tls_context=certified(authority), require_starttls=True, auth_required=True)

    (((_, result),),) = drive({1: Email().send(server.config(), a_dispatch())})

    assert result.error is None
    assert len(server.taken) == 1


def test_a_server_that_the_operator_does_not_allow_is_not_connected_to(
    serve: Callable[..., Mailbox], settings: Settings
) -> None:
    settings.EGRESS_ALLOW = []
    server = serve()

    (((_, result),),) = drive({1: Email().send(server.unguarded(), a_dispatch())})

    assert result.error is not None
    assert result.error.reason is Reason.BLOCKED
    assert server.taken == []


def test_a_mail_arrives_by_tls_from_the_first_byte(
    authority: trustme.CA, serve: Callable[..., Mailbox]
) -> None:
    server = serve(ssl_context=certified(authority), auth_require_tls=False)

    sending(server.config(security="tls"))

    assert len(server.taken) == 1


def test_a_mail_arrives_without_encryption_where_that_is_chosen(serve: Callable[..., Mailbox]) -> None:
    server = serve()

    sending(server.unguarded())

    assert server.encrypted == [False]
    assert server.signed_in == []


def test_lines_that_begin_with_a_full_stop_arrive(serve: Callable[..., Mailbox]) -> None:
    server = serve()
    sending(server.unguarded(), a_message(description="one\n.\n..two"))

    content = server.taken[0].content
    assert isinstance(content, bytes)
    arrived = message_from_bytes(content, policy=modern)
    assert isinstance(arrived, EmailMessage)
    assert "one\n.\n..two" in part(arrived, "plain").replace("\r\n", "\n")


def test_nothing_is_sent_in_clear_where_the_server_has_no_starttls(serve: Callable[..., Mailbox]) -> None:
    server = serve()

    error = refused(server.config())

    assert (error.reason, error.retry, error.disable) == (Reason.TLS, False, True)
    assert "offers no STARTTLS" in error.text
    assert server.signed_in == server.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    serve: Callable[..., Mailbox], security: str
) -> None:
    context = certified(trustme.CA())
    server = serve(**{"tls_context" if security == "starttls" else "ssl_context": context})

    error = refused(server.config(security=security))

    assert (error.reason, error.retry) == (Reason.TLS, True)
    assert "is not to be trusted" in error.text
    assert server.signed_in == server.taken == []


def test_a_certificate_for_another_name_is_not_trusted(
    authority: trustme.CA, serve: Callable[..., Mailbox]
) -> None:
    server = serve(tls_context=certified(authority, "other.example.com"))

    error = refused(server.config())

    assert error.reason is Reason.TLS
    assert server.signed_in == server.taken == []


def test_a_wrong_password_pauses_the_connector(authority: trustme.CA, serve: Callable[..., Mailbox]) -> None:
    server = serve(tls_context=certified(authority), auth_required=True)
    config = a_config(smtp_host=server.host, smtp_port=server.port, password="wrong-s3same")

    error = refused(config)

    assert (error.reason, error.retry, error.disable) == (Reason.AUTH, False, True)
    assert "535" in error.text
    assert server.signed_in == ["kubegraf@example.com"]
    assert "wrong-s3same" not in error.text
    assert server.taken == []


def test_a_server_without_sign_in_is_told_apart(serve: Callable[..., Mailbox]) -> None:
    server = serve(auth_require_tls=True)

    error = refused(server.config(security="none"))

    assert (error.reason, error.disable) == (Reason.AUTH, True)
    assert "no way of signing in" in error.text


def test_who_is_accepted_has_the_mail_and_who_is_not_is_named(serve: Callable[..., Mailbox]) -> None:
    server = serve()
    server.refuse = {"b@example.com": "550 5.1.1 unknown", "c@example.com": "450 4.2.1 busy"}

    receipt = sending(server.unguarded(to="a@example.com,b@example.com,c@example.com"))

    assert [envelope.rcpt_tos for envelope in server.taken] == [["a@example.com"]]
    assert "b@example.com (550 5.1.1 unknown); c@example.com (450 4.2.1 busy)" in receipt.note


def test_nothing_is_sent_when_nobody_is_accepted(serve: Callable[..., Mailbox]) -> None:
    server = serve()
    server.refuse = {"oncall@example.com": "450 4.2.1 busy"}

    error = refused(server.unguarded())

    assert (error.reason, error.retry) == (Reason.SERVER_ERROR, True)
    assert server.taken == []


def test_content_that_is_refused_is_final(serve: Callable[..., Mailbox]) -> None:
    server = serve()
    server.content_reply = "554 5.7.1 looks like spam"

    error = refused(server.unguarded())

    assert (error.reason, error.retry, error.disable) == (Reason.INVALID_MESSAGE, False, False)


def test_the_check_signs_in_and_sends_nothing(authority: trustme.CA, serve: Callable[..., Mailbox]) -> None:
    server = serve(tls_context=certified(authority), auth_required=True)

    receipt = held(Email().check(server.config()))

    assert receipt.note == (
        f"Connected to 127.0.0.1:{server.port} with STARTTLS and signed in as kubegraf@example.com."
    )
    assert server.signed_in == ["kubegraf@example.com"]
    assert server.taken == server.encrypted == []


# --- With a server that is none -------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def scripted(listening: socket.socket, *said: bytes) -> threading.Thread:
    """Says these things to the first client, one after each line it sends, then hangs up."""

    def run() -> None:
        client, _ = listening.accept()
        with suppress(ConnectionError), client, client.makefile("rb") as lines:
            for line in said:
                client.sendall(line)
                if not lines.readline():
                    return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def plain(listening: socket.socket) -> EmailConfig:
    port = listening.getsockname()[1]
    return a_config(smtp_host="127.0.0.1", smtp_port=port, security="none", username="", password="")


def test_a_server_that_hangs_up_is_tried_again(listener: socket.socket) -> None:
    thread = scripted(listener, b"220 hello\r\n", b"250 hello\r\n")

    error = refused(plain(listener))

    thread.join()
    assert (error.reason, error.retry) == (Reason.NETWORK, True)


def test_a_server_that_says_nothing_is_waited_for_only_so_long(listener: socket.socket) -> None:
    error = refused(plain(listener), seconds=0.2)

    assert (error.reason, error.retry) == (Reason.TIMEOUT, True)


def test_a_server_that_is_closing_is_tried_again(listener: socket.socket) -> None:
    thread = scripted(listener, b"421 closing\r\n")

    error = refused(plain(listener))

    thread.join()
    assert (error.reason, error.retry) == (Reason.SERVER_ERROR, True)


def test_a_server_that_never_stops_talking_is_not_listened_to(listener: socket.socket) -> None:
    thread = scripted(listener, b"220-" + b"x" * 500 + b"\r\n" + (b"220-" + b"x" * 500 + b"\r\n") * 20_000)

    error = refused(plain(listener))

    thread.join()
    assert (error.reason, error.retry) == (Reason.NETWORK, True)
    assert "longer than any server's" in error.text


def test_the_password_is_not_in_what_is_printed_of_a_call() -> None:
    (asked,) = converse(Email().send(a_config(), a_dispatch()), a_reply("content", 250))[0]

    assert EXAMPLE["password"] not in repr(asked)
