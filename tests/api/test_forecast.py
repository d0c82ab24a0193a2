"""GET forecast: from the history through a real child process, kept for a quarter-hour, its advice, and who may see it."""

from __future__ import annotations

import asyncio
import math

import jsonschema
import pytest

from energy.errors import DataError
from energy.quantities import Quality
from energy.quarters import QUARTER_MS
from storage.history import SiteQuarter
from tests.api.conftest import DAY, NOW, Api
from tests.api.test_plan import plan

PATH = "/api/v1/communities/ixelles/forecast"


def write_past(api: Api, days: float, until: int = NOW, *, sun_wh: float = 6_000.0) -> None:
    """Both sites of ixelles: a sun over the day, an even consumption."""
    quarters = []
    for step in range(round(days * 96)):
        start = until - (step + 1) * QUARTER_MS
        hour = start % DAY / 3_600_000
        pv = sun_wh * max(0.0, math.sin((hour - 4) / 16 * math.pi)) if 4 < hour < 20 else 0.0
        for site in ("ixl-hall", "ixl-pool"):
            flows = (pv, max(0.0, 1500 - pv), max(0.0, pv - 1500), 0.0, 0.0, 1500.0)
            quarters.append(SiteQuarter("ixelles", site, start, *flows, Quality.MEASURED))
    api.history.write_quarters([], quarters)


async def test_forecast_is_as_openapi_says_and_advises_green_at_noon_and_red_at_night(api: Api):
    write_past(api, 8)
    answer = (await api.get(PATH)).json()
    schema = api.app.openapi()
    said = schema["paths"]["/api/v1/communities/{community}/forecast"]["get"]["responses"]["200"]
    jsonschema.validate(answer, {**said["content"]["application/json"]["schema"], "components": schema["components"]})
    assert answer["t"] == NOW
    assert len(answer["steps"]) == 144
    step = answer["steps"][0]
    assert step["start"] == NOW
    assert step["consumption_w"] == pytest.approx(12_000, rel=0.05)
    assert step["pv_low_w"] <= step["pv_w"] <= step["pv_high_w"]
    lights = {each["light"] for each in answer["advice"]}
    assert lights >= {"green", "red"}
    assert answer["advice"][0]["start"] == NOW
    assert set(answer["advice"][0]["text"]) == {"fr", "nl", "de", "en"}
    assert answer["accuracy"]["consumption"]["hour_ahead_w"] < 500


async def test_without_a_past_everything_is_unknown(api: Api):
    answer = (await api.get(PATH)).json()
    assert answer["known_days"] == 0
    assert answer["steps"][0]["pv_w"] is None
    assert [each["light"] for each in answer["advice"]] == ["unknown"]


async def test_forecast_is_made_once_a_quarter_hour_however_many_ask(api: Api, monkeypatch: pytest.MonkeyPatch):
    import api.forecasts as made

    asked = []
    real = made.ask_child

    async def counted(*question):
        asked.append(question[0])
        return await real(*question)

    monkeypatch.setattr(made, "ask_child", counted)
    write_past(api, 3)
    answers = await asyncio.gather(*(api.get(PATH) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert asked == ["api.forecaster"]
    await api.clock.advance(900)
    assert (await api.get(PATH)).json()["t"] == NOW + QUARTER_MS
    assert len(asked) == 2


async def test_forecast_that_knows_little_is_made_anew_a_minute_later(api: Api):
    assert (await api.get(PATH)).json()["known_days"] == 0
    write_past(api, 2)
    assert (await api.get(PATH)).json()["known_days"] == 0
    await api.clock.advance(61)
    assert (await api.get(PATH)).json()["known_days"] == 2
    write_past(api, 3)
    await api.clock.advance(61)
    found = (await api.get(PATH)).json()
    assert (found["t"], found["known_days"]) == (NOW, 3)
    assert found["accuracy"]["pv"]["yesterday_w"] is not None


async def test_failing_forecaster_leaves_the_last_forecast_for_an_hour_then_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
):
    import api.forecasts as made

    write_past(api, 2)
    assert (await api.get(PATH)).status_code == 200

    async def fail(*_question):
        raise DataError("broken")

    monkeypatch.setattr(made, "ask_child", fail)
    await api.clock.advance(3600)
    assert (await api.get(PATH)).json()["t"] == NOW
    await api.clock.advance(900)
    answer = await api.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_forecast")


async def test_prices_are_those_of_the_plan_and_null_where_there_is_none(api: Api):
    write_past(api, 1)
    await api.publish("cw/v1/ixelles/live/plan", plan(), retained=True)
    steps = (await api.get(PATH)).json()["steps"]
    assert steps[0]["price_eur_kwh"] == 0.3
    assert steps[1]["price_eur_kwh"] is None


async def test_sum_over_few_is_for_those_who_read_its_sites(api: Api):
    """Ixelles has two sites: whoever may not read them is not told their sum."""
    answer = await api.get(PATH, "participant")
    assert (answer.status_code, answer.json()["code"]) == (403, "group_too_small")
    assert (await api.get(PATH, "gateway")).status_code == 403
    assert (await api.get("/api/v1/communities/nowhere/forecast")).status_code == 404
