"""E-mail, submitted to an SMTP server with STARTTLS or implicit TLS; one thread for each event.

A message to several people is one submission, in which the server answers for each of them. Nobody is sent a
message twice: once one recipient has been accepted, the delivery is done, and whoever was refused is named on
record. Only when nobody was accepted is it tried again, and only if the server said that this may help. The
one exception is a connection that breaks before the server's last word: whether it took the mail is not known
then, so it is sent again, with the Message-ID it had.

Replies: RFC 5321 section 4.2 (4yz passes, 5yz stays); submission: RFC 6409 and RFC 8314; automatic mail: RFC
3834. The words of the mail are put together by `connectors.services.mail.body`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from connectors import text
from connectors.config_values import StringList, allowed, blank_is_absent, reveal, secret, string_or_list
from connectors.conversation import Conversation, Dispatch, Receipt
from connectors.message import JSONDict, Message, Status
from connectors.provider import Config, Preview, Provider
from connectors.services.mail import body as mail_body
from connectors.services.mail.headers import POLICY
from connectors.services.mail.smtp import Server, SignIn, Submission, judge, listed

# --- What it can be told --------------------------------------------------------------------------------

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(
    rf"(?=.{{1,64}}@.{{1,253}}$){_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII
)


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is not an e-mail address such as oncall@example.com")
    return value


def _apart(value: object) -> object:
    """Commas in place of the semicolons and line breaks that mail programs put between addresses."""
    if isinstance(value, str):
        return re.sub(r"[;\r\n]", ",", value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _apart("\n".join(value))
    return value


_AddressList = Annotated[StringList, BeforeValidator(_apart)]


def _addresses(values: list[str]) -> list[str]:
    return [_address(value) for value in values]


def _sender(value: str) -> str:
    if any(character in value for character in "\r\n"):
        raise ValueError("The sender must be on one line")
    if len(getaddresses([value])) > 1:
        raise ValueError(
            "Enter one sender, such as KubeGraf <kubegraf@example.com>; put a name with a comma in it between"
            " double quotes"
        )
    _address(parseaddr(value)[1] or value)
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?", value):
        raise ValueError(
            "Enter the server's name alone, such as smtp.example.com; the port has its own field"
        )
    return value.strip("[]")


def _ascii(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("It has characters that SMTP cannot carry: was it copied whole and nothing else?")
    return value


MOST_RECIPIENTS = 50  # of one message; RFC 5321 section 4.5.3.1.8 has every server take 100


class EmailConfig(Config):
    """A mail server, and who writes to whom."""

    smtp_host: Annotated[str, AfterValidator(_host)] = Field(
        title="SMTP server", description="Name of the mail server, such as smtp.example.com."
    )
    smtp_port: int = Field(
        default=587,
        ge=1,
        le=65535,
        title="Port",
        description="587 with STARTTLS, 465 with TLS from the start.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        title="Encryption",
        description="starttls: turned on before anything is said, never skipped. tls: from the first byte."
        " none: only for a server on a network you trust.",
    )
    username: Annotated[str, AfterValidator(_ascii)] = Field(
        default="",
        title="User name",
        description="Leave empty if the server asks for none.",
        json_schema_extra={"essential": True},
    )
    password: Annotated[SecretStr | None, secret(_ascii), BeforeValidator(blank_is_absent)] = Field(
        default=None,
        title="Password",
        description="Many services want an app password here rather than the account's own.",
        json_schema_extra={"essential": True},
    )
    sender: Annotated[str, AfterValidator(_sender)] = Field(
        title="Sender", description="KubeGraf <kubegraf@example.com>, or the address alone."
    )
    to: Annotated[_AddressList, AfterValidator(_addresses)] = Field(
        min_length=1,
        max_length=MOST_RECIPIENTS,
        title="Recipients",
        description="One or more addresses, with commas, semicolons or line breaks between them.",
    )
    subject_prefix: str = Field(
        default="[KubeGraf]", max_length=60, title="Subject prefix", description="Put before every subject."
    )
    allow_routing: bool = Field(
        default=False,
        title="Let workloads choose the recipients",
        description="Heeds the annotation kubegraf.io/email-to, within the list below.",
    )
    routing_recipients: _AddressList = Field(
        default_factory=list,
        title="Recipients that workloads may choose",
        description="Addresses, patterns such as team-*@example.com, or @example.com for all of a domain.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.username) != (self.password is not None):
            raise ValueError("Enter both the user name and the password, or neither")
        return self

    @property
    def domain(self) -> str:
        """The sender's domain, in which message ids are made."""
        return (parseaddr(self.sender)[1] or self.sender).rpartition("@")[2]


# --- The mail -------------------------------------------------------------------------------------------

_LONGEST_SUBJECT = 180


def subject(config: EmailConfig, message: Message) -> str:
    """One line. Later mails of an event repeat it: mail readers take another subject for another thread."""
    title = text.headline(message)
    if message.status in (Status.FIRING, Status.OCCURRED):
        title = f"{text.standing(message)}: {title}"
    cluster = f" ({text.one_line(message.cluster)})" if message.cluster else ""
    return text.shorten(text.one_line(f"{config.subject_prefix} {title}{cluster}"), _LONGEST_SUBJECT)


