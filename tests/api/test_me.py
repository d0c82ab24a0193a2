"""A member sees its own quarter-hours and statements, sums over groups of five others, and nothing of anybody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest

from api.timeline.members import Group, members_history
from energy.quarters import QUARTER_MS
from energy.settlement.curves import Curve
from energy.settlement.inputs import DatedKey, inputs_of
from energy.settlement.month import month_window, settle_month
from energy.settlement.statement import Member
from energy.settlement.volumes import Tenure
from energy.sharing.ean import check_digit
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings
from storage.register import audit
from storage.register.month_runs import keep
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from storage.register.people import PEOPLE, USERS, Person, User
from storage.register.roles import AccessRole
from tests.api.conftest import NOW, Api, bearer
from tests.energy.settlement.example import MONTH, setting

START, END = month_window(MONTH, "Europe/Brussels")
COUNT = (END - START) // QUARTER_MS
POINTS = [f"5414489000000000{n:01d}" for n in range(9)]
EANS = [point + str(check_digit(point)) for point in POINTS]
MEMBERS = "/api/v1/communities/ixelles/members/history"


def readings(injected_wh: int = 700) -> QuarterReadings:
    """m-0 to m-6 withdraw 100, 101, ... Wh, m-7 injects; the second quarter-hour of m-1 is unknown."""
    withdrawal = np.tile(np.array([100 + n for n in range(7)] + [0]), (COUNT, 1)).astype(np.int64)
    injection = np.zeros_like(withdrawal)
    injection[:, 7] = injected_wh
    injects = np.tile(np.arange(8) == 7, (COUNT, 1))
    withdraws = ~injects
    withdraws[1, 1] = False
    withdrawal[1, 1] = 0
    return QuarterReadings(
        tuple(EANS[:8]),
        START + np.arange(COUNT, dtype=np.int64) * QUARTER_MS,
        withdrawal,
        withdraws,
        injection,
        injects,
    )


def settled(injected_wh: int = 700, late: QuarterReadings | None = None, **terms):
    key = DatedKey("k", SharingKey.model_validate({"rounds": "prorata", "on_missing": "hold"}))
    members = [Member(f"m-{n}", "citizen") for n in range(8)]
    tenures = [Tenure(ean, f"m-{n}") for n, ean in enumerate(EANS[:8])]
    inputs = inputs_of(setting("D", **terms), (START, END), [key], members, tenures)
    return settle_month(inputs, readings(injected_wh) if late is None else late)


@dataclass
class Members:
    """The API of a community of eight members, June settled; `keys` by member."""

    api: Api
    keys: dict[str, dict[str, str]]

    async def get(self, path: str, who: str, **query: Any) -> httpx.Response:
        return await self.api.client.get(f"/api/v1/{path}", params=query or None, headers=self.keys[who])


def settle(api: Api, status: str = "final", injected_wh: int = 700) -> None:
    with api.register.database.write() as connection:
        keep(connection, settled(injected_wh), "0" * 64, status, issued=date(2026, 7, 3), by="ann", why="", now_ms=1)


@pytest.fixture
async def members(api: Api) -> Members:
    with api.register.database.write() as connection:
        for n, ean in enumerate(EANS[:8]):
            PEOPLE.put(connection, Person(id=f"p-{n}", name=f"Name {n}", language="nl"), NOW)
            member = Participant(id=f"m-{n}", community="ixelles", person=f"p-{n}", member_class="citizen")
            PARTICIPANTS.put(connection, member, NOW)
            METERING_POINTS.put(connection, MeteringPoint(id=ean, participant=f"m-{n}", direction="both"), NOW)
    settle(api)
    api.clock._now_ms = START + 40 * 86_400_000
    keys = {f"m-{n}": bearer(api.keys.create(f"of-{n}", "member", participants=[f"m-{n}"])) for n in range(8)}
    for role in ("manager", "viewer", "councillor"):
        keys[role] = bearer(api.keys.create(f"the-{role}", role, ["ixelles"]))
    keys["stranger"] = bearer(api.keys.create("stranger", "manager", ["schaerbeek"]))
    return Members(api, keys)


def window(quarters: int = 4) -> dict[str, int]:
    return {"from": START, "to": START + quarters * QUARTER_MS}


async def test_answers_are_as_openapi_says(members: Members):
    schema = members.api.app.openapi()
    paths = {"me": {}, "me/energy": window(), "me/statements": {}, "communities/ixelles/members/history": window()}
    for path, query in paths.items():
        answer = await members.get(path, "m-0", **query)
        assert answer.status_code == 200, answer.text
        named = f"/api/v1/{path}".replace("ixelles", "{community}")
        said = schema["paths"][named]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), said | {"components": schema["components"]})


async def test_member_is_told_who_it_is_here(members: Members):
    body = (await members.get("me", "m-3")).json()
    assert (body["role"], body["rights"], body["language"]) == ("participant", ["aggregate", "own"], "nl")
    assert body["participants"] == [
        {
            "id": "m-3",
            "community": "ixelles",
            "community_name": "Ixelles",
            "member_class": "citizen",
            "metering_points": [EANS[3]],
        }
    ]


async def test_member_sees_its_own_quarter_hours_and_a_held_one_as_unknown(members: Members):
    (point,) = (await members.get("me/energy", "m-0", **window())).json()["points"]
    assert (point["ean"], point["participant"]) == (EANS[0], "m-0")
    assert point["withdrawn_wh"] == [100, None, 100, 100]
    assert point["status"] == ["final", "missing", "final", "final"]
    received, residual = point["received_wh"][0], point["residual_wh"][0]
    assert (received + residual, received in {97, 98}) == (100, True)  # 700 of 721 Wh, to the Wh
    (sun,) = (await members.get("me/energy", "m-7", **window(1))).json()["points"]
    assert (sun["injected_wh"], sun["given_wh"], sun["surplus_wh"], sun["withdrawn_wh"]) == ([700], [700], [0], [None])


async def test_nobody_sees_anothers_curve_on_any_route(members: Members):
    for who in ("m-0", "viewer", "councillor", "stranger"):
        for path in ("me", "me/energy", "me/statements"):
            answer = await members.get(path, who, **(window() if path == "me/energy" else {}))
            others = [f"m-{n}" for n in range(8) if f"m-{n}" != who] + EANS[1:8]
            assert not [other for other in others if f'"{other}"' in answer.text], (who, path)


async def test_corrected_month_is_seen_as_corrected(members: Members):
    settle(members.api, "correction", injected_wh=0)
    (point,) = (await members.get("me/energy", "m-0", **window(1))).json()["points"]
    assert (point["received_wh"], point["residual_wh"]) == ([0], [100])


async def test_preview_is_shown_to_no_member(api: Api, members: Members):
    with api.register.database.write() as connection:
        made = settled(0)
        inputs = replace(made.inputs, month="2026-07")
        preview = replace(made, inputs=inputs, statements=())
        keep(connection, preview, "1" * 64, "preview", issued=date(2026, 8, 3), by="ann", why="", now_ms=1)
    (point,) = (await members.get("me/energy", "m-0", **window(1))).json()["points"]
    assert point["received_wh"] != [0]
    assert {each["month"] for each in (await members.get("me/statements", "m-0")).json()["statements"]} == {"2026-06"}


async def test_own_statements_are_listed_and_lead_to_their_lines(members: Members):
    (own,) = (await members.get("me/statements", "m-0")).json()["statements"]
    assert (own["id"], own["status"], own["side"]) == ("ixelles.2026-06.1.m-0.consumer", "final", "consumer")
    lines = await members.get(f"statements/{own['id']}", "m-0")
    assert lines.json()["totals"]["gross"] == own["gross"]


@pytest.mark.parametrize(("who", "status"), [("m-1", 403), ("viewer", 403), ("stranger", 404), ("manager", 200)])
async def test_anothers_statement_is_for_managers_alone(members: Members, who: str, status: int):
    for statement in ("ixelles.2026-06.1.m-0.consumer", "ixelles.2026-06.1.nobody.consumer"):
        answer = await members.get(f"statements/{statement}", who)
        assert answer.status_code == (404 if status == 200 and "nobody" in statement else status)
        assert status == 200 or '"lines"' not in answer.text


async def test_sum_over_all_members_is_told_to_a_member_with_five_others(members: Members):
    body = (await members.get("communities/ixelles/members/history", "m-0", **window())).json()
    assert body["withdrawn_wh"] == [721, None, 721, 721]
    assert (body["received_wh"][0], body["given_wh"][0], body["members"]) == (700, 700, [8, 0, 8, 8])


async def test_members_at_measured_sites_and_the_others_are_groups_of_their_own(api: Api, members: Members):
    """Sums over the sites, taken off, would tell of the three: but not to whoever reads these, and five are left."""
    with api.register.database.write() as connection:
        for n in (1, 2, 3):
            point = MeteringPoint(id=EANS[n], participant=f"m-{n}", direction="both", site="ixl-hall")
            METERING_POINTS.put(connection, point, NOW + 1)
    api.keys.look()
    assert (await members.get("communities/ixelles/members/history", "m-0", **window(1))).json()["members"] == [0]
    assert (await members.get("communities/ixelles/members/history", "viewer", **window(1))).json()["members"] == [8]
    assert (await members.get("communities/ixelles/members/history", "manager", **window(1))).json()["members"] == [8]


async def test_member_with_a_point_nobody_else_reads_is_not_taken_off_by_its_site(api: Api, members: Members):
    """The viewer knows what all eight did at the hall; of the ninth point it would be told alone."""
    with api.register.database.write() as connection:
        for n in range(8):
            point = MeteringPoint(id=EANS[n], participant=f"m-{n}", direction="both", site="ixl-hall")
            METERING_POINTS.put(connection, point, NOW + 1)
    api.keys.look()
    assert (await members.get("communities/ixelles/members/history", "viewer", **window(1))).json()["members"] == [8]
    with api.register.database.write() as connection:
        METERING_POINTS.put(connection, MeteringPoint(id=EANS[8], participant="m-1", direction="both"), NOW + 2)
    api.keys.look()
    assert (await members.get("communities/ixelles/members/history", "viewer", **window(1))).json()["members"] == [0]


@pytest.mark.parametrize(("at_sites", "elsewhere", "told"), [(0, 4, 0), (0, 5, 5), (4, 5, 0), (5, 5, 10), (5, 0, 5)])
def test_each_part_of_a_group_is_none_or_at_least_five(at_sites: int, elsewhere: int, told: int):
    names = [f"m-{n}" for n in range(at_sites + elsewhere)]
    curves = [Curve(name, name, START, np.full((4, 1), 10, dtype=np.int32)) for name in names]
    group = Group(names[:at_sites], names[at_sites:])
    found = members_history(range(START, START + QUARTER_MS, QUARTER_MS), curves, group)
    assert (found.members, found.withdrawn_wh) == ([told], [told * 10 if told else None])


async def test_what_is_not_settled_is_estimated_for_the_only_point_of_a_site_while_it_is_held(
    api: Api, members: Members
):
    july = END
    with api.register.database.write() as connection:
        point = MeteringPoint(
            id=EANS[0], participant="m-0", direction="both", site="ixl-hall", valid_from=date(2026, 7, 2)
        )
        METERING_POINTS.put(connection, point, NOW + 1)
    for site in ("ixl-hall", "ixl-pool"):
        api.write_quarters(site, july, 200)
    api.keys.look()
    day = 96 * QUARTER_MS
    query = {"from": july + day - 2 * QUARTER_MS, "to": july + day + 2 * QUARTER_MS}
    points = (await members.get("me/energy", "m-0", **query)).json()["points"]
    (own,) = [point for point in points if point["ean"] == EANS[0]]
    assert own["status"] == ["missing", "missing", "estimate", "estimate"]
    assert own["withdrawn_wh"] == [None, None, 200, 200]


async def test_what_one_got_so_far_is_told_while_the_quarter_hour_runs(api: Api, members: Members):
    """Its own alone, of the point that is a site's only one, and nothing of what holds the others."""
    with api.register.database.write() as connection:
        for n, site in ((0, "ixl-hall"), (7, "ixl-pool")):
            point = MeteringPoint(id=EANS[n], participant=f"m-{n}", direction="both", site=site)
            METERING_POINTS.put(connection, point, NOW + 1)
    api.keys.look()
    start = api.clock.now_ms() - api.clock.now_ms() % QUARTER_MS + QUARTER_MS
    api.clock._now_ms = start + 60_000
    query = {"from": start, "to": start + QUARTER_MS}

    async def told(site: str, imported: float | None, exported: float) -> None:
        energy = {"import_wh": imported, "export_wh": exported, "quality": "measured"}
        await api.publish_live("ixelles", site, quarter={"start": start, "until": start + 60_000} | energy)

    await told("ixl-hall", 90.0, 0.0)
    await told("ixl-pool", 0.0, 60.0)
    (own,) = (await members.get("me/energy", "m-0", **query)).json()["running"]
    assert own == {
        "ean": EANS[0],
        "participant": "m-0",
        "t": start,
        "until": start + 60_000,
        "quality": "estimated",
        "withdrawn_wh": 90,
        "received_wh": 60,
        "residual_wh": 30,
        "injected_wh": 0,
        "given_wh": 0,
        "surplus_wh": 0,
    }
    (sun,) = (await members.get("me/energy", "m-7", **query)).json()["running"]
    assert (sun["received_wh"], sun["injected_wh"], sun["given_wh"]) == (0, 60, 60)
    assert (await members.get("me/energy", "m-1", **query)).json()["running"] == []
    assert (await members.get("me/energy", "m-0", **window())).json()["running"] == []
    await told("ixl-pool", None, 60.0)
    answer = await members.get("me/energy", "m-0", **query)
    (held,) = answer.json()["running"]
    assert (held["quality"], held["received_wh"], held["withdrawn_wh"]) == ("missing", None, None)
    assert "ixl-pool" not in answer.text


