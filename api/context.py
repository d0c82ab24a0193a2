"""What the routes work with, made once by `create_app` and found through the request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request

from api.forecasts import Forecasts
from api.keys import KeyStore
from api.limits import RateLimit
from api.live.feed import LiveFeed
from api.metrics import ApiMetrics
from api.oidc import Issuer
from api.places import Places
from api.probe import StoreProbe
from api.settings import ApiSettings
from energy.community import Community
from energy.sizing.terms import SizingTerms
from messaging.notices import NotificationSettings
from runtime.clock import Clock
from storage.history import History
from storage.register import Register

if TYPE_CHECKING:
    from api.buildings.accounts import Accounts

__all__ = ["Context", "Ctx", "context_of"]

_MOST_READERS: Final = 8  # questions to the history at once, of some forty threads: the others are everybody else's


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one API service."""

    settings: ApiSettings
    communities: Sequence[Community]
    history: History
    register: Register
    clock: Clock
    live: LiveFeed
    keys: KeyStore
    places: Places
    store: StoreProbe
    metrics: ApiMetrics
    rate_limit: RateLimit
    forecasts: Forecasts
    notifications: NotificationSettings
    accounts: Callable[[], Accounts]
    oidc: Issuer | None = None
    investment: SizingTerms | None = None
    command_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    readers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MOST_READERS))


def context_of(request: Request) -> Context:
    """The context of the app that serves `request`."""
    context: Context = request.app.state.context
    return context


async def _context(request: Request) -> Context:
    return context_of(request)


Ctx = Annotated[Context, Depends(_context)]
