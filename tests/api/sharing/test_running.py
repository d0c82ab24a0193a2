"""GET sharing while a quarter-hour runs: shared as far as it has come, always an estimate, for whoever may see it."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from runtime.clock import ManualClock
from tests.api.conftest import NOW, Keys, bearer
from tests.api.sharing.conftest import LISTED, PATH, QUARTER, SITES, WITHDRAWN, Sharing, Start

MINUTE = 60_000


async def running(api: Sharing, role: str = "viewer", **query: Any) -> dict[str, Any]:
    window = {"start": NOW, "end": NOW + QUARTER} | query
    answer = await api.ask(role, **window)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["running"]
    return found


def received(quarter: dict[str, Any]) -> dict[str, int]:
    return {share["id"]: share["received_wh"] for share in quarter["shares"]}


async def test_running_quarter_tells_what_each_got_so_far_as_an_estimate(start: Start, clock: ManualClock):
    api = await start({"rounds": "hybrid", "participants": LISTED})
    await clock.advance(300)
    api.tell(t=NOW + 5 * MINUTE)
    found = await running(api)
    assert (found["t"], found["until"], found["quality"], found["held"]) == (NOW, NOW + 5 * MINUTE, "estimated", None)
    assert received(found) == {"a-school": 500, "b-library": 1000, "c-pool": 1100, "d-hall": 1400, "sun": 0}
    assert (found["withdrawn_wh"], found["injected_wh"], found["shared_wh"]) == (6000, 4000, 4000)


async def test_running_quarter_grows_and_counts_in_no_total(start: Start, clock: ManualClock):
    api = await start()
    await clock.advance(60)
    api.tell((50, 100, 150, 300, 0), (0, 0, 0, 0, 400), t=NOW + MINUTE)
    assert (await running(api))["shared_wh"] == 400
    await clock.advance(60)
    api.tell((100, 200, 300, 600, 0), (0, 0, 0, 0, 800), t=NOW + 2 * MINUTE)
    body = await api.get(start=NOW, end=NOW + QUARTER)
    assert body["running"]["shared_wh"] == 800
    assert body["quarters"] == []
    assert body["summary"]["shared_wh"] == 0


async def test_period_that_does_not_reach_the_running_quarter_has_none(start: Start, clock: ManualClock):
    api = await start()
    api.tell(t=NOW)
    assert (await api.get(start=NOW - QUARTER, end=NOW))["running"] is None
    await clock.advance(60)
    api.tell(t=NOW + MINUTE)
    assert (await api.get(start=NOW - QUARTER, end=NOW + MINUTE))["running"]["t"] == NOW
    assert (await api.get(start=NOW + QUARTER, end=NOW + 2 * QUARTER))["running"] is None


@pytest.mark.parametrize("why", ["never", "of the quarter before", "long ago", "no import", "expired"])
async def test_site_that_is_not_known_now_holds_the_running_quarter_and_is_named(
    start: Start, clock: ManualClock, why: str
):
    api = await start()
    await clock.advance(300)
    now = NOW + 5 * MINUTE
    silent = {
        "never": lambda: api.tell((None,) * 5, t=now),
        "of the quarter before": lambda: api.tell(t=now, start=NOW - QUARTER),
        "long ago": lambda: api.tell(t=now, until=now - 121_000),
        "no import": lambda: api.tell(t=now, import_wh=None),
        "expired": lambda: api.tell(t=now - 31_000, until=now - 31_000),
    }[why]
    silent()
    found = await running(api)
    assert (found["quality"], found["shares"], found["shared_wh"]) == ("missing", [], 0)
    assert "a-school" in found["held"]


@pytest.mark.parametrize("on_missing", ["hold", "zero", "estimate"])
async def test_one_unknown_site_is_held_or_zero_and_never_filled_from_another_day(
    start: Start, clock: ManualClock, on_missing: str
):
    api = await start({"rounds": "prorata", "on_missing": on_missing})
    for back in (7 * 96, 96):
        api.write(NOW - back * QUARTER)
    await clock.advance(60)
    api.tell((500, None, 1500, 3000, 0), t=NOW + MINUTE)
    found = await running(api)
    if on_missing == "zero":
        assert (found["held"], found["quality"]) == (None, "estimated")
        assert found["shared_wh"] == 4000
        assert received(found)["b-library"] == 0
    else:
        assert found["held"] == "import or export is not known of b-library"


async def test_what_if_and_why_hold_for_the_running_quarter_too(start: Start, clock: ManualClock):
    api = await start({"rounds": "prorata", "participants": LISTED})
    await clock.advance(60)
    api.tell(t=NOW + MINUTE)
    found = await running(api, key="fixed", why="d-hall")
    assert received(found)["d-hall"] == 1000
    assert found["why"].startswith("Town hall (d-hall) withdrew 3.000 kWh and received 1.000 kWh")


async def test_who_sees_sums_alone_gets_the_sums_and_no_site(start: Start, clock: ManualClock):
    api = await start()
    await clock.advance(60)
    api.tell(t=NOW + MINUTE)
    found = await running(api, role="participant")
    assert (found["shared_wh"], found["shares"]) == (4000, [])
    api.tell((500, None, 1500, 3000, 0), t=NOW + MINUTE)
    api.tell((None,) * 5, t=NOW + MINUTE)
    answer = await api.ask("participant", start=NOW, end=NOW + QUARTER)
    assert answer.json()["running"]["held"] == "import or export is not known of all sites"
    assert not any(site in answer.text for site in SITES)


async def test_sums_over_few_known_sites_are_not_told(start: Start, clock: ManualClock):
    """With `zero`, a sum in which four of five are unknown would be the fifth's own energy."""
    api = await start({"rounds": "prorata", "on_missing": "zero"})
    api.write(NOW - QUARTER, imports=(500, None, None, None, None), exports=(0, None, None, None, None))
    await clock.advance(60)
    api.tell((500, None, None, None, None), t=NOW + MINUTE)
    window = {"start": NOW - QUARTER, "end": NOW + QUARTER}
    seen = (await api.ask("viewer", **window)).json()
    assert (seen["summary"]["withdrawn_wh"], seen["running"]["withdrawn_wh"]) == (500, 500)
    hidden = (await api.ask("participant", **window)).json()
    assert (hidden["summary"]["withdrawn_wh"], hidden["summary"]["held"]) == (0, 1)
    assert hidden["running"]["withdrawn_wh"] == 0