async def test_who_gave_the_point_up_sees_nothing_of_it_live(api: Api, members: Members):
    with api.register.database.write() as connection:
        point = MeteringPoint(
            id=EANS[0], participant="m-0", direction="both", site="ixl-hall", valid_to=date(2026, 7, 2)
        )
        METERING_POINTS.put(connection, point, NOW + 1)
    api.keys.look()
    now = api.clock.now_ms()
    query = {"from": now - QUARTER_MS, "to": now + QUARTER_MS}
    assert (await members.get("me/energy", "m-0", **query)).json()["running"] == []


async def test_a_point_at_a_site_with_another_is_not_estimated(api: Api, members: Members):
    with api.register.database.write() as connection:
        for n in (0, 1):
            point = MeteringPoint(id=EANS[n], participant=f"m-{n}", direction="both", site="ixl-hall")
            METERING_POINTS.put(connection, point, NOW + 1)
    for site in ("ixl-hall", "ixl-pool"):
        api.write_quarters(site, END, 4)
    api.keys.look()
    query = {"from": END, "to": END + 4 * QUARTER_MS}
    assert (await members.get("me/energy", "m-0", **query)).json()["points"] == []


async def test_a_user_who_is_a_member_sees_its_own_whatever_its_role(api: Api, members: Members):
    with api.register.database.write() as connection:
        USERS.put(connection, User(id="u-1", person="p-2", role=AccessRole.VIEWER, communities=("schaerbeek",)), NOW)
    headers = bearer(api.keys.create("laptop", "viewer", owner="u-1"))
    answer = await api.client.get("/api/v1/me/energy", params=window(1), headers=headers)
    assert [point["ean"] for point in answer.json()["points"]] == [EANS[2]]


