"""GET sharing over a real store: the page's worked cases, gaps, what if, why, and who may see what."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from api.schemas_sharing import SharingView
from energy.community import Community
from energy.quantities import Quality
from energy.sharing.key import SHORT_NAMES
from tests.api.conftest import NOW
from tests.api.sharing.conftest import DAY, INJECTED, LISTED, PATH, QUARTER, SITES, WITHDRAWN, Start, T, community


def received(quarter: dict[str, Any]) -> list[int]:
    return [share["received_wh"] for share in quarter["shares"]]


async def test_sharing_without_a_key_is_pro_rata_and_an_estimate(start: Start):
    api = await start()
    api.write()
    body = await api.get()
    head = {name: body[name] for name in ("community", "from", "to", "step", "key", "what_if", "status")}
    assert head == {
        "community": "green",
        "from": T,
        "to": T + QUARTER,
        "step": "15m",
        "key": "prorata",
        "what_if": False,
        "status": "estimate",
    }
    assert {"id": "sun", "name": "Site sun"} in body["participants"]
    (quarter,) = body["quarters"]
    assert (quarter["t"], quarter["quality"], quarter["held"], quarter["why"]) == (T, "measured", None, None)
    assert [share["id"] for share in quarter["shares"]] == list(SITES)
    assert received(quarter) == [333, 667, 1000, 2000, 0]
    assert quarter["shares"][3] == {
        "id": "d-hall",
        "withdrawn_wh": 3000,
        "received_wh": 2000,
        "residual_wh": 1000,
        "given_wh": 0,
        "surplus_wh": 0,
    }
    assert quarter["shares"][4]["given_wh"] == 4000


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ("fixed", [500, 1000, 1000, 1000]),
        ("fixed-multi", [500, 1000, 1250, 1250]),
        ("equal", [500, 1000, 1000, 1000]),
        ("prorata", [333, 667, 1000, 2000]),
        ("hybrid", [500, 1000, 1100, 1400]),
        ("priority", [500, 1000, 833, 1667]),
    ],
)
async def test_worked_cases_of_the_page_configured_or_as_what_if(start: Start, rounds: str, expected: list[int]):
    configured = await start({"rounds": rounds, "participants": LISTED})
    configured.write()
    body = await configured.get()
    assert (body["key"], body["what_if"]) == ("configured", False)
    assert received(body["quarters"][0]) == [*expected, 0]
    asking = await start({"rounds": "prorata", "participants": LISTED})
    body = await asking.get(key=rounds)
    assert (body["key"], body["what_if"]) == (rounds, True)
    assert received(body["quarters"][0]) == [*expected, 0]


async def test_totals_and_summary_add_up_over_quarters(start: Start):
    api = await start({"rounds": "fixed", "participants": LISTED})
    api.write()
    api.write(T + QUARTER, exports=(0, 0, 0, 0, 8000))
    body = await api.get(end=T + 2 * QUARTER)
    assert [received(quarter) for quarter in body["quarters"]] == [
        [500, 1000, 1000, 1000, 0],
        [500, 1000, 1500, 2000, 0],
    ]
    assert body["totals"][3] == {
        "id": "d-hall",
        "withdrawn_wh": 6000,
        "injected_wh": 0,
        "received_wh": 3000,
        "residual_wh": 3000,
        "given_wh": 0,
        "surplus_wh": 0,
        "coverage": 0.5,
    }
    assert body["totals"][4]["surplus_wh"] == 12_000 - 8_500
    assert body["totals"][4]["coverage"] is None
    coverage = [1, 1, 2500 / 3000, 0.5]
    assert body["summary"] == {
        "withdrawn_wh": 12_000,
        "injected_wh": 12_000,
        "shared_wh": 8_500,
        "sharing_rate": pytest.approx(8_500 / 12_000),
        "self_sufficiency": pytest.approx(8_500 / 12_000),
        "jain_coverage": pytest.approx(sum(coverage) ** 2 / (4 * sum(value**2 for value in coverage))),
        "gini_coverage": pytest.approx(
            sum(abs(one - other) for one in coverage for other in coverage) / (2 * 4 * sum(coverage))
        ),
        "min_coverage": 0.5,
        "held": 0,
    }  # fmt: skip


async def test_float_energies_are_rounded_to_whole_wh_half_to_even(start: Start):
    api = await start()
    api.write(imports=(0.5, 1.5, 2.5000001, 10.0, 0), exports=(0, 0, 0, 0, 100.49))
    (quarter,) = (await api.get())["quarters"]
    assert [share["withdrawn_wh"] for share in quarter["shares"]] == [0, 2, 3, 10, 0]
    assert quarter["shares"][4]["given_wh"] + quarter["shares"][4]["surplus_wh"] == 100


@pytest.mark.parametrize(
    ("imports", "exports"),
    [((500, None, 1500, 3000, 0), INJECTED), (WITHDRAWN, (0, None, 0, 0, 4000))],
    ids=["import", "export"],
)
async def test_quarter_with_an_unknown_value_is_held_for_everybody_with_the_reason(start: Start, imports, exports):
    api = await start()
    api.write(imports=imports, exports=exports)
    api.write(T + QUARTER)
    body = await api.get(end=T + 3 * QUARTER)
    held, shared, silent = body["quarters"]
    assert held == {
        "t": T,
        "quality": "missing",
        "held": "import or export is not known of b-library",
        "shares": [],
        "why": None,
    }
    assert received(shared) == [333, 667, 1000, 2000, 0]
    assert silent["held"] == f"import or export is not known of {', '.join(SITES)}"
    assert (body["summary"]["held"], body["summary"]["shared_wh"]) == (2, 4000)


@pytest.mark.parametrize("sharing", [None, {"rounds": "equal", "participants": {"a-school": {}}}])
async def test_export_never_known_is_not_taken_for_none(start: Start, sharing):
    """Alone in its period, such a quarter-hour says nothing of whether the site injects at all."""
    api = await start(sharing)
    api.write(exports=(0, 0, None, 0, 4000))
    (quarter,) = (await api.get())["quarters"]
    assert quarter["held"] == "import or export is not known of c-pool"


async def test_many_silent_sites_are_counted_not_listed(start: Start):
    api = await start(sites=tuple(f"site-{n}" for n in range(9)))
    (quarter,) = (await api.get())["quarters"]
    assert quarter["held"].endswith("site-3, site-4 and 4 more")


async def test_on_missing_of_the_key_decides(start: Start):
    zero = await start({"rounds": "prorata", "on_missing": "zero"})
    zero.write(imports=(500, None, 1500, 3000, 0))
    (quarter,) = (await zero.get())["quarters"]
    assert (quarter["quality"], quarter["held"]) == ("missing", None)
    assert quarter["shares"][1] == {
        "id": "b-library",
        "withdrawn_wh": None,
        "received_wh": 0,
        "residual_wh": None,
        "given_wh": 0,
        "surplus_wh": None,
    }
    estimate = await start({"rounds": "prorata", "on_missing": "estimate"})
    assert (await estimate.get())["quarters"][0]["held"] == "import or export is not known of b-library"
    estimate.write(T - 7 * DAY, exports=(0, 0, 0, 0, 0))  # before the period that is asked for
    body = await estimate.get(why="b-library")
    assert body["quarters"][0]["quality"] == "estimated"
    assert received(body["quarters"][0]) == [333, 667, 1000, 2000, 0]
    assert "withdrew 1.000 kWh" in body["quarters"][0]["why"]
    assert body["summary"]["withdrawn_wh"] == 6000
    assert len(body["quarters"]) == 1


async def test_quality_is_no_better_than_the_worst_site(start: Start):
    api = await start()
    api.write(quality=Quality.ESTIMATED)
    assert (await api.get())["quarters"][0]["quality"] == "estimated"


async def test_quarter_that_is_not_over_is_not_there_yet(start: Start):
    api = await start()
    body = await api.get(start=NOW - QUARTER, end=NOW + DAY)
    assert [quarter["t"] for quarter in body["quarters"]] == [NOW - QUARTER]
    assert body["to"] == NOW
    body = await api.get(start=NOW + QUARTER, end=NOW + DAY)
    assert (body["quarters"], body["from"], body["to"]) == ([], NOW, NOW)
    assert body["summary"]["sharing_rate"] is None


async def test_period_is_taken_to_whole_quarters_and_a_day_where_none_is_given(start: Start):
    api = await start()
    body = await api.get(start=T + 1, end=T + QUARTER + 1)
    assert (body["from"], body["to"], len(body["quarters"])) == (T, T + 2 * QUARTER, 2)
    answer = await api.client.get(PATH, headers=api.headers["viewer"])
    assert len(answer.json()["quarters"]) == 96


async def test_site_that_is_not_a_member_yet_stands_in_no_share(start: Start):
    listed = LISTED | {"d-hall": LISTED["d-hall"] | {"since": "2025-06-15T15:15:00Z"}}  # NOW
    api = await start({"rounds": "prorata", "participants": listed})
    api.write(imports=(500, 1000, 1500, None, 0))
    (quarter,) = (await api.get(why="d-hall"))["quarters"]
    assert [share["id"] for share in quarter["shares"]] == ["a-school", "b-library", "c-pool", "sun"]
    assert received(quarter) == [500, 1000, 1500, 0]
    assert quarter["why"] == "d-hall took no part in the sharing then."


async def test_membership_of_a_producer_holds_with_no_list_of_participants(start: Start):
    until = {"method": "prorata", "points": {"sun": {"until": "2025-06-15T00:00:00Z"}}}
    api = await start({"rounds": "prorata", "producers": until})
    api.write()
    (quarter,) = (await api.get())["quarters"]
    assert received(quarter) == [0, 0, 0, 0]


async def test_why_gives_a_sentence_with_the_sites_name(start: Start):
    api = await start({"rounds": "hybrid", "participants": LISTED})
    api.write()
    sentence = (await api.get(why="d-hall"))["quarters"][0]["why"]
    assert sentence == (
        "Town hall (d-hall) withdrew 3.000 kWh and received 1.400 kWh: 1.000 kWh in round 1 (fixed 25 % of 4.000 kWh), then "
        "0.400 kWh in round 2 (pro rata of withdrawal not yet covered, 0.500 kWh for 2.000 kWh of 2.500 kWh not covered "
        "before); the other 1.600 kWh came from its supplier."
    )
    assert (await api.get(why="a-school"))["quarters"][0]["why"].startswith("Site a-school (a-school) withdrew 0.500")
    assert (await api.get(why="sun"))["quarters"][0]["why"].startswith(
        "sun is no participant and received nothing; it gave"
    )


async def test_fixed_what_if_without_weights_counts_everybody_alike(start: Start):
    producers = {"method": "fixed", "points": {"sun": {"weight": 1}}}
    api = await start({"rounds": "prorata", "producers": producers})
    api.write(imports=(500, 1000, 300, 0, 0), exports=(0, 0, 0, 1000, 3000))
    (quarter,) = (await api.get(key="fixed"))["quarters"]
    assert received(quarter) == [500, 800, 300, 0, 0]
    assert [share["given_wh"] for share in quarter["shares"]] == [0, 0, 0, 0, 1600]  # the hall has no producer's weight


@pytest.mark.parametrize("name", SHORT_NAMES)
async def test_every_short_name_may_be_asked(start: Start, name: str):
    api = await start({"rounds": "prorata", "participants": LISTED})
    api.write()
    assert (await api.get(key=name))["key"] == name


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("sibelga-fixed", [500, 1000, 1000, 1000]),
        ("sibelga-hybrid", [500, 1000, 1100, 1400]),
        ("wallonia-dynamique", [333, 667, 1000, 2000]),
        ("luxembourg-priority", [500, 1000, 833, 1667]),
    ],
)
async def test_operators_key_may_be_asked_by_its_name(start: Start, preset: str, expected: list[int]):
    api = await start({"rounds": "equal", "participants": LISTED})
    api.write()
    body = await api.get(key=preset)
    assert (body["key"], body["what_if"]) == (preset, True)
    assert received(body["quarters"][0]) == [*expected, 0]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sibelga", "there is no preset 'sibelga'"),
        ("spain-beta-hourly", "coefficients by quarter-hour"),
        ("luxembourg-percentage", "needs weights of producers"),
    ],
)
async def test_key_that_is_none_or_needs_more_is_refused_with_a_hint(start: Start, name: str, told: str):
    answer = await (await start({"rounds": "equal", "participants": LISTED})).ask(key=name)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_key")
    assert told in answer.json()["detail"]
    assert "hybrid" in answer.json()["hint"]


async def test_answer_is_as_openapi_says_and_so_is_its_example(start: Start):
    api = await start()
    api.write()
    schema = (await api.client.get("/openapi.json")).json()
    said = schema["paths"]["/api/v1/communities/{community}/sharing"]["get"]["responses"]["200"]
    model = said["content"]["application/json"]["schema"] | {"components": schema["components"]}
    jsonschema.validate(await api.get(end=T + 2 * QUARTER, why="sun"), model)
    example = SharingView.model_json_schema()["example"]  # the served document leaves its nulls out
    jsonschema.validate(example, model)


@pytest.mark.parametrize(
    ("query", "code", "field", "hint"),
    [
        ({"key": "optimal"}, "unknown_key", "query.key", "hybrid"),
        ({"why": "nobody"}, "unknown_site", "query.why", "d-hall"),
        ({"start": NOW - 32 * DAY, "end": NOW}, "too_long", "query.from", "31 days"),
        ({"start": NOW - 2 * DAY, "end": NOW, "why": "sun"}, "too_long", "query.from", "25 hours, or without `why`"),
        ({"start": T, "end": T}, "reversed_period", "query.from", "swap"),
        ({"start": "yesterday"}, "invalid_instant", "query.from", "Z"),
    ],
)
async def test_question_that_cannot_be_answered_is_422_with_what_to_ask_instead(start: Start, query, code, field, hint):
    api = await start()
    answer = await api.ask(**query)
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert (body["code"], body["field"]) == (code, field)
    assert hint in body["hint"]


async def test_local_october_of_31_days_and_an_hour_fits(start: Start):
    api = await start()
    answer = await api.client.get(
        PATH,
        params={"from": "2024-10-01T00:00:00+02:00", "to": "2024-11-01T00:00:00+01:00"},
        headers=api.headers["viewer"],
    )
    assert len(answer.json()["quarters"]) == 31 * 96 + 4


async def test_large_community_gets_a_shorter_period(start: Start):
    api = await start(sites=tuple(f"s{n}" for n in range(1000)))
    answer = await api.ask(start=NOW - 31 * DAY, end=NOW)
    assert (answer.status_code, answer.json()["hint"]) == (422, "ask for at most 3 days")


async def test_community_without_sites_shares_nothing(start: Start):
    api = await start(sites=())
    body = await api.get(key="fixed")
    assert (body["quarters"][0]["shares"], body["totals"], body["summary"]["shared_wh"]) == ([], [], 0)


async def test_participant_sees_the_summary_and_no_single_site(start: Start):
    api = await start()
    api.write()
    answer = await api.ask("participant")
    body = answer.json()
    assert body["summary"]["shared_wh"] == 4000
    assert (body["participants"], body["quarters"], body["totals"]) == ([], [], [])
    assert not any(site in answer.text for site in SITES)
    refused = await api.ask("participant", why="d-hall")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_other_tenants_and_gateways_see_nothing(start: Start):
    api = await start()
    answer = await api.ask("stranger")
    nobodys = await api.client.get("/api/v1/communities/nobody/sharing", headers=api.headers["stranger"])
    assert answer.status_code == nobodys.status_code == 404
    assert answer.text.replace("green", "nobody") == nobodys.text
    assert (await api.ask("gateway")).status_code == 403
    assert (await api.client.get(PATH)).status_code == 401


def test_configuration_of_the_documentation_is_valid():
    page = (Path(__file__).parents[3] / "docs" / "sharing.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yml\n(.*?)```", page, re.DOTALL)
    (documented,) = yaml.safe_load(block)["communities"]
    assert [round_.method for round_ in Community.model_validate(documented).sharing.rounds] == ["fixed", "prorata"]


def test_key_that_names_no_site_of_the_community_is_refused():
    listed = {"rounds": "equal", "participants": {"moon": {}}}
    with pytest.raises(ValidationError, match=r"participants names 'moon', which is no site of community 'green'"):
        Community.model_validate(community("green", SITES) | {"sharing": listed})
    producers = {"method": "priority", "points": {"moon": {"tier": 1}}}
    with pytest.raises(ValidationError, match=r"sharing\.producers\.points names 'moon'"):
        Community.model_validate(community("green", SITES) | {"sharing": {"rounds": "equal", "producers": producers}})