async def test_group_of_fewer_than_five_is_not_told_live_either(start: Start, clock: ManualClock, keys: Keys):
    api = await start(sites=SITES[:4])
    await clock.advance(60)
    api.tell(t=NOW + MINUTE)
    answer = await api.ask("participant", start=NOW, end=NOW + QUARTER)
    assert (answer.status_code, answer.json()["code"]) == (403, "group_too_small")
    stranger = bearer(keys.create("other", "viewer", ["blue"]))
    assert (await api.client.get(PATH, headers=stranger)).status_code == 404


async def test_receiver_who_joins_with_the_running_quarter_counts_for_the_group(start: Start, clock: ManualClock):
    """Of four receivers until now and one more from now on, a sum since now tells of the four."""
    listed: dict[str, Any] = {site: {} for site in SITES}
    listed["sun"] = {"since": "2025-06-15T15:15:00Z"}  # NOW
    api = await start({"rounds": "prorata", "participants": listed})
    await clock.advance(60)
    api.tell(t=NOW + MINUTE)
    answer = await api.ask("participant", start=NOW - QUARTER, end=NOW + QUARTER)
    assert answer.status_code == 403


async def test_live_objects_that_tell_otherwise_are_unknown_and_no_fault(start: Start, clock: ManualClock):
    api = await start()
    await clock.advance(60)
    api.tell(WITHDRAWN, t=NOW + MINUTE, import_wh="much")
    found = await running(api)
    assert found["held"].startswith("import or export is not known of a-school")


async def test_answer_is_as_openapi_says(start: Start, clock: ManualClock):
    api = await start()
    await clock.advance(60)
    api.tell(t=NOW + MINUTE)
    schema = (await api.client.get("/openapi.json")).json()
    said = schema["paths"]["/api/v1/communities/{community}/sharing"]["get"]["responses"]["200"]
    model = said["content"]["application/json"]["schema"] | {"components": schema["components"]}
    jsonschema.validate(await api.get(start=NOW - QUARTER, end=NOW + QUARTER, why="sun"), model)
