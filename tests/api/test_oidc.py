"""Tokens of an identity provider: a small real one here, with its own keys, asked over real HTTP."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from api.app import create_app
from api.live.feed import LiveFeed
from api.settings import ApiSettings, OidcSettings
from storage.register import Register
from storage.register.people import USERS, User
from storage.register.roles import AccessRole
from tests.api.conftest import COMMUNITIES, NOW, Api, bearer

LEA = User(id="u-1", person="p-1", role=AccessRole.OPERATOR, communities=("ixelles",), login="lea-at-city")


class Provider:
    """An issuer of tokens: discovery and keys over HTTP, tokens by hand. `asked`: what was asked of it."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.asked: list[str] = []
        self.described: dict[str, Any] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                found = {"/.well-known/openid-configuration": provider.discovery, "/keys": provider.jwks}.get(self.path)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(json.dumps(found() if found else {}).encode())

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.rotate("first")

    def discovery(self) -> dict[str, Any]:
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"} | self.described

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self._jwk(name, key) for name, key in self.keys.items()]}

    def rotate(self, name: str, kind: str = "RSA") -> None:
        """A new key in the place of all others."""
        made = ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65_537, 2048)
        self.keys = {name: made}

    def token(self, key: Any = None, **claims: Any) -> str:
        """A token of an hour, signed by the present key or by `key`."""
        name, own = next(iter(self.keys.items()))
        whole = {"iss": self.issuer, "aud": "commonwatt", "sub": "lea-at-city", "exp": time.time() + 3600} | claims
        present = {claim: value for claim, value in whole.items() if value is not None}
        algorithm = "ES256" if isinstance(key or own, ec.EllipticCurvePrivateKey) else "RS256"
        return jwt.encode(present, key or own, algorithm, headers={"kid": name})

    @staticmethod
    def _jwk(name: str, key: Any) -> dict[str, Any]:
        made = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
        return json.loads(made.to_jwk(key.public_key())) | {"kid": name, "use": "sig"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
async def city(api: Api, provider: Provider, settings: ApiSettings, register: Register) -> Api:
    """An API that takes the provider's tokens; Léa is a user with a login there."""
    with register.database.write() as connection:
        USERS.put(connection, LEA, NOW)
    api.keys.look()
    oidc = OidcSettings(issuer=provider.issuer, audience="commonwatt")
    live = LiveFeed(COMMUNITIES, api.clock)
    app = create_app(
        settings.model_copy(update={"oidc": oidc}), COMMUNITIES, api.history, register, api.clock, live, api.keys
    )
    api.app, api.live = app, live
    api.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
    return api


async def status(api: Api, token: str, path: str = "/api/v1/live") -> int:
    return (await api.client.get(path, headers=bearer(token))).status_code


async def test_token_stands_for_the_user_of_its_login(city: Api, provider: Provider):
    answer = await city.client.get("/api/v1/me", headers=bearer(provider.token()))
    assert (answer.status_code, answer.json()["name"], answer.json()["role"]) == (200, "u-1", "operator")
    assert await status(city, provider.token(), "/api/v1/communities/schaerbeek/history") == 404
    assert await status(city, provider.token(), "/api/v1/communities/ixelles/statements?month=2026-06") == 403


async def test_our_own_keys_stay_valid_beside_it(city: Api):
    assert (await city.get("/api/v1/live")).status_code == 200


async def test_issuer_is_asked_once_for_many_tokens(city: Api, provider: Provider):
    for n in range(20):
        assert await status(city, provider.token(jti=str(n))) == 200
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"exp": 1_000},
        {"exp": None},
        {"nbf": 9_999_999_999},
        {"sub": "nobody"},
        {"sub": None},
        {"sub": ["lea-at-city"]},
        {"sub": ""},
    ],
)
async def test_token_that_is_not_for_us_or_over_or_nobodys_is_401(
    city: Api, provider: Provider, claims: dict[str, Any]
):
    assert await status(city, provider.token(**claims)) == 401


async def test_token_of_another_signer_is_401(city: Api, provider: Provider):
    assert await status(city, provider.token(rsa.generate_private_key(65_537, 2048))) == 401


async def test_token_that_nobody_signed_or_that_was_signed_with_the_public_key_is_401(city: Api, provider: Provider):
    head, body, _ = provider.token().split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"first"}').decode().rstrip("=")
    symmetric = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').decode().rstrip("=")
    for wrong in (
        f"{unsigned}.{body}.",
        f"{symmetric}.{body}.c2ln",
        f"{head}.{body}.c2ln",
        "a.b.c",
        "..",
        "\udcff.x.y",
    ):
        answer = await city.client.get(
            "/api/v1/live", headers={b"Authorization": b"Bearer " + wrong.encode("utf-8", "surrogateescape")}
        )
        assert answer.status_code == 401, wrong


async def test_new_key_of_the_issuer_is_fetched_when_a_token_names_it(
    city: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("api.oidc._PAUSE_S", 0.0)
    assert await status(city, provider.token()) == 200
    provider.rotate("second", "EC")
    assert await status(city, provider.token()) == 200


async def test_tokens_of_made_up_keys_do_not_have_the_issuer_asked_at_each(city: Api, provider: Provider):
    stranger = rsa.generate_private_key(65_537, 2048)
    assert await status(city, provider.token()) == 200
    for n in range(10):
        forged = jwt.encode({"sub": "lea-at-city"}, stranger, "RS256", headers={"kid": f"made-up-{n}"})
        assert await status(city, forged) == 401
    assert len(provider.asked) == 2


async def test_while_the_issuer_is_away_who_was_known_comes_in_and_others_do_not(city: Api, provider: Provider):
    known = provider.token()
    assert await status(city, known) == 200
    provider.server.shutdown()
    provider.server.server_close()
    assert await status(city, known) == 200
    assert await status(city, provider.token(jti="another")) == 200  # by the keys that are known
    provider.keys = {"unknown": rsa.generate_private_key(65_537, 2048)}
    assert await status(city, provider.token()) == 401


async def test_issuer_that_calls_itself_otherwise_is_not_believed(city: Api, provider: Provider):
    provider.described = {"issuer": "https://elsewhere.example"}
    assert await status(city, provider.token()) == 401


async def test_disabled_user_is_out_with_a_token_that_is_still_valid(city: Api, provider: Provider, register: Register):
    token = provider.token()
    assert await status(city, token) == 200
    with register.database.write() as connection:
        USERS.put(
            connection, User(id="u-1", person="p-1", role=AccessRole.OPERATOR, login="lea-at-city", disabled=True), NOW
        )
    city.keys.look()
    assert await status(city, token) == 401


async def test_login_that_two_users_have_stands_for_neither(city: Api, provider: Provider, register: Register):
    with register.database.write() as connection:
        USERS.put(connection, User(id="u-2", person="p-2", role=AccessRole.ADMIN, login="lea-at-city"), NOW)
    city.keys.look()
    assert await status(city, provider.token()) == 401


@pytest.mark.parametrize("issuer", ["http://id.example.org", "ftp://127.0.0.1", "id.example.org", "https://"])
def test_issuer_must_be_reached_safely(issuer: str):
    with pytest.raises(ValidationError, match="https:// address"):
        OidcSettings(issuer=issuer, audience="commonwatt")
