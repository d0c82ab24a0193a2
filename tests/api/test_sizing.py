"""GET sizing over a real store: a year of quarter-hours, terms in a file, who may ask, and what cannot be told."""

from __future__ import annotations

import httpx
import jsonschema
import pytest
import yaml

from api.app import create_app
from api.live.feed import LiveFeed
from energy.errors import ConfigError
from energy.quantities import Quality
from energy.quarters import QUARTER_MS
from storage.history import SiteQuarter
from tests.api.conftest import COMMUNITIES, NOW, bearer
from tests.energy.sizing.case import TERMS

PATH = "/api/v1/communities/ixelles/sizing"
YEAR = 35_040


def write(history, count, sites=("ixl-hall", "ixl-pool"), end=NOW):
    """`count` quarter-hours until `end`: 1 kWh bought by each; by day the pool's 10 kWp make 1 kWh that is used there."""
    first = end - count * QUARTER_MS
    for site in sites:
        for start in range(0, count, 5_000):
            history.write_quarters(
                [],
                [
                    SiteQuarter(
                        "ixelles", site, first + n * QUARTER_MS, 1000.0 * (site == "ixl-pool" and n % 2 == 0),
                        1000.0, 0.0, 0.0, 0.0, 1000.0, Quality.MEASURED,
                    )
                    for n in range(start, min(count, start + 5_000))
                ],
            )  # fmt: skip


@pytest.fixture
def investment(tmp_path):
    """A file of terms that hold in June 2025, where the clock of these tests stands."""
    path = tmp_path / "investment.yaml"
    path.write_text(yaml.safe_dump(held_from("2025-01-01")))
    return path


def held_from(day):
    return {field: [entry | {"valid_from": day} for entry in entries] for field, entries in TERMS.items()}


@pytest.fixture
async def ask(settings, clock, history, register, keys, investment):
    """ask(role, query): the answer of an API with terms of investment."""
    told = settings.model_copy(update={"investment_file": investment})
    app = create_app(told, COMMUNITIES, history, register, clock, LiveFeed(COMMUNITIES, clock), keys)
    made = {role: bearer(keys.create(role, role, ["ixelles"])) for role in ("viewer", "participant", "councillor")}
    made["stranger"] = bearer(keys.create("stranger", "viewer", ["schaerbeek"]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:

        async def run(role="viewer", **query):
            return await client.get(PATH, params={"site": "ixl-hall"} | query, headers=made[role])

        run.app = app
        yield run


async def test_year_of_a_site_is_sized_shared_and_valued(ask, history):
    """10 kWp at the hall make 1 kWh by day as the pool's do: half a year of quarter-hours at 0.30 a kWh."""
    write(history, YEAR)
    answer = await ask(pv_kwp="0,10,20", battery_kwh="0,1")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    sizes = {(each["pv_kwp"], each["battery_kwh"]): each for each in body["sizes"]}
    assert body["whole_year"] is True
    assert body["profile"] == {"kind": "pv", "site": "ixl-pool"}
    assert sizes[10, 0]["saved_eur"] == pytest.approx(YEAR / 2 * 0.3)
    assert sizes[20, 0]["after"]["shared_kwh"] == pytest.approx(YEAR / 2)
    assert sizes[10, 0]["next_kwp_eur"] > sizes[20, 0]["next_kwp_eur"]
    assert body["best"] is not None
    assert ("energy[0]", "made up") in [(each["field"], each["source"]) for each in body["unverified"]]
    schema = ask.app.openapi()
    said = schema["paths"][PATH.replace("ixelles", "{community}")]["get"]["responses"]["200"]
    jsonschema.validate(body, said["content"]["application/json"]["schema"] | {"components": schema["components"]})


async def test_some_days_tell_energies_but_no_payback(ask, history):
    write(history, 960)
    body = (await ask(pv_kwp="10")).json()
    assert (body["whole_year"], body["quarters"], body["best"]) == (False, 960, None)
    assert body["sizes"][0]["worth"] is None
    assert body["sizes"][0]["production_kwh"] == 480


async def test_profile_of_some_days_takes_no_yearly_yield(ask, history):
    write(history, 960)
    refused = await ask(pv_kwp="10", profile="ixl-pool", yield_kwh="900")
    assert refused.status_code == 422
    assert "a yearly yield needs the profile of a year" in refused.text


async def test_clear_sky_stands_in_where_no_roof_is_known(ask, history):
    write(history, 960, sites=("ixl-hall",))
    unknown = [
        SiteQuarter(
            "ixelles",
            "ixl-pool",
            NOW - 960 * QUARTER_MS + n * QUARTER_MS,
            None,
            1000.0,
            0.0,
            0.0,
            0.0,
            None,
            Quality.MISSING,
        )
        for n in range(960)
    ]
    history.write_quarters([], unknown)
    body = (await ask(pv_kwp="10", yield_kwh="900")).json()
    assert body["profile"] == {"kind": "clear_sky", "site": None}, "the hall's own made nothing"
    assert 50 < body["sizes"][0]["production_kwh"] < 600, "ten days of June"


@pytest.mark.parametrize(
    ("role", "query", "status", "code"),
    [
        ("participant", {}, 403, "forbidden"),
        ("councillor", {}, 403, "forbidden"),
        ("stranger", {}, 404, "not_found"),
        ("viewer", {"site": "nowhere"}, 422, "unknown_site"),
        ("viewer", {"profile": "nowhere"}, 422, "unknown_site"),
        ("viewer", {"pv_kwp": "1e9"}, 422, "invalid"),
        ("viewer", {"pv_kwp": "900000"}, 422, "invalid"),
        ("viewer", {"pv_kwp": "0,1,2,3,4,5,6", "battery_kwh": "0,1,2,3,4,5"}, 422, "too_many"),
        ("viewer", {"pv_kwp": "10"}, 422, "no_profile"),
        ("viewer", {"battery_kwh": "10"}, 422, "data"),
        ("viewer", {"serves": "nobody"}, 422, "invalid"),
    ],
)
async def test_what_cannot_be_told_is_a_problem(ask, role, query, status, code):
    answer = await ask(role, **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_terms_of_other_days_are_a_problem(settings, clock, history, register, keys, investment):
    write(history, 4)
    investment.write_text(yaml.safe_dump(held_from("2026-01-01")))
    told = settings.model_copy(update={"investment_file": investment})
    app = create_app(told, COMMUNITIES, history, register, clock, LiveFeed(COMMUNITIES, clock), keys)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        headers = bearer(keys.create("viewer", "viewer", ["ixelles"]))
        answer = await client.get(PATH, params={"site": "ixl-hall"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "terms")
    assert "nothing holds on 2025-06-15" in answer.json()["detail"]


async def test_service_without_terms_says_how_to_give_them(api, history):
    write(history, 4)
    answer = await api.get(PATH, site="ixl-hall", pv_kwp="0")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_terms")
    assert "investment_file" in answer.json()["hint"]


def test_wrong_terms_are_told_at_the_start(settings, clock, history, register, keys, investment):
    investment.write_text("finance: []\nenergy: []\n")
    told = settings.model_copy(update={"investment_file": investment})
    with pytest.raises(ConfigError, match=r"investment\.yaml:"):
        create_app(told, COMMUNITIES, history, register, clock, LiveFeed(COMMUNITIES, clock), keys)
