"""`python -m demo.mail PORT URL`: a mail server on loopback that hands every mail on to the inbox.

A process of its own, that knows nothing of Django: SMTP in, one POST out.
"""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST = 1024 * 1024
WAIT = 10.0


class Relay:
    """What becomes of a mail: the inbox has it before the sender is told so."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """The reply to the sender: 250 once the inbox has it, 451 while it cannot be reached."""
        content = envelope.content or b""
        body = content if isinstance(content, bytes) else content.encode()
        try:
            await asyncio.to_thread(self._post, body)
        except (OSError, urllib.error.URLError):
            return "451 The inbox cannot be reached"
        return "250 OK"

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(self._url, body, {"Content-Type": "message/rfc822"})
        with urllib.request.urlopen(request, timeout=WAIT):
            pass


async def serve(port: int, url: str) -> None:
    """Until it is told to stop."""
    relay = Relay(url)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(relay, data_size_limit=LARGEST), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
