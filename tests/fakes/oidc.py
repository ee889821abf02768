"""A small OpenID Connect provider on loopback: discovery, authorization, token, keys, userinfo."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.receiver import Answer, Received, Receiver

CLIENT, SECRET = "kubegraf", "the client's secret"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ANOTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """Vouches for whomever `claims` describe. `token` and `told` change what it answers, to deceive."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "42", "preferred_username": "ada", "email": "ada@example.com"}
        self.token: dict[str, Any] = {}  # over the claims of the ID token; None takes one away
        self.told: dict[str, Any] = {}  # over what userinfo answers
        self.key: Any = KEY
        self.algorithm = "RS256"
        self.issuer_said = ""
        self._codes: dict[str, dict[str, str]] = {}
        self._server = Receiver(self._answer)

    @property
    def issuer(self) -> str:
        """The issuer's address."""
        return self._server.url

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def sign_in(self, address: str) -> str:
        """What a browser does there: the address that it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def _answer(self, request: Received) -> Answer:
        body: Any = {
            "/.well-known/openid-configuration": self._discovery,
            "/token": self._token,
            "/keys": self._keys,
            "/userinfo": self._userinfo,
        }[request.path](request)
        return (400 if "error" in body else 200, {"Content-Type": "application/json"}, body)

    def _discovery(self, _: Received) -> dict[str, Any]:
        return {
            "issuer": self.issuer_said or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }

    def _token(self, request: Received) -> dict[str, Any]:
        sent = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        asked = self._codes.pop(sent["code"], None)
        challenge = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        proved = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        if (
            asked is None
            or (sent["client_id"], sent["client_secret"]) != (CLIENT, SECRET)
            or sent["redirect_uri"] != asked["redirect_uri"]
            or proved != asked["code_challenge"]
        ):
            return {"error": "invalid_grant"}
        now = int(time.time())
        known = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {**known, **self.claims, **self.token}
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(claims, self.key, self.algorithm, headers={"kid": "one"})
        return {"access_token": "access", "token_type": "Bearer", "id_token": token}

    def _keys(self, _: Received) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
        return {"keys": [{**public, "kid": "one", "use": "sig"}]}

    def _userinfo(self, request: Received) -> dict[str, Any]:
        assert request.headers["Authorization"] == "Bearer access"
        return {**self.claims, **self.told}
