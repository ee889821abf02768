"""How an exchange can fail, in our own words, the same whichever driver performed it.

Those of the libraries contain the address, and its path may be the secret.
"""

from __future__ import annotations

from connectors.errors import Reason, SendError


def too_late(host: str, seconds: float) -> SendError:
    """There was no whole answer in time. `seconds` is how long was waited."""
    return SendError(Reason.TIMEOUT, f"No complete answer from {host} within {seconds:.3g} s.", retry=True)


def untrusted(host: str, why: str) -> SendError:
    """The certificate is not one to be believed."""
    return SendError(
        Reason.TLS,
        f"The certificate of {host} is not to be trusted: {why}. If an authority of your own issued it, name"
        " the file with its certificate in SSL_CERT_FILE.",
        retry=True,
    )


def no_tls(host: str, why: str) -> SendError:
    """No encrypted connection came about. `why` is OpenSSL's reason, such as `WRONG_VERSION_NUMBER`."""
    words = why.replace("_", " ").lower()
    if words in ("wrong version number", "http request"):
        words = "what answers there speaks no TLS, perhaps plain http"
    return SendError(
        Reason.TLS, f"No TLS connection with {host}: {words or 'the connection was closed'}.", retry=True
    )


def unanswered(host: str) -> SendError:
    """The receiver hung up before it said anything."""
    return _network(f"{host} closed the connection without an answer.")


def reset(host: str) -> SendError:
    """The receiver reset the connection."""
    return _network(f"{host} reset the connection.")


def broken_off(host: str) -> SendError:
    """The receiver hung up before all was said."""
    return _network(f"{host} closed the connection in the middle of its answer.")


def connection_failed(host: str, why: str) -> SendError:
    """Anything else that can become of a connection."""
    return _network(f"The connection to {host} failed: {why}.")


def improper(host: str, why: str) -> SendError:
    """What came is not HTTP."""
    text = f"{host} sent what is not a proper HTTP answer ({why})."
    return SendError(Reason.BAD_ANSWER, text, retry=True)


NO_STATUS_LINE = "it does not begin like one"
TOO_MANY_HEADERS = "its headers are too many or too long"
BADLY_PACKED = "its body is not packed as it says"
INCOHERENT = "its parts contradict each other"


def _network(text: str) -> SendError:
    return SendError(Reason.NETWORK, text, retry=True)
