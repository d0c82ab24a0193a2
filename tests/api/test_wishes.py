"""What a car wants, said at the API: kept, audited, followed by the next look of the collector; and what is refused."""

from __future__ import annotations

import pytest

from energy.balancing.settings import Steer
from energy.community import Device
from energy.quantities import Role
from storage.register.audit import entries
from tests.api.conftest import NOW, Api, add_devices

PATH = "/api/v1/sites/ixl-hall/chargers/ev-9/wish"
SOON = {"ready_at": NOW + 3_600_000, "energy_wh": 25_000}


@pytest.fixture
def hub(api: Api) -> Api:
    """The town hall has a charger whose cars are planned by price, and one that heeds nobody."""
    by_price = Steer.model_validate({"charge": "by_price", "ready_by": "07:00"})
    more = (
        Device(id="ev-9", role=Role.EV, rated_w=11_040, steer=by_price),
        Device(id="ev-8", role=Role.EV, rated_w=11_040, steer=Steer()),
    )
    add_devices(api, "ixl-hall", more)
    return api


async def call(api: Api, method: str, path: str = PATH, body: object = None, role: str = "operator"):
    return await api.client.request(method, path, headers=api.headers[role], json=body)


async def test_wish_is_said_seen_replaced_and_taken_back(hub: Api):
    assert (await call(hub, "get")).status_code == 404
    said = await call(hub, "put", body=SOON)
    assert said.status_code == 200
    assert said.json() | {"by": ""} == {"device": "ixl-hall/ev-9", **SOON, "by": "", "t": NOW}
    more = {**SOON, "energy_wh": 30_000}
    assert (await call(hub, "put", body=more)).status_code == 200
    assert (await call(hub, "get", role="viewer")).json()["energy_wh"] == 30_000
    assert (await call(hub, "delete")).status_code == 204
    assert (await call(hub, "delete")).status_code == 404
    with hub.register.database.read() as connection:
        told = [(entry.action, entry.kind, entry.subject) for entry in entries(connection)]
    assert told[:3] == [(act, "car_wish", "ixl-hall/ev-9") for act in ("end", "enter", "enter")]


async def test_wish_whose_time_is_over_no_longer_counts(hub: Api):
    await call(hub, "put", body=SOON)
    await hub.clock.advance(3_601)
    assert (await call(hub, "get")).status_code == 404


@pytest.mark.parametrize("late", [-1, 8 * 86_400_000])
async def test_time_that_is_over_or_far_away_is_refused(hub: Api, late: int):
    answer = await call(hub, "put", body={**SOON, "ready_at": NOW + late})
    assert (answer.status_code, answer.json()["code"]) == (422, "out_of_range")


@pytest.mark.parametrize("wrong", [{"energy_wh": 0}, {"energy_wh": 1e9}, {"energy_wh": "much"}, {"more": 1}])
async def test_wrong_wish_is_refused(hub: Api, wrong: dict[str, object]):
    assert (await call(hub, "put", body={**SOON, **wrong})).status_code == 422


async def test_charger_that_heeds_no_deadline_says_so(hub: Api):
    answer = await call(hub, "put", PATH.replace("ev-9", "ev-8"), SOON)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_steered")


async def test_what_is_no_charger_is_not_found_and_a_viewer_may_not_say(hub: Api):
    assert (await call(hub, "put", PATH.replace("ev-9", "battery"), SOON)).status_code == 404
    assert (await call(hub, "put", body=SOON, role="viewer")).status_code == 403
