"""No sum tells of fewer than five whom the caller does not see singly, not by taking off what it knows either."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from api.app import create_app
from api.groups import check_group
from api.live.feed import LiveFeed
from api.problems import Problem
from api.settings import ApiSettings
from energy.community import Community
from energy.quantities import Quality
from runtime.clock import ManualClock
from storage.history import SiteQuarter
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from tests.api.conftest import DAY, NOW, Keys, bearer

QUARTER = 900_000


@dataclass
class Town:
    """An API over one community, and the answers a key gets there."""

    client: httpx.AsyncClient

    async def ask(self, secret: str, what: str = "history", **query: str) -> httpx.Response:
        window = {"from": NOW - DAY, "to": NOW - DAY + QUARTER}
        return await self.client.get(f"/api/v1/communities/town/{what}", params=window | query, headers=bearer(secret))


@pytest.fixture
async def start(
    settings: ApiSettings, clock: ManualClock, history: SqliteHistory, register: Register, keys: Keys
) -> AsyncIterator:
    """start(n, sharing): a community of n sites, s-0 to s-(n-1), each with a quarter-hour of yesterday."""
    clients = []

    async def run(count: int, **more) -> Town:
        sites = [
            {"id": f"s-{n}", "name": f"S {n}", "gateway": f"g-{n}", "municipality": f"M{n % 2}"} for n in range(count)
        ]
        town = Community.model_validate({"id": "town", "name": "Town", "sites": sites, **more})
        values = (NOW - DAY, 0.0, 100.0, 10.0, 0.0, 0.0, 90.0, Quality.MEASURED)
        history.write_quarters([], [SiteQuarter("town", site["id"], *values) for site in sites])
        keys._communities = [town]
        app = create_app(settings, [town], history, register, clock, LiveFeed([town], clock), keys)
        clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test"))
        return Town(clients[-1])

    yield run
    for client in clients:
        await client.aclose()


@pytest.fixture
def member(register: Register, keys: Keys) -> str:
    """The key of a member whose metering point is at s-0."""
    with register.database.write() as connection:
        PARTICIPANTS.put(connection, Participant(id="m-0", community="town", member_class="citizen"), NOW)
        point = MeteringPoint(id="541448911000000003", participant="m-0", direction="both", site="s-0")
        METERING_POINTS.put(connection, point, NOW)
    return keys.create("m-0", "participant", participants=["m-0"])


@pytest.mark.parametrize("hidden", range(8))
def test_group_is_none_or_at_least_five(hidden: int):
    group = [str(n) for n in range(hidden)]
    if 0 < hidden < 5:
        with pytest.raises(Problem, match="fewer than 5") as refused:
            check_group(group, "sites")
        assert (refused.value.status, refused.value.code) == (403, "group_too_small")
    else:
        check_group(group, "sites")


@pytest.mark.parametrize("what", ["history", "sharing"])
@pytest.mark.parametrize(("count", "status"), [(4, 403), (5, 200)])
async def test_councillor_sees_sums_over_five_sites_and_not_over_four(start, keys: Keys, what, count, status):
    town = await start(count)
    answer = await town.ask(keys.create("c", "councillor", ["town"]), what)
    assert answer.status_code == status
    assert answer.is_success or answer.json()["code"] == "group_too_small"


@pytest.mark.parametrize("what", ["history", "sharing"])
async def test_viewer_who_reads_each_site_sees_their_sum_however_few(start, keys: Keys, what):
    town = await start(2)
    assert (await town.ask(keys.create("v", "viewer", ["town"]), what)).status_code == 200


@pytest.mark.parametrize(("count", "status"), [(5, 403), (6, 200)])
async def test_member_who_could_take_off_its_own_needs_one_more(start, member: str, count, status):
    town = await start(count)
    assert (await town.ask(member)).status_code == status


@pytest.mark.parametrize(("count", "status"), [(8, 403), (10, 200)])
async def test_municipality_that_could_take_off_its_own_sites_needs_five_others(start, keys: Keys, count, status):
    town = await start(count)  # every other site is M1's
    assert (await town.ask(keys.create("m1", "municipality", municipalities=["M1"]))).status_code == status


async def test_who_sees_sums_alone_may_not_ask_what_other_keys_would_give(start, keys: Keys):
    town = await start(6)
    key = keys.create("c", "councillor", ["town"])
    refused = await town.ask(key, "sharing", key="equal")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    summary = (await town.ask(key, "sharing")).json()["summary"]
    assert summary["withdrawn_wh"] == 600
    assert [summary[f"{name}_coverage"] for name in ("jain", "gini", "min")] == [None, None, None]


@pytest.mark.parametrize(("receivers", "status"), [(3, 403), (4, 403), (5, 200), (6, 403), (10, 200)])
async def test_sum_over_the_receivers_alone_and_over_the_rest_are_groups_too(start, keys: Keys, receivers, status):
    listed = {f"s-{n}": {} for n in range(receivers)}
    town = await start(10, sharing={"rounds": "prorata", "participants": listed})
    assert (await town.ask(keys.create("c", "councillor", ["town"]), "sharing")).status_code == status


async def test_receiver_who_came_within_the_period_is_not_told_apart(start, keys: Keys):
    listed = {f"s-{n}": {} for n in range(6)} | {"s-0": {"since": "2025-06-14T15:30:00Z"}}
    town = await start(6, sharing={"rounds": "prorata", "participants": listed})
    key = keys.create("c", "councillor", ["town"])
    assert (await town.ask(key, "sharing")).status_code == 403
