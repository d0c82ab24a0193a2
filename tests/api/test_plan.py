"""GET plan: the newest plan and the decisions as the collector told them, and who may see what of them."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.api.conftest import NOW, Api

PATH = "/api/v1/communities/ixelles/plan"
STEP = {
    "start": NOW,
    "pv_w": 12_000.0,
    "consumption_w": 4_000.0,
    "surplus_w": 8_000.0,
    "low_w": -9_000.0,
    "high_w": -6_000.0,
    "battery_w": -5_000.0,
    "grid_w": -3_000.0,
    "stored_pct": 40.0,
    "import_eur_kwh": 0.3,
    "feed_in_eur_kwh": 0.05,
    "why": "Stores what the roofs have left.",
}


def plan(community: str = "ixelles", **values: Any) -> dict[str, Any]:
    """A plan as the collector publishes it."""
    made = {
        "community": community,
        "t": NOW,
        "days": 28.0,
        "estimated": 0.0,
        "value_eur_kwh": 0.21,
        "values": {"ixl-hall/battery": [0.3, 0.2]},
        "peak_target_w": {"ixl-hall": 40_000.0},
        "steps": [STEP],
        "cars": {"ixl-hall/ev-1": [7_000.0]},
    }
    return {
        "community": community,
        "t": NOW + 1000,
        "plan": made,
        "missing": ["Only 3 h of the past are known."],
    } | values


def decided(community: str = "ixelles") -> dict[str, Any]:
    return {
        "community": community,
        "t": NOW,
        "decisions": [
            {
                "device": "ixl-hall/battery",
                "set": {"power_w": -5000.0},
                "state": "applied",
                "since": NOW,
                "reason": "Stores 5.0 kW that its own roof has left.",
            }
        ],
        "limits": {"ixl-hall": ["Main fuse 63 A: the fullest phase carries 12 A."]},
    }


async def test_plan_and_decisions_are_what_the_collector_said(api: Api):
    await api.publish("cw/v1/ixelles/live/plan", plan(), retained=True)
    await api.publish("cw/v1/ixelles/live/balancer", decided(), retained=True)
    assert api.live.rejected == 0
    answer = (await api.get(PATH)).json()
    assert answer["plan"]["t"] == NOW + 1000
    assert answer["plan"]["steps"] == [STEP]
    assert answer["plan"]["missing"] == ["Only 3 h of the past are known."]
    assert answer["now"]["decisions"] == decided()["decisions"]
    assert answer["now"]["limits"] == decided()["limits"]
    schema = (await api.client.get("/openapi.json")).json()
    said = schema["paths"]["/api/v1/communities/{community}/plan"]["get"]["responses"]["200"]
    reference = said["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**reference, "components": schema["components"]})


async def test_plan_and_decisions_are_told_in_the_readers_language(api: Api):
    await api.publish("cw/v1/ixelles/live/plan", plan(), retained=True)
    await api.publish("cw/v1/ixelles/live/balancer", decided(), retained=True)
    answer = (await api.get(f"{PATH}?lang=fr")).json()
    assert answer["plan"]["steps"][0]["why"] == "Stocke ce que les toits ont en trop."
    assert answer["plan"]["missing"] == ["Only 3 h of the past are known."]  # no sentence of ours: as it was written
    assert answer["now"]["decisions"][0]["reason"] == "Stocke 5,0 kW que son propre toit a en trop."
    assert answer["now"]["limits"] == {"ixl-hall": ["Fusible principal 63 A : la phase la plus chargée porte 12 A."]}
    assert (await api.get(f"{PATH}?lang=it")).status_code == 422


@pytest.mark.parametrize(
    ("topic", "broken"),
    [
        ("balancer", {"community": "ixelles", "t": NOW, "decisions": [{"device": "ixl-hall/battery"}], "limits": {}}),
        ("balancer", {"community": "ixelles", "t": NOW, "decisions": [], "limits": {"ixl-hall": "full"}}),
        ("plan", {"community": "ixelles", "t": NOW, "missing": [], "plan": {"steps": [{"start": NOW}]}}),
        ("plan", {"community": "ixelles", "t": NOW, "missing": None, "plan": {"steps": []}}),
    ],
)
async def test_plan_or_decisions_of_another_shape_are_not_taken(api: Api, topic: str, broken: dict[str, Any]):
    await api.publish(f"cw/v1/ixelles/live/{topic}", broken, retained=True)
    assert api.live.rejected == 1
    assert (await api.get(PATH)).json()["plan"] is None


async def test_nothing_planned_yet_is_null_and_no_error(api: Api):
    answer = (await api.get(PATH)).json()
    assert answer["plan"] is None
    assert answer["now"] == {"t": None, "decisions": [], "limits": {}}


async def test_withdrawn_plan_is_gone(api: Api):
    await api.publish("cw/v1/ixelles/live/plan", plan(), retained=True)
    await api.publish("cw/v1/ixelles/live/plan", b"", retained=True)
    assert (await api.get(PATH)).json()["plan"] is None


async def test_member_sees_the_plan_of_all_and_nothing_of_single_sites(api: Api, monkeypatch: pytest.MonkeyPatch):
    await api.publish("cw/v1/ixelles/live/plan", plan(), retained=True)
    await api.publish("cw/v1/ixelles/live/balancer", decided(), retained=True)
    refused = await api.get(PATH, "councillor")
    assert (refused.status_code, refused.json()["code"]) == (403, "group_too_small")
    monkeypatch.setattr("api.groups.SMALLEST_GROUP", 2)  # as many as there are here
    answer = await api.get(PATH, "councillor")
    assert answer.status_code == 200
    assert answer.json()["plan"]["steps"] == [STEP]
    assert "ixl-hall" not in answer.text


async def test_object_of_another_community_is_left_out(api: Api):
    await api.publish("cw/v1/ixelles/live/plan", plan("schaerbeek"), retained=True)
    await api.publish("cw/v1/ixelles/live/balancer", b"{}", retained=True)
    assert api.live.rejected == 2
    assert (await api.get(PATH)).json()["plan"] is None
