"""What people see of alerts and do to them: acts with an end, the evidence to take away, the rules, the test button."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.settings import ApiSettings
from energy.alerts.evidence_texts import Said
from energy.alerts.library import ready_rules
from energy.community import Community
from messaging.notices import Channel, NotificationSettings
from storage.register import Evidence
from tests.api.conftest import COMMUNITIES, NOW, Api, alert
from tests.messaging.test_notices import serving


@pytest.fixture
async def standing(api: Api) -> Api:
    """A firing alert that asked for a lease."""
    api.command("c1", "ixl-hall/battery")
    action = {"device": "ixl-hall/battery", "set": {"power_w": -3000}, "command": "c1", "state": "asked", "reason": ""}
    api.register.save_alert(alert("ixelles", "a1", NOW, actions=[action], site="ixl-hall", subject="ixl-hall"))
    return api


async def post(api: Api, path: str, body: object = None, role: str = "operator") -> httpx.Response:
    return await api.client.post(f"/api/v1/{path}", json=body, headers=api.headers[role])


async def test_acknowledging_with_an_end_and_a_reason(standing: Api):
    answer = await post(standing, "alerts/a1/ack", {"for_s": 3600, "reason": "on my way"})
    assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
    assert answer.json()["acknowledged_until"] == NOW + 3_600_000
    assert "on my way" in answer.json()["evidence"][-1]["text"]


async def test_muting_ends_and_can_be_ended(standing: Api):
    muted = await post(standing, "alerts/a1/mute", {"for_s": 60, "reason": "works"}, role="technician")
    assert (muted.status_code, muted.json()["state"], muted.json()["muted_by"]) == (200, "muted", "technician")
    assert muted.json()["muted_until"] == NOW + 60_000
    assert (await standing.get("/api/v1/alerts", state="open")).json()["alerts"][0]["state"] == "muted"
    assert (await post(standing, "alerts/a1/unmute")).json()["state"] == "firing"
    assert (await post(standing, "alerts/a1/unmute")).json()["state"] == "firing"


async def test_what_has_cleared_cannot_be_muted(standing: Api):
    standing.register.save_alert(alert("ixelles", "old", NOW, state="cleared", cleared_at=NOW))
    answer = await post(standing, "alerts/old/mute", {"for_s": 60})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_firing")


@pytest.mark.parametrize("role", ["viewer", "councillor", "participant"])
async def test_who_may_only_look_mutes_nothing_and_tests_nothing(standing: Api, role: str):
    for path, body in (("alerts/a1/mute", {"for_s": 60}), ("alerts/a1/unmute", None), ("channels/facility/test", None)):
        assert (await post(standing, path, body, role=role)).status_code == 403
    assert standing.register.alert("a1").state == "firing"


async def test_alerts_of_one_site(standing: Api):
    standing.register.save_alert(alert("ixelles", "a2", NOW, site="ixl-school"))
    found = (await standing.get("/api/v1/alerts", site="ixl-hall")).json()["alerts"]
    assert [each["id"] for each in found] == ["a1"]
    assert (await standing.get("/api/v1/alerts/a2")).json()["site"] == "ixl-school"


async def test_evidence_is_the_whole_chain_with_the_commands_trail(standing: Api):
    standing.register.record_result("c1", "applied", "read back", NOW + 500)
    whole = (await standing.get("/api/v1/alerts/a1/evidence")).json()
    assert whole["alert"]["id"] == "a1"
    assert [step["state"] for step in whole["commands"][0]["trail"]] == ["asked", "applied"]
    answer = await standing.get("/api/v1/alerts/a1/evidence", format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="a1.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["event"] for row in rows] == ["raised", "command asked", "command applied"]
    assert rows[2]["command"] == "c1"
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


async def test_evidence_is_told_in_the_readers_language_and_old_rows_as_they_were(standing: Api):
    """The register keeps code and values; a row of before codes were kept has its text alone."""
    old = standing.register.alert("a1")
    assert old is not None
    said = Said("rule_gone")
    new = dataclasses.replace(old, evidence=(*old.evidence, Evidence.of(NOW + 9_000, "cleared", said)))
    standing.register.save_alert(new)
    for language, sentence in (("fr", "la règle n'est plus configurée"), ("en", "the rule is no longer configured")):
        for path in ("/api/v1/alerts/a1", "/api/v1/alerts/a1/evidence"):
            answer = (await standing.get(path, lang=language)).json()
            steps = (answer.get("alert") or answer)["evidence"]
            assert [step["text"] for step in steps] == [*(step.text for step in old.evidence), sentence]
        table = (await standing.get("/api/v1/alerts/a1/evidence", format="csv", lang=language)).text
        assert sentence in table
        listed = (await standing.get("/api/v1/alerts", lang=language)).json()["alerts"]
        assert sentence in [step["text"] for each in listed for step in each["evidence"]]
    assert (await standing.get("/api/v1/alerts/a1", lang="pt")).status_code == 422


async def test_what_an_alert_asked_for_and_why_is_told_in_the_readers_language(standing: Api):
    old = standing.register.alert("a1")
    assert old is not None
    why = "rule surplus: the flow at night of Ixelles is 12,000 W, raised above 10,000 W"
    (action, *rest) = old.actions
    balanced = Evidence.of(NOW, "commanded", Said("balancer", {"device": "ixl-hall/ev-1", "reason": "Starts."}))
    actions = (dataclasses.replace(action, reason=why), *rest)
    standing.register.save_alert(dataclasses.replace(old, actions=actions, evidence=(balanced,)))
    told = (await standing.get("/api/v1/alerts/a1", lang="de")).json()
    assert told["actions"][0]["reason"] == (
        "Regel surplus: Durchfluss in der Nacht, Ixelles: 12.000 W, Alarm über 10.000 W"
    )
    assert told["evidence"][0]["text"] == "der Ausgleich, ixl-hall/ev-1: Startet."
    assert (await standing.get("/api/v1/alerts/a1")).json()["actions"][0]["reason"] == why


def client_of(
    api: Api, settings: ApiSettings, communities: list[Community], notifications: NotificationSettings
) -> httpx.AsyncClient:
    app = create_app(settings, communities, api.history, api.register, api.clock, api.live, api.keys, notifications)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")


def with_rules(*rules: object) -> list[Community]:
    ixelles, *others = COMMUNITIES
    changed = {**ixelles.model_dump(exclude={"sharing"}), "rules": list(rules)}
    return [Community.model_validate(changed), *others]


async def test_rules_tell_their_values_whom_they_tell_and_what_they_mean(api: Api, settings: ApiSettings):
    channel = Channel(id="facility", urls_file=Path("none"))
    communities = with_rules("voltage-high", "disk-ending")
    async with client_of(api, settings, communities, NotificationSettings(channels=(channel,))) as client:
        answer = await client.get("/api/v1/alerts/rules", headers=api.headers["viewer"])
        others = await client.get("/api/v1/alerts/rules", headers=api.headers["schaerbeek-operator"])
    high, disk = answer.json()["rules"]
    assert (high["raise_above"], high["clear_below"], high["raise_below"], high["unit"]) == (250, 248, None, "V")
    assert (disk["raise_below"], disk["clear_above"], disk["raise_above"]) == (10, 15, None)
    assert high["notify"] == ["facility"]
    assert high["watches"] > 1
    assert high["texts"]["nl"]["title"] == ready_rules()["voltage-high"].texts["nl"].title
    assert others.json() == {"rules": []}


async def test_the_test_button_sends_to_every_address_and_tells_how_it_went(
    api: Api, settings: ApiSettings, tmp_path: Path
):
    async with serving() as hook:
        urls = tmp_path / "urls"
        urls.write_text(f"json://127.0.0.1:{hook.port}/secret-token\n", encoding="utf-8")
        channel = Channel(id="facility", urls_file=urls, language="nl", communities=("ixelles",))
        notifications = NotificationSettings(channels=(channel,), webhook_hosts=("127.0.0.1",), timeout_s=5)
        async with client_of(api, settings, list(COMMUNITIES), notifications) as client:
            listed = await client.get("/api/v1/channels", headers=api.headers["operator"])
            sent = await client.post("/api/v1/channels/facility/test", headers=api.headers["operator"])
            hook.status = "500 Broken"
            failed = await client.post("/api/v1/channels/facility/test", headers=api.headers["operator"])
            hidden = await client.post("/api/v1/channels/facility/test", headers=api.headers["schaerbeek-operator"])
            urls.unlink()
            gone = await client.post("/api/v1/channels/facility/test", headers=api.headers["operator"])
    assert "secret-token" not in listed.text + failed.text + gone.text
    assert listed.json()["channels"][0]["id"] == "facility"
    assert (sent.status_code, sent.json()) == (200, {"channel": "facility", "problem": ""})
    assert json.loads(hook.posts[0][1])["message"] == "Dit kanaal werkt: facility."
    assert failed.json()["problem"] == "1 of 1 addresses took no message (json)"
    assert hidden.status_code == 404
    assert (gone.status_code, gone.json()["code"]) == (503, "channel")
