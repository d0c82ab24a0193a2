"""A community of four receivers and a roof with some key, its API and the store below it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from api.app import create_app
from api.live.feed import LiveFeed
from api.settings import ApiSettings
from energy.community import Community
from energy.quantities import Quality
from messaging.connection import Message
from runtime.clock import ManualClock
from storage.history import SiteQuarter
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from tests.api.conftest import NOW, Keys, bearer, live_site

QUARTER = 900_000
DAY = 96 * QUARTER
T = NOW - 4 * QUARTER
PATH = "/api/v1/communities/green/sharing"
RECEIVERS = ("a-school", "b-library", "c-pool", "d-hall")
SITES = (*RECEIVERS, "sun")
WITHDRAWN = (500, 1000, 1500, 3000, 0)  # docs/sharing.md, Methods: four receivers, 4 kWh injected by somebody else
INJECTED = (0, 0, 0, 0, 4000)
LISTED = {
    "a-school": {"weight": 0.25, "tier": 1},
    "b-library": {"weight": 0.25, "tier": 1},
    "c-pool": {"weight": 0.25, "tier": 2},
    "d-hall": {"weight": 0.25, "tier": 2, "name": "Town hall"},
}

Start = Callable[..., Awaitable["Sharing"]]


class Sharing:
    """The API of one community with some key, and the store below it."""

    def __init__(
        self, client: httpx.AsyncClient, history: SqliteHistory, headers: dict[str, dict[str, str]], live: LiveFeed
    ) -> None:
        self.client = client
        self.history = history
        self.headers = headers
        self.live = live

    def write(self, t: int = T, imports: Any = WITHDRAWN, exports: Any = INJECTED, **changes: Any) -> None:
        """One quarter-hour of all sites, Wh; None: unknown."""
        quarters = [
            SiteQuarter("green", site, t, 0.0, imported, exported, 0.0, 0.0, 0.0, Quality.MEASURED)
            for site, imported, exported in zip(SITES, imports, exports, strict=True)
        ]
        self.history.write_quarters([], [replace(quarter, **changes) for quarter in quarters])

    def tell(
        self, imports: Any = WITHDRAWN, exports: Any = INJECTED, *, t: int, until: int | None = None, **changes: Any
    ) -> None:
        """What all sites took and gave in the running quarter-hour, as the collector publishes it at `t`; None: nothing."""
        for site, imported, exported in zip(SITES, imports, exports, strict=True):
            energy = {"import_wh": imported, "export_wh": exported, "quality": "measured"}
            quarter = {"start": t - t % QUARTER, "until": until or t} | energy | changes
            body = live_site("green", site, t, quarter=None if imported is None else quarter)
            self.live.on_messages([Message(f"cw/v1/green/live/site/{site}", msgspec.json.encode(body), retained=True)])

    async def ask(self, role: str = "viewer", start: int = T, end: int = T + QUARTER, **query: Any) -> httpx.Response:
        return await self.client.get(PATH, params={"from": start, "to": end} | query, headers=self.headers[role])

    async def get(self, **query: Any) -> dict[str, Any]:
        answer = await self.ask(**query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
async def start(
    settings: ApiSettings, clock: ManualClock, history: SqliteHistory, register: Register, keys: Keys
) -> AsyncIterator[Start]:
    """start(sharing): an API with that key in its community's configuration, none for None."""
    clients: list[httpx.AsyncClient] = []
    headers = {role: bearer(keys.create(role, role, ["green"])) for role in ("viewer", "participant", "gateway")}
    headers["stranger"] = bearer(keys.create("stranger", "viewer", ["blue"]))

    async def run(sharing: dict[str, Any] | None = None, sites: tuple[str, ...] = SITES) -> Sharing:
        communities = [
            community("green", sites) | ({"sharing": sharing} if sharing else {}),
            community("blue", ("z-site",)),
        ]
        models = [Community.model_validate(content) for content in communities]
        live = LiveFeed(models, clock)
        app = create_app(settings, models, history, register, clock, live, keys)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
        clients.append(client)
        return Sharing(client, history, headers, live)

    yield run
    for client in clients:
        await client.aclose()


def community(name: str, sites: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "sites": [{"id": site, "name": f"Site {site}", "gateway": f"gw-{site}"} for site in reversed(sites)],
    }
