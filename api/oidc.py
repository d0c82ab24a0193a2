"""Bearer tokens of an identity provider: verified by its published keys, then known for as long as they are valid."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool

from api.settings import OidcSettings
from energy.errors import ConfigError

if TYPE_CHECKING:
    from jwt import PyJWK

__all__ = ["Issuer", "Token"]

log = logging.getLogger(__name__)

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY_S: Final = 30.0  # clocks of two machines differ
_KEYS_S: Final = 3600.0  # how long keys are taken for the issuer's
_PAUSE_S: Final = 10.0  # between two looks: tokens of made-up keys must not have us ask at each
_TIMEOUT_S: Final = 5.0
_MOST_BYTES: Final = 1_000_000
_MOST_TOKENS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was verified. `login`: whom it names; `until`: when it ends, s since 1970."""

    login: str
    until: float


class Issuer:
    """One identity provider. A token's signature is computed once; its user is looked up at each request."""

    def __init__(self, settings: OidcSettings) -> None:
        try:
            import jwt  # noqa: PLC0415 - a centre without OIDC needs no such package
        except ModuleNotFoundError as error:
            raise ConfigError(
                "OIDC needs the package PyJWT", field="api.oidc", hint="pip install 'commonwatt[oidc]'"
            ) from error
        self._jwt = jwt
        self._settings = settings
        self._keys: Mapping[str | None, PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._lock = asyncio.Lock()
        self._tokens: OrderedDict[str, Token] = OrderedDict()

    def current(self, digest: str) -> Token | None:
        """The token of that SHA-256 if it was verified and is still valid."""
        token = self._tokens.get(digest)
        return token if token is not None and time.time() < token.until else None

    async def verify(self, text: str) -> tuple[str, Token] | None:
        """(its SHA-256, the token), or None: not signed by the issuer, for another audience, over, or no token at all."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        known = self.current(digest)
        if known is None:
            known = await self._read(text)
            if known is None:
                return None
            self._tokens[digest] = known
            if len(self._tokens) > _MOST_TOKENS:
                self._tokens.popitem(last=False)
        return digest, known

    async def _read(self, text: str) -> Token | None:
        try:
            key = await self._key(self._jwt.get_unverified_header(text).get("kid"))
            if key is None:
                return None
            claims = self._jwt.decode(
                text,
                key,
                algorithms=_ALGORITHMS,
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (self._jwt.PyJWTError, ValueError) as error:
            log.info("a token was refused: %s", error)
            return None
        login = claims.get(self._settings.claim)
        return Token(login, float(claims["exp"]) + _LEEWAY_S) if isinstance(login, str) and login else None

    async def _key(self, name: str | None) -> PyJWK | None:
        """The issuer's key of that name; asked for when it is unknown or the keys are old."""
        async with self._lock:
            now = time.monotonic()
            wanted = name not in self._keys or now - self._fetched_at > _KEYS_S
            if wanted and now - self._asked_at > _PAUSE_S:
                self._asked_at = now
                try:
                    self._keys = await run_in_threadpool(self._fetch)
                    self._fetched_at = now
                except (OSError, ValueError, KeyError, self._jwt.PyJWTError) as error:
                    log.warning("keys of %s are not known anew: %s", self._settings.issuer, error)
        return self._keys.get(name)

    def _fetch(self) -> dict[str | None, PyJWK]:
        issuer = self._settings.issuer
        described = _json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if described["issuer"] != issuer:
            raise ValueError(f"it calls itself {described['issuer']!r}")
        address = str(described["jwks_uri"])
        if urlsplit(address).scheme != "https" and urlsplit(issuer).scheme == "https":
            raise ValueError(f"its keys lie at {address}, which is not https")
        found = self._jwt.PyJWKSet.from_dict(_json(address))
        return {key.key_id: key for key in found.keys if key.public_key_use in {None, "sig"}}


def _json(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http or https, see OidcSettings
        return json.loads(answer.read(_MOST_BYTES))
