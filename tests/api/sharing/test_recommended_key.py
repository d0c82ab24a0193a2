"""GET sharing/recommended over a real store: the aims, the figures of the domain's worked case, who may ask, and limits."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest

from api.schemas_sharing import RecommendedKeysView
from tests.api.conftest import NOW, Keys, bearer
from tests.api.sharing.conftest import DAY, LISTED, PATH, QUARTER, SITES, WITHDRAWN, Sharing, Start, T


async def ask(api: Sharing, aim: str = "most-shared", role: str = "viewer", **query: Any) -> httpx.Response:
    window = {"from": T, "to": T + QUARTER, "aim": aim} | query
    return await api.client.get(f"{PATH}/recommended", params=window, headers=api.headers[role])


async def keys_for(api: Sharing, aim: str, **query: Any) -> list[dict[str, Any]]:
    answer = await ask(api, aim, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["keys"]
    return found


async def test_figures_are_those_of_the_worked_case(start: Start):
    """The published table of fairness: fixed, repeated, pro rata and hybrid over 4 kWh and four withdrawals."""
    api = await start({"rounds": "fixed", "participants": LISTED})
    api.write()
    found = {key["name"]: key for key in await keys_for(api, "most-shared")}
    table = {
        "fixed": (0.9423, 0.1071, 0.8804, 0.1944, 0.3333),
        "fixed-multi": (0.9143, 0.1562, 0.9207, 0.1474, 0.4167),
        "prorata": (0.7200, 0.3333, 1.0, 0.0, 0.6667),
        "hybrid": (0.9050, 0.1750, 0.9290, 0.1458, 0.4667),
    }
    for name, expected in table.items():
        key = found[name]
        told = (*(key[of][on] for on in ("kwh", "coverage") for of in ("jain", "gini")), key["min_coverage"])
        assert told == pytest.approx(expected, abs=1e-3), name
    assert found["in force"]["in_force"]
    assert not found["fixed"]["in_force"]
    assert found["fixed"]["shared_wh"] == found["in force"]["shared_wh"] == 3500


@pytest.mark.parametrize(
    ("aim", "best", "figure"),
    [("most-shared", "prorata", "shared_wh"), ("most-equal", "prorata", "jain"), ("vulnerable-first", "priority", "vulnerable_coverage")],
)  # fmt: skip
async def test_best_key_for_each_aim_comes_first(start: Start, aim: str, best: str, figure: str):
    api = await start({"rounds": "fixed", "participants": LISTED})
    api.write(exports=(0, 0, 0, 0, 2000))
    found = await keys_for(api, aim)
    if aim == "vulnerable-first":
        assert found[0]["vulnerable_coverage"] == 1.0  # 1.5 kWh of tier 1, of 2 kWh
        assert (
            found[0]["vulnerable_coverage"]
            > next(key for key in found if key["name"] == "prorata")["vulnerable_coverage"]
        )
    assert best in [key["name"] for key in found if key[figure] == found[0][figure]]


async def test_weights_are_told_exactly_for_who_writes_the_key(start: Start):
    api = await start({"rounds": "prorata"})
    api.write()
    found = {key["name"]: key for key in await keys_for(api, "most-equal")}
    by_need = found["fixed-multi by withdrawal"]
    assert by_need["weights"]["d-hall"] == "1/2"  # 3 of 6 kWh
    assert [round_["method"] for round_ in by_need["rounds"]] == ["fixed"]
    assert "fixed" not in found  # nobody has a weight


async def test_held_quarters_count_and_a_week_before_fills_them_where_the_key_estimates(start: Start):
    gap = (500, None, 1500, 3000, 0)
    holding = await start({"rounds": "prorata"})
    holding.write()
    holding.write(T + QUARTER, imports=gap)
    body = (await ask(holding, to=T + 2 * QUARTER)).json()
    assert body["quarters"] == {"settled": 1, "held": 1, "filled": 0}
    estimating = await start({"rounds": "prorata", "on_missing": "estimate"})
    estimating.write(T + QUARTER - 7 * DAY)
    body = (await ask(estimating, to=T + 2 * QUARTER)).json()
    assert body["quarters"] == {"settled": 2, "held": 0, "filled": 1}
    assert {key["shared_wh"] for key in body["keys"] if key["name"] == "prorata"} == {
        8000
    }  # nothing of the week before


async def test_period_without_a_complete_quarter_is_409(start: Start):
    api = await start()
    answer = await ask(api)
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_settled")
    running = await ask(api, **{"from": NOW, "to": NOW + QUARTER})
    assert (running.status_code, running.json()["code"]) == (409, "nothing_settled")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({"aim": "cheapest"}, "invalid", "query.aim"),
        ({"aim": "vulnerable-first"}, "nobody_vulnerable", "query.aim"),
        ({"from": NOW - 32 * DAY, "to": NOW}, "too_long", "query.from"),
        ({"from": T, "to": T}, "reversed_period", "query.from"),
    ],
)
async def test_question_that_cannot_be_answered_is_422(start: Start, query: dict[str, Any], code: str, field: str):
    api = await start({"rounds": "prorata"})
    api.write()
    answer = await ask(api, **query)
    assert answer.status_code == 422, answer.text
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)


async def test_large_community_may_ask_for_fewer_days(start: Start):
    api = await start(sites=tuple(f"s{n}" for n in range(1000)))
    answer = await ask(api, **{"from": NOW - 31 * DAY, "to": NOW})
    assert (answer.status_code, answer.json()["hint"]) == (422, "ask for at most 3 days")


async def test_community_without_sites_has_nothing_to_recommend(start: Start):
    api = await start(sites=())
    body = (await ask(api)).json()
    assert [key["name"] for key in body["keys"]] == ["in force"]
    assert body["keys"][0]["shared_wh"] == 0


async def test_who_sees_no_single_site_may_not_ask(start: Start, keys: Keys):
    """Many keys asked for one quarter-hour would tell of single sites, as with the what-if."""
    api = await start()
    api.write()
    assert (await ask(api, role="participant")).status_code == 403
    assert (await ask(api, role="gateway")).status_code == 403
    assert (await ask(api, role="stranger")).status_code == 404
    one_site = bearer(keys.create("hall", "building", sites=["green/a-school"]))
    answer = await api.client.get(f"{PATH}/recommended", params={"aim": "most-shared"}, headers=one_site)
    assert answer.status_code in {403, 404}
    assert not any(site in answer.text for site in SITES)


async def test_answer_is_as_openapi_says_and_so_is_its_example(start: Start):
    api = await start({"rounds": "hybrid", "participants": LISTED})
    api.write(imports=WITHDRAWN)
    schema = (await api.client.get("/openapi.json")).json()
    said = schema["paths"]["/api/v1/communities/{community}/sharing/recommended"]["get"]["responses"]["200"]
    model = said["content"]["application/json"]["schema"] | {"components": schema["components"]}
    jsonschema.validate((await ask(api)).json(), model)
    jsonschema.validate(RecommendedKeysView.model_json_schema()["example"], model)