def mail(config: EmailConfig, dispatch: Dispatch, recipients: list[str]) -> EmailMessage:
    """The whole mail. Its Message-ID is the delivery's, so that a repeated one can be told by it.

    All mails of an event refer to the same root, an id that no mail has: so they find each other whichever
    of them arrives, and a mail sent anew is not taken for one already there.
    """
    message = dispatch.message
    root = _message_id(message.id, config)
    built = EmailMessage(policy=POLICY)
    built["From"] = text.one_line(config.sender)
    built["To"] = ", ".join(recipients)
    built["Subject"] = _subject_of(config, dispatch)
    built["Date"] = format_datetime(datetime.now(UTC))
    built["Message-ID"] = _message_id(dispatch.id, config)
    built["References"] = root
    if _continues(dispatch):
        built["In-Reply-To"] = root
    built["Auto-Submitted"] = "auto-generated"
    built["X-Auto-Response-Suppress"] = "All"
    built.set_content(mail_body.plain_text(message))
    built.add_alternative(mail_body.html(message), subtype="html")
    return built


def _continues(dispatch: Dispatch) -> bool:
    return dispatch.remote.get("event") == dispatch.message.id


def _subject_of(config: EmailConfig, dispatch: Dispatch) -> str:
    first = dispatch.remote.get("subject")
    return (
        f"Re: {first}"
        if _continues(dispatch) and isinstance(first, str)
        else subject(config, dispatch.message)
    )


def _message_id(name: str, config: EmailConfig) -> str:
    return f"<{re.sub(r'[^A-Za-z0-9-]', '-', name)}@kubegraf.{config.domain}>"


def recipients_of(config: EmailConfig, message: Message) -> tuple[list[str], str]:
    """Whom the message goes to, and a remark where the workload's wish was not granted."""
    wishes = string_or_list(_apart(message.routing.get("email-to", ""))) if config.allow_routing else []
    if not isinstance(wishes, list) or not wishes:
        return config.to, ""
    wishes = wishes[:MOST_RECIPIENTS]
    patterns = [f"*{item}" if item.startswith("@") else item for item in config.routing_recipients]
    granted = [wish for wish in wishes if _ADDRESS.fullmatch(wish) and allowed(wish, patterns)]
    refused = ", ".join(text.one_line(wish)[:80] for wish in wishes if wish not in granted)
    note = (
        f"The workload also asks for {refused}, which is not among the recipients that workloads may choose."
    )
    return granted or config.to, note if refused else ""


class Email(Provider[EmailConfig]):
    """Mail to people and lists."""

    slug = "email"
    label = "E-mail"
    summary = "Mail through your SMTP server, encrypted, with one thread for each event."
    needs = "The name of a mail server, an account that may send, and the addresses to send to."
    icon = "mail"
    config_class = EmailConfig
    digests = True
    example = {
        "smtp_host": "smtp.example.com",
        "smtp_port": 587,
        "security": "starttls",
        "username": "kubegraf@example.com",
        "password": "made0up1secret2for3docs",
        "sender": "KubeGraf <kubegraf@example.com>",
        "to": ["oncall@example.com"],
    }

    def send(self, config: EmailConfig, dispatch: Dispatch) -> Conversation:
        """One submission."""
        recipients, note = recipients_of(config, dispatch.message)
        built = mail(config, dispatch, recipients)
        server = _server(config)
        sender = parseaddr(config.sender)[1] or config.sender
        response = yield Submission(server, sender, tuple(recipients), built.as_bytes())
        refused = judge(server, response)
        if refused:
            note = f"{note} Not to {listed(refused)}: it is not tried again, as the others have it.".strip()
        first = dispatch.remote.get("subject") if _continues(dispatch) else None
        return Receipt(
            remote={"event": dispatch.message.id, "subject": first or str(built["Subject"])}, note=note
        )

    def preview(self, config: EmailConfig, message: Message) -> Preview:
        """Subject and both parts."""
        recipients, _ = recipients_of(config, message)
        content: JSONDict = {
            "subject": subject(config, message),
            "text": mail_body.plain_text(message),
            "html": mail_body.html(message),
        }
        return Preview("email", ", ".join(recipients), content)

    def check(self, config: EmailConfig) -> Conversation:
        """Connects, turns on TLS and signs in."""
        server = _server(config)
        judge(server, (yield SignIn(server)))
        manner = {"starttls": "with STARTTLS", "tls": "with TLS", "none": "without encryption"}[
            config.security
        ]
        who = f" and signed in as {config.username}" if config.username else ""
        return Receipt(note=f"Connected to {server.name} {manner}{who}.")

    def warnings(self, config: EmailConfig) -> list[str]:
        """No encryption, ports that go with another encryption, and settings without effect."""
        found = []
        if config.security == "none":
            also = " and the password" if config.username else ""
            found.append(f"Without encryption everybody on the way can read the mail{also}.")
        if (config.smtp_port, config.security) in ((465, "starttls"), (587, "tls")):
            other = "tls" if config.security == "starttls" else "starttls"
            found.append(f"Port {config.smtp_port} usually goes with the encryption “{other}”.")
        if config.allow_routing and not config.routing_recipients:
            found.append("Workloads may choose recipients, but the list of whom they may choose is empty.")
        if config.routing_recipients and not config.allow_routing:
            found.append("The list of recipients for workloads has no effect while they may not choose.")
        return found


def _server(config: EmailConfig) -> Server:
    password = reveal(config.password, "Password", _ascii) if config.password is not None else ""
    return Server(config.smtp_host, config.smtp_port, config.security, config.username, password)
