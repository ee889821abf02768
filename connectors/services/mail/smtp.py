"""Submitting a mail: the dialogue with an SMTP server, and what its replies mean.

Replies: RFC 5321 section 4.2 (4yz passes, 5yz stays); submission: RFC 6409 and RFC 8314.
"""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
import time
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from connectors import text
from connectors.conversation import Call, Connect, Response
from connectors.errors import Reason, SendError

# --- The submission -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """Where mail is submitted, and as whom."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}"


_MOST_REPLIES = 256 * 1024  # bytes in one session; a few lines are usual


class _Replies:
    """A server's replies, which end when there are too many of them."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = _MOST_REPLIES

    def readline(self, limit: int) -> bytes:
        line: bytes = self._stream.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("its replies are longer than any server's")
        return line

    def close(self) -> None:
        self._stream.close()


class _Session(smtplib.SMTP):
    """smtplib over a connection made by the driver, which cuts it off at the deadline."""

    def __init__(self, server: Server, connect: Connect, seconds: float) -> None:
        # It says its address as its name once connected: asking DNS for a name could take longer than that.
        super().__init__(local_hostname="localhost", timeout=seconds)
        self.stage = "greeting"
        self._server, self._connect = server, connect
        self._host = server.host  # whose certificate smtplib demands after STARTTLS

    def open(self) -> None:
        """Connects, turns on TLS and signs in. Raises what smtplib raises, and SendError."""
        code, said = self.connect(self._server.host, self._server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        self.stage = "hello"
        self.ehlo_or_helo_if_needed()
        if self._server.security == "starttls":
            self.stage = "starttls"
            code, said = self.starttls(context=tls_context())
            if code != 220:
                raise smtplib.SMTPResponseException(code, said)
            self.ehlo_or_helo_if_needed()
        if self._server.username:
            self.stage = "auth"
            self._sign_in()

    def _sign_in(self) -> None:
        # Unlike smtplib's login, one attempt: a wrong password said in three ways may lock the account.
        self.user, self.password = self._server.username, self._server.password
        ways: list[tuple[str, Any]] = [
            ("PLAIN", self.auth_plain),
            ("LOGIN", self.auth_login),
            ("CRAM-MD5", self.auth_cram_md5),
        ]
        if self._server.security == "none":
            ways.reverse()  # the last shows nobody the password
        offered = self.esmtp_features.get("auth", "").upper().split()
        for name, method in ways:
            if name in offered:
                self.auth(name, method)
                return
        raise smtplib.SMTPNotSupportedError(f"of PLAIN, LOGIN and CRAM-MD5 it has none ({' '.join(offered)})")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = self._connect(host, port, timeout)
        connection.settimeout(timeout)
        own = connection.getsockname()[0]
        self.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        if self._server.security == "tls":
            return tls_context().wrap_socket(connection, server_hostname=host)
        return connection

    def getreply(self) -> tuple[int, bytes]:
        """One reply, out of a bounded number."""
        if self.file is None and self.sock is not None:
            self.file = _Replies(self.sock.makefile("rb"))
        return super().getreply()

    def end(self, *, politely: bool) -> None:
        """Closes. A server that does not answer the good-bye is not waited for: all has been said."""
        with suppress(OSError):
            if politely and self.sock is not None:
                self.sock.settimeout(1)
                self.docmd("QUIT")
        self.close()


def tls_context() -> ssl.SSLContext:
    """Certificates and host names are checked, by the system's authorities or those of SSL_CERT_FILE."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class _SMTPCall(Call):
    """A session with the server, whose last reply is put as a Response: {"stage", "reply", "refused"}."""

    server: Server

    @property
    def host(self) -> str:
        """The server's name."""
        return self.server.host

    @abstractmethod
    def talk(self, session: _Session) -> Response:
        """What is said once signed in."""

    def perform(self, connect: Connect, deadline: float) -> Response:
        """The session. A refusal is a Response; raises SendError where there was no whole answer."""
        session = _Session(self.server, connect, max(0.1, deadline - time.monotonic()))
        done = False
        try:
            session.open()
            response = self.talk(session)
            done = True
        except smtplib.SMTPResponseException as error:
            done = True
            return _response(session.stage, error.smtp_code, error.smtp_error)
        except (OSError, ValueError) as error:
            raise self._failure(session, error, deadline) from None
        else:
            return response
        finally:
            session.end(politely=done)

    def _failure(self, session: _Session, error: Exception, deadline: float) -> SendError:
        name = self.server.name
        if isinstance(error, smtplib.SMTPNotSupportedError) and session.stage == "starttls":
            advice = "Check the port, or choose “tls” (port 465) if that is what the server has"
            return SendError(
                Reason.TLS,
                f"{name} offers no STARTTLS, and nothing is sent in clear. {advice}.",
                disable=True,
            )
        if (
            session.stage == "auth"
            and isinstance(error, smtplib.SMTPException | ValueError)
            and not isinstance(error, smtplib.SMTPServerDisconnected)
        ):
            return SendError(
                Reason.AUTH,
                f"{name} offers no way of signing in that can be used here: {error}",
                disable=True,
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return SendError(
                Reason.TLS,
                f"The certificate of {name} is not to be trusted: {error.verify_message}. Check the server's"
                " name; for an authority of your own, set SSL_CERT_FILE.",
                retry=True,
            )
        if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
            return SendError(Reason.TIMEOUT, f"{name} did not answer in time ({session.stage})", retry=True)
        if isinstance(error, ssl.SSLError):
            advice = "Check port and encryption: 587 goes with starttls, 465 with tls"
            return SendError(
                Reason.TLS, f"{name} does not speak TLS as expected: {error}. {advice}.", retry=True
            )
        return SendError(
            Reason.NETWORK, f"The connection to {name} broke ({session.stage}): {error}", retry=True
        )


@dataclass(frozen=True)
class SignIn(_SMTPCall):
    """Connects, turns on TLS, signs in, and leaves."""

    def talk(self, session: _Session) -> Response:
        """NOOP."""
        session.stage = "check"
        return _response("check", *session.noop())


@dataclass(frozen=True)
class Submission(_SMTPCall):
    """One mail to all its recipients."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)

    def talk(self, session: _Session) -> Response:
        """MAIL, RCPT for each, and DATA if anybody was accepted."""
        session.stage = "sender"
        size = [f"size={len(self.content)}"] if session.has_extn("size") else []
        code, said = session.mail(self.sender, size)
        if code != 250:
            return _response(session.stage, code, said)
        session.stage = "recipients"
        refused: dict[str, tuple[int, str]] = {}
        for recipient in self.recipients:
            code, said = session.rcpt(recipient)
            if code not in (250, 251):
                refused[recipient] = (code, _words(said))
        if len(refused) == len(self.recipients):
            session.rset()
            return _response(session.stage, code, said, refused)
        session.stage = "content"
        code, said = session.data(self.content)
        return _response(session.stage, code, said, refused)


def _response(
    stage: str, code: int, said: bytes | str, refused: Mapping[str, tuple[int, str]] | None = None
) -> Response:
    answer = {"stage": stage, "reply": [code, _words(said)], "refused": refused or {}}
    return Response(code if code > 0 else 500, {}, json.dumps(answer).encode())


def _words(said: bytes | str) -> str:
    given = said.decode("utf-8", errors="replace") if isinstance(said, bytes) else said
    return text.one_line(given)[:300]


# --- What came of it ------------------------------------------------------------------------------------

# What a lasting refusal (5yz) means at each stage: why, whether the connector is broken, what to do.
_REFUSALS = {
    "greeting": (
        Reason.AUTH,
        True,
        "The server talks to nobody, or not to this network: ask its administrator",
    ),
    "hello": (Reason.AUTH, True, "The server does not talk to this network: ask its administrator"),
    "starttls": (Reason.TLS, True, "The server cannot turn on TLS, and nothing is sent in clear"),
    "auth": (
        Reason.AUTH,
        True,
        "Check the user name and the password; many services want an app password, and SMTP turned on",
    ),
    "check": (Reason.AUTH, True, "Check the server's settings"),
    "sender": (
        Reason.MISCONFIGURED,
        True,
        "Check the sender: the server does not take mail from this address",
    ),
    "recipients": (
        Reason.INVALID_MESSAGE,
        False,
        "Check the recipients: the server takes mail for none of them",
    ),
    "content": (Reason.INVALID_MESSAGE, False, "The server does not take this message; others may pass"),
}
_SIGN_IN_FIRST = {530, 535}
_TOO_LARGE = 552  # of the size that MAIL announces: RFC 1870 section 6.1


def judge(server: Server, response: Response) -> dict[str, tuple[int, str]]:
    """Who was refused, by address, where the rest was accepted. Raises SendError where nothing was."""
    answer = response.object
    try:
        stage, (code, said) = answer["stage"], answer["reply"]
        code = int(code)
        refused = {address: (int(reply[0]), str(reply[1])) for address, reply in answer["refused"].items()}
        reason, disable, advice = _REFUSALS[stage]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise SendError(Reason.BAD_ANSWER, "The answer is not that of a mail session", retry=True) from None
    if 200 <= code < 300 and stage in ("check", "content"):
        return refused
    words, codes = f"{server.name} says {code} {said}".rstrip(), [code]
    if refused and stage == "recipients":
        words = f"{server.name} takes none of the recipients: {listed(refused)}"
        codes = [reply[0] for reply in refused.values()]
    if any(not 500 <= each < 600 for each in codes):
        raise SendError(Reason.SERVER_ERROR, words, retry=True)
    if all(each in _SIGN_IN_FIRST for each in codes):
        reason, disable, advice = _REFUSALS["auth"]
    elif stage == "sender" and code == _TOO_LARGE:
        reason, disable, advice = _REFUSALS["content"]
    raise SendError(reason, f"{words}. {advice}.", disable=disable)


def listed(refused: Mapping[str, tuple[int, str]]) -> str:
    """Addresses that the server refuses, each with what it says of it."""
    return "; ".join(f"{address} ({code} {said})" for address, (code, said) in refused.items())
