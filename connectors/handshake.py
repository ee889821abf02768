"""Asks whether a web address can be reached, sending nothing: its name, a connection, and its certificate.

For services that answer no question without a message being sent.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from connectors.conversation import Call, Connect, Conversation, Receipt, Response
from connectors.transport import failures, trust


@dataclass(frozen=True)
class Handshake(Call):
    """A connection that is closed again, after the TLS handshake where the address is an https one.

    The answer is {"port", "certificate_ends"}: when the certificate ends, as YYYY-MM-DD; "" without TLS.
    """

    url: str = field(repr=False)

    @property
    def host(self) -> str:
        """The receiver's name."""
        return urlsplit(self.url).hostname or ""

    def perform(self, connect: Connect, deadline: float) -> Response:
        """Connects and hangs up. Raises SendError: where it may not connect, cannot, or does not trust."""
        address = urlsplit(self.url)
        encrypted = address.scheme.lower() == "https"
        port = address.port or (443 if encrypted else 80)
        connection = connect(self.host, port, max(0.1, deadline - time.monotonic()))
        try:
            ends = self._certificate_ends(connection) if encrypted else ""
        finally:
            connection.close()
        return Response(200, {}, json.dumps({"port": port, "certificate_ends": ends}).encode())

    def _certificate_ends(self, connection: socket.socket) -> str:
        connection.settimeout(None)  # the driver cuts it off at the deadline
        try:
            with trust.context().wrap_socket(connection, server_hostname=self.host) as secure:
                ends = ssl.cert_time_to_seconds(str((secure.getpeercert() or {})["notAfter"]))
        except ssl.SSLCertVerificationError as error:
            raise failures.untrusted(self.host, error.verify_message.rstrip(".")) from None
        except ssl.SSLError as error:
            raise failures.no_tls(self.host, error.reason or "") from None
        except OSError as error:
            raise failures.connection_failed(self.host, error.strerror or str(error)) from None
        return datetime.fromtimestamp(ends, UTC).date().isoformat()


def reach(url: str) -> Conversation:
    """A provider's check: the address resolves, may be called, answers, and has a certificate to trust."""
    handshake = Handshake(url)
    found = (yield handshake).object
    ends = found["certificate_ends"]
    trusted = f"; its certificate is valid until {ends}" if ends else ", without encryption"
    return Receipt(note=f"{handshake.host} was reached at port {found['port']}{trusted}.")
