"""Indicators of a building and of a portfolio from what is stored, and meters read by hand over HTTP."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import jsonschema
import pytest

from energy.buildings.days import Days
from energy.quantities import Quality
from energy.quarters import local_midnight
from storage.history import Known, Period, Total
from storage.register import audit
from storage.register.weather import keep_temperatures
from tests.api.conftest import Api

TODAY = date(2025, 6, 15)
ZONE = "Europe/Brussels"
TWO_YEARS = Days(date(2023, 6, 1), TODAY)


def temperature(day: date) -> float:
    return 10.5 - 8 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)


def write_days(api: Api, site: str, consumption_wh: float, import_wh: float, days: Days = TWO_YEARS) -> None:
    """Totals of days as the collector writes them."""
    totals = []
    for day in days:
        start, end = (local_midnight(each, ZONE) for each in (day, day + timedelta(days=1)))
        quarters = (end - start) // 900_000
        known = {"consumption_wh": Known(consumption_wh, quarters), "import_wh": Known(import_wh, quarters)}
        totals.append(Total("ixelles", site, None, start, end, Quality.MEASURED, known))
    api.history.write_totals(Period.DAY, totals)


def write_weather(api: Api) -> None:
    with api.register.database.write() as connection:
        known = {day: temperature(day) for day in TWO_YEARS}
        keep_temperatures(connection, "uccle", known, source="a test", by="test", now_ms=1)


async def enter(api: Api, day: date | str, index: float | str, role: str = "operator", **more: Any):
    body = {"meter": "gas", "day": str(day), "index": index} | more
    return await api.client.post("/api/v1/sites/ixl-hall/index", json=body, headers=api.headers[role])


@pytest.fixture
async def known(api: Api) -> Api:
    """Two years of electricity by a logger, of gas by hand, and the weather."""
    write_days(api, "ixl-hall", 100_000, 60_000)
    write_weather(api)
    index = 0.0
    for number in range(25):
        month = 5 + number
        day = date(2023 + month // 12, month % 12 + 1, 1)
        answer = await enter(api, day, f"{index:.1f}")
        assert answer.status_code == 201, answer.text
        span = Days.of_month(day.year, day.month)
        index += sum(50 + 20 * max(0.0, 15 - temperature(each)) for each in span)
    await enter(api, TODAY, f"{index - 15 * 50:.1f}")
    return api


async def indicators(api: Api, site: str = "ixl-hall", **parameters: Any) -> dict[str, Any]:
    answer = await api.get(f"/api/v1/sites/{site}/indicators", **parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    schema = api.app.openapi()
    model = schema["components"]["schemas"]["IndicatorsView"]
    jsonschema.validate(found, model | {"components": schema["components"]})
    return found


async def test_running_year_is_the_twelve_months_before_today(known: Api):
    found = await indicators(known)
    assert (found["from"], found["to"], found["year"], found["whole"]) == ("2024-06-15", "2025-06-15", 2025, False)
    electricity, gas = found["carriers"]
    assert electricity["amount"] == pytest.approx(36_500)
    assert electricity["bought"] == pytest.approx(21_900)
    expected = sum(50 + 20 * max(0, 15 - temperature(day)) for day in Days.year_until(TODAY))
    assert gas["amount"] == pytest.approx(expected, rel=0.02)
    assert found["energy_kwh_m2"] == pytest.approx((36_500 + gas["amount"]) / 1000, abs=0.01)
    assert found["primary_kwh_m2"] == pytest.approx((2.5 * 21_900 + gas["amount"]) / 1000, abs=0.01)
    assert found["co2_kg"] == pytest.approx(0.395 * 21_900 + 0.202 * 0.903 * gas["amount"], rel=1e-4)
    assert gas["normalised"] == pytest.approx(
        50 * 365 + (gas["amount"] - 50 * 365) * 1902 / found["degree_days"]["observed"], rel=0.03
    )
    assert found["coverage"] == 1
    assert "scale" in found["unknown"]  # of a town hall no bounds are verified
    assert found["class"] is None


async def test_past_year_is_the_calendar_year_and_compared_with_the_one_before(known: Api):
    found = await indicators(known, year=2024)
    assert (found["from"], found["to"], found["whole"]) == ("2024-01-01", "2025-01-01", True)
    electricity = found["carriers"][0]
    assert electricity["change"]["days"] == 214
    assert electricity["change"]["ratio"] == pytest.approx(0)
    assert [month["month"] for month in electricity["months"]] == [f"2024-{n:02}" for n in range(1, 13)]
    assert electricity["months"][6]["amount"] == pytest.approx(3100)
    assert electricity["months"][6]["before"] == pytest.approx(3100)
    assert electricity["months"][0]["before"] is None


async def test_site_of_which_nothing_is_known_says_so(api: Api):
    found = await indicators(api, "ixl-pool")
    assert found["energy_kwh"] is None
    assert found["primary_kwh_m2"] is None
    assert found["savings"] == []
    assert set(found["unknown"]) == {"use", "scale", "weather"}
    assert {one["kind"] for one in found["not_looked"]} >= {"base_load", "out_of_hours", "peaks"}


async def test_base_load_and_use_while_closed_are_found_in_the_quarter_hours(known: Api):
    start = local_midnight(TODAY - timedelta(days=60), ZONE)
    known.write_quarters("ixl-hall", start, 60 * 96, consumption_wh=500.0)
    found = await indicators(known)
    assert found["base_load"] == {"power_w": 2000.0, "share": 1.0}
    assert found["savings"] == []  # what is always on is base load, not out of hours; nothing to compare it with


async def test_past_and_future_years_that_nobody_knows(known: Api):
    assert (await known.get("/api/v1/sites/ixl-hall/indicators", year=2026)).status_code == 422
    assert (await known.get("/api/v1/sites/ixl-hall/indicators", year=1999)).status_code == 422
    assert (await indicators(known, year=2001))["energy_kwh"] is None


async def test_portfolio_lists_the_worst_first_and_says_how_many_are_known(known: Api):
    found = (await known.get("/api/v1/communities/ixelles/indicators")).json()
    schema = known.app.openapi()
    model = schema["components"]["schemas"]["PortfolioView"]
    jsonschema.validate(found, model | {"components": schema["components"]})
    assert [row["site"] for row in found["sites"]] == ["ixl-hall", "ixl-pool"]
    assert (found["buildings"], found["known"]) == (2, 1)
    assert found["primary_kwh_m2"] == found["sites"][0]["primary_kwh_m2"]
    none = await known.get("/api/v1/communities/ixelles/indicators", municipality="Liège")
    assert none.status_code == 404
    assert "Ixelles" in none.json()["hint"]


async def test_index_is_entered_listed_and_audited(api: Api):
    answer = await enter(api, "2025-05-01", "1000.250", note="cellar")
    assert answer.status_code == 201
    assert answer.json() | {"t": 0} == {
        "site": "ixl-hall", "meter": "gas", "day": "2025-05-01", "index": "1000.250", "exchanged_to": None,
        "rolled": False, "confirmed": False, "by": "operator", "note": "cellar", "t": 0,
    }  # fmt: skip
    (meter,) = (await api.get("/api/v1/sites/ixl-hall/index")).json()["meters"]
    assert [reading["index"] for reading in meter["readings"]] == ["1000.250"]
    with api.register.database.read() as connection:
        (line,) = audit.entries(connection, subject="ixl-hall/gas")
    assert (line.who, line.why) == ("operator", "cellar")


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"index": "900"}, 422, "data", "index"),
        ({"day": "2025-06-16"}, 422, "data", "day"),
        ({"index": "99000"}, 409, "implausible", "body.index"),
        ({"meter": "oil"}, 422, "unknown_meter", "body.meter"),
        ({"index": "abc"}, 422, "invalid", "body.index"),
        ({"index": "NaN"}, 422, "invalid", "body.index"),
        ({"index": -1}, 422, "invalid", "body.index"),
        ({"indeks": 1}, 422, "invalid", "body.indeks"),
        ({"day": "2025-02-30"}, 422, "invalid", "body.day"),
        ({"corrects": True, "note": "x"}, 422, "data", "corrects"),
        ({"rolled": True, "index": "99999999999"}, 422, "data", "index"),
    ],
)
async def test_wrong_entry_is_refused_with_the_next_step_and_nothing_kept(
    api: Api, change: dict[str, Any], status: int, code: str, field: str
):
    for month in range(1, 6):
        await enter(api, f"2025-0{month}-01", month * 1000)
    answer = await enter(api, **({"day": "2025-06-01", "index": "6000"} | change))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field), problem
    assert answer.headers["content-type"] == "application/problem+json"
    (meter,) = (await api.get("/api/v1/sites/ixl-hall/index")).json()["meters"]
    assert len(meter["readings"]) == 5


async def test_confirmed_entry_is_taken_and_counts_at_once(known: Api):
    before = (await indicators(known))["carriers"][1]["known"]
    last = (await known.get("/api/v1/sites/ixl-hall/index")).json()["meters"][0]["readings"][-1]
    higher = float(last["index"]) + 500
    answer = await enter(known, last["day"], higher, corrects=True, confirm=True, note="misread")
    assert answer.status_code == 201, answer.text
    assert (await indicators(known))["carriers"][1]["known"] == pytest.approx(before + 500, abs=1)


@pytest.mark.parametrize("role", ["viewer", "technician", "participant", "councillor"])
async def test_who_only_reads_may_not_enter(api: Api, role: str):
    assert (await enter(api, "2025-05-01", 1000, role)).status_code == 403


async def test_councillor_sees_the_portfolio_and_no_single_site(known: Api):
    assert (await known.get("/api/v1/communities/ixelles/indicators", "councillor")).status_code == 200
    assert (await known.get("/api/v1/sites/ixl-hall/indicators", "councillor")).status_code == 403


async def test_report_comes_as_page_and_as_pdf_in_every_language(known: Api):
    for language, word in (
        ("en", "Report to the council"),
        ("fr", "conseil communal"),
        ("nl", "gemeenteraad"),
        ("de", "Gemeinderat"),
    ):
        path = "/api/v1/communities/ixelles/buildings-report"
        page = await known.get(path, "councillor", language=language, month="2025-05")
        assert page.status_code == 200, page.text
        assert page.headers["content-type"].startswith("text/html")
        assert word in page.text
        assert f'lang="{language}"' in page.text
        assert "<script" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src")
        headers = known.headers["councillor"] | {"Accept": "application/pdf"}
        paper = await known.client.get(path, params={"language": language, "month": "2025-05"}, headers=headers)
        assert paper.headers["content-type"] == "application/pdf"
        assert paper.content.startswith(b"%PDF-")


async def test_report_of_a_month_that_is_not_over_is_refused(known: Api):
    path = "/api/v1/communities/ixelles/buildings-report"
    assert (await known.get(path, month="2025-06")).status_code == 422
    assert (await known.get(path, month="2025-13")).status_code == 422
    assert (await known.get(path, language="it")).status_code == 422
    assert (await known.get(path)).status_code == 200
