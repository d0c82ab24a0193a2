"""The list of a site's devices tells what may be said of each, what was, and when a machine is to run."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from energy.balancing.settings import Steer
from energy.community import Device
from energy.quantities import Role
from tests.api.conftest import NOW, Api, add_devices

HOUR = 3_600_000
PATH = "/api/v1/sites/ixl-hall/devices"


@pytest.fixture
async def garage(api: Api) -> Api:
    """The town hall has a boiler to run, a charger that heeds deadlines, one that does not, and a meter."""
    more = (
        Device(id="boiler", role=Role.LOAD, steer=Steer(run="120@2500")),
        Device(id="ev-1", role=Role.EV, rated_w=11_040, steer=Steer(charge="by_deadline", ready_by="07:00")),
        Device(id="ev-2", role=Role.EV, rated_w=11_040, steer=Steer()),
        Device(id="kitchen", role=Role.LOAD),
    )
    for device in more:
        api.write(f"ixl-hall/{device.id}", NOW, power_w=0.0, role=device.role)
    add_devices(api, "ixl-hall", more)
    return api


async def told(api: Api) -> dict[str, dict[str, Any]]:
    answer = await api.get(PATH)
    assert answer.status_code == 200, answer.text
    schema = api.app.openapi()
    said = schema["paths"]["/api/v1/sites/{site}/devices"]["get"]["responses"]["200"]["content"]["application/json"]
    jsonschema.validate(answer.json(), said["schema"] | {"components": schema["components"]})
    return {device["id"].partition("/")[2]: device for device in answer.json()["devices"]}


async def test_devices_tell_what_may_be_said_of_them(garage: Api):
    found = await told(garage)
    assert {name: found[name]["wants"] for name in ("boiler", "ev-1", "ev-2", "kitchen", "battery")} == {
        "boiler": "run",
        "ev-1": "car",
        "ev-2": None,
        "kitchen": None,
        "battery": None,
    }
    assert (found["boiler"]["run_s"], found["ev-1"]["run_s"]) == (7200, None)
    assert {found[name]["wish"] for name in found} == {found[name]["run"] for name in found} == {None}


async def test_what_was_said_stands_in_the_list_until_it_is_over(garage: Api):
    await garage.client.put(
        "/api/v1/sites/ixl-hall/chargers/ev-1/wish",
        headers=garage.headers["operator"],
        json={"ready_at": NOW + HOUR, "energy_wh": 9000},
    )
    await garage.client.put(
        "/api/v1/sites/ixl-hall/machines/boiler/run",
        headers=garage.headers["operator"],
        json={"finish_by": NOW + 6 * HOUR},
    )
    found = await told(garage)
    assert (found["ev-1"]["wish"]["energy_wh"], found["ev-1"]["wish"]["ready_at"]) == (9000, NOW + HOUR)
    assert (found["boiler"]["run"]["finish_by"], found["boiler"]["run"]["planned_at"]) == (NOW + 6 * HOUR, None)
    await garage.clock.advance(2 * HOUR / 1000)
    assert (await told(garage))["ev-1"]["wish"] is None


@pytest.mark.parametrize(("said", "planned"), [(NOW, NOW + 2 * HOUR), (NOW - 1, None)])
async def test_run_is_told_with_the_start_that_the_newest_plan_found_for_it(
    garage: Api, said: int, planned: int | None
):
    """A plan made for an earlier wish says nothing of this one."""
    await garage.client.put(
        "/api/v1/sites/ixl-hall/machines/boiler/run",
        headers=garage.headers["operator"],
        json={"finish_by": NOW + 6 * HOUR},
    )
    starts = {"ixl-hall/boiler": {"start": NOW + 2 * HOUR, "said": said}}
    plan = {"id": "ixelles", "community": "ixelles", "t": NOW, "missing": [], "plan": {"starts": starts, "steps": []}}
    await garage.publish("cw/v1/ixelles/live/plan", plan, retained=True)
    assert (await told(garage))["boiler"]["run"]["planned_at"] == planned


async def test_who_may_not_read_the_site_sees_no_wish(garage: Api):
    assert (await garage.get(PATH, role="schaerbeek")).status_code == 404
