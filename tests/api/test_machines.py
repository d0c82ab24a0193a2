"""What a machine is to do once, said at the API: kept, audited, and refused while it runs."""

from __future__ import annotations

import pytest

from energy.balancing.settings import Steer
from energy.community import Device
from energy.quantities import Role
from storage.register.audit import entries
from storage.register.machines import mark_started
from tests.api.conftest import NOW, Api, add_devices

PATH = "/api/v1/sites/ixl-hall/machines/boiler/run"
HOUR = 3_600_000
TODAY = {"finish_by": NOW + 6 * HOUR}


@pytest.fixture
def laundry(api: Api) -> Api:
    """The town hall has a boiler that runs two hours when somebody wants it, and a meter."""
    more = (
        Device(id="boiler", role=Role.LOAD, steer=Steer(run="120@2500")),
        Device(id="kitchen", role=Role.LOAD),
    )
    add_devices(api, "ixl-hall", more)
    return api


async def call(api: Api, method: str, path: str = PATH, body: object = None, role: str = "operator"):
    return await api.client.request(method, path, headers=api.headers[role], json=body)


async def test_run_is_wanted_seen_replaced_and_taken_back(laundry: Api):
    assert (await call(laundry, "get")).status_code == 404
    said = await call(laundry, "put", body=TODAY)
    assert said.status_code == 200
    told = {"device": "ixl-hall/boiler", "earliest": NOW, **TODAY, "by": "", "t": NOW, "started_at": None}
    assert said.json() | {"by": ""} == told
    later = {**TODAY, "earliest": NOW + HOUR}
    assert (await call(laundry, "put", body=later)).json()["earliest"] == NOW + HOUR
    assert (await call(laundry, "get", role="viewer")).json()["earliest"] == NOW + HOUR
    assert (await call(laundry, "delete")).status_code == 204
    assert (await call(laundry, "delete")).status_code == 404
    with laundry.register.database.read() as connection:
        kept = [(entry.action, entry.kind, entry.subject) for entry in entries(connection)]
    assert kept[:3] == [(act, "machine_wish", "ixl-hall/boiler") for act in ("end", "enter", "enter")]


async def test_run_that_has_begun_is_neither_replaced_nor_taken_back_until_it_is_over(laundry: Api):
    await call(laundry, "put", body=TODAY)
    with laundry.register.database.write() as connection:
        mark_started(connection, "ixl-hall/boiler", NOW - 1, NOW)  # of an earlier wish: nothing
    assert (await call(laundry, "get")).json()["started_at"] is None
    with laundry.register.database.write() as connection:
        mark_started(connection, "ixl-hall/boiler", NOW, NOW + 1)
    for method, body in (("put", TODAY), ("delete", None)):
        answer = await call(laundry, method, body=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "running")
    await laundry.clock.advance(7_201)
    assert (await call(laundry, "put", body=TODAY)).json()["started_at"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"finish_by": NOW},
        {"finish_by": NOW + HOUR},  # it takes two
        {"finish_by": NOW + 6 * HOUR, "earliest": NOW + 5 * HOUR},
        {"finish_by": NOW + 8 * 24 * HOUR},
        {"finish_by": NOW + 6 * HOUR, "cut": True},
        {},
    ],
)
async def test_run_that_cannot_be_is_refused(laundry: Api, wrong: dict[str, object]):
    answer = await call(laundry, "put", body=wrong)
    assert answer.status_code == 422
    assert answer.json()["field"]
    assert (await call(laundry, "get")).status_code == 404


async def test_meter_runs_for_nobody_and_what_is_not_there_is_not_found(laundry: Api):
    assert (await call(laundry, "put", PATH.replace("boiler", "kitchen"), TODAY)).json()["code"] == "not_steered"
    assert (await call(laundry, "put", PATH.replace("boiler", "battery"), TODAY)).status_code == 404
    assert (await call(laundry, "put", body=TODAY, role="viewer")).status_code == 403