async def test_too_long_a_period_is_refused_with_what_fits(members: Members):
    answer = await members.get("me/energy", "m-0", **{"from": START, "to": START + 40 * 86_400_000})
    assert (answer.status_code, answer.json()["hint"]) == (422, "ask for at most 31 days")


async def test_names_stand_in_no_answer_about_energy(members: Members):
    told: Callable[[httpx.Response], bool] = lambda answer: "Name " in answer.text  # noqa: E731
    for path in ("me/energy", "me/statements", "communities/ixelles/members/history"):
        assert not told(await members.get(path, "m-0", **(window() if path != "me/statements" else {})))
    assert not told(await members.get("communities/ixelles/statements", "manager", month="2026-06"))


class TestConsents:
    CURVE = "me/consents/curve"

    async def decide(self, members: Members, method: str, who: str = "m-0") -> httpx.Response:
        return await members.api.client.request(method, f"/api/v1/{self.CURVE}", headers=members.keys[who])

    async def seen(self, members: Members, who: str = "manager", participant: str = "m-0") -> httpx.Response:
        return await members.get(f"participants/{participant}/energy", who, **window())

    async def test_managers_see_a_members_curve_only_while_it_consents(self, members: Members):
        refused = await self.seen(members)
        assert (refused.status_code, refused.json()["code"]) == (403, "consent_needed")
        for _ in range(2):
            given = (await self.decide(members, "PUT")).json()
        assert given["purposes"][0] == {"purpose": "curve", "given": True}
        (point,) = (await self.seen(members)).json()["points"]
        assert (point["participant"], point["withdrawn_wh"][0]) == ("m-0", 100)
        for _ in range(2):
            withdrawn = (await self.decide(members, "DELETE")).json()
        assert [each["withdrawn_at"] is None for each in withdrawn["history"]] == [False]
        assert (await self.seen(members)).status_code == 403

    async def test_consent_of_one_is_not_anothers(self, members: Members):
        await self.decide(members, "PUT", "m-1")
        assert (await self.seen(members)).status_code == 403

    @pytest.mark.parametrize(("who", "status"), [("m-1", 403), ("viewer", 403), ("stranger", 404)])
    async def test_nobody_else_sees_it_with_consent_either(self, members: Members, who: str, status: int):
        await self.decide(members, "PUT")
        answer = await self.seen(members, who)
        assert answer.status_code == status
        assert (await self.seen(members, who, "nobody")).status_code == status

    async def test_curve_of_a_public_body_needs_none(self, api: Api, members: Members):
        with api.register.database.write() as connection:
            hall = Participant(id="m-0", community="ixelles", person="p-0", member_class="municipality")
            PARTICIPANTS.put(connection, hall, NOW + 1)
        assert (await self.seen(members)).status_code == 200

    async def test_consenting_stands_in_the_audit(self, api: Api, members: Members):
        await self.decide(members, "PUT")
        with api.register.database.read() as connection:
            line = audit.entries(connection, subject="p-0")[0]
        assert (line.who, line.action, line.after) == ("of-0", "consent", {"purpose": "curve"})

    async def test_a_key_of_nobody_can_agree_to_nothing(self, members: Members):
        answer = await self.decide(members, "PUT", "viewer")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_person")

    async def test_a_purpose_that_is_none_is_refused(self, members: Members):
        answer = await members.api.client.put("/api/v1/me/consents/fame", headers=members.keys["m-0"])
        assert (answer.status_code, answer.json()["hint"]) == (422, "allowed: 'curve' or 'research'")
