"""The demonstration's tour: a cloud, cars, a peak and a failing inverter, each with alert, action and evidence; and a dead collector."""

from __future__ import annotations

import asyncio
import os
import signal
import struct

import pytest
import yaml

from cli.demo.tour import SCENES, play

from .browser import browser
from .conftest import SPEED, eventually

pytestmark = pytest.mark.system
SAFE_A = 10.0  # of the demonstration's chargers


def chain(demo, rule: str, site: str | None, *events: str):
    """The alert of that rule whose evidence has these steps, once there is one."""

    def found():
        for alert in demo.get("/api/v1/alerts")["alerts"]:
            told = {entry["event"] for entry in alert["evidence"]}
            here = alert["community"] == "brussels" and site in {None, alert["site"]}
            if alert["rule"] == rule and here and {"crossed", "raised", *events} <= told:
                return alert
        return None

    return eventually(found, timeout_s=90, what=f"{rule} with {', '.join(events)}")


def test_tour_of_the_demonstration_ends_in_alerts_actions_and_evidence(demo):
    eventually(lambda: decisions(demo, "brussels"), timeout_s=60, what="the first decisions")
    control = yaml.safe_load((demo.folder / "simulator.yaml").read_text())["control"]["port"]
    cloud, cars, peak, inverter = SCENES
    for scene in (cars, peak, inverter):  # at other places, or of no consequence for each other
        asyncio.run(play(scene, control))
    car = chain(demo, "car-arrives", "brussels-depot", "commanded", "applied")
    assert any("the balancer, brussels-depot/" in entry["text"] for entry in car["evidence"])
    load = chain(demo, "connection-near-limit", "brussels-social-housing", "commanded")
    assert load["actions"][0]["device"] == "brussels-social-housing/heat_pump"
    silent = chain(demo, "inverter-silent", "brussels-depot", "commanded", "applied")
    assert silent["actions"][0]["device"] == "brussels-depot/ev-1"
    demo.simulator(do="clear", device="brussels-depot/pv")
    asyncio.run(play(cloud, control))
    chain(demo, "import-peak", None, "commanded", "applied")


def decisions(demo, community: str):
    now = demo.get(f"/api/v1/communities/{community}/plan")["now"]
    return {decision["device"]: decision for decision in now["decisions"]}


def test_every_decision_and_limit_is_a_sentence(demo):
    said = decisions(demo, "ixelles")
    assert {"ixelles-depot/battery", "ixelles-pool/battery", "ixelles-depot/ev-2"} <= set(said)
    assert all(decision["reason"].endswith(".") for decision in said.values())
    limits = demo.get("/api/v1/communities/ixelles/plan")["now"]["limits"]["ixelles-depot"]
    assert any(sentence.startswith("Main fuse 300 A") for sentence in limits)


@pytest.mark.browser
def test_plan_and_decisions_stand_on_the_page(demo, tmp_path):
    eventually(lambda: demo.get("/api/v1/communities/brussels/plan")["plan"], timeout_s=90, what="the first plan")
    section = "document.querySelector('details.panel')"
    with browser(tmp_path) as page:
        page.open(f"http://127.0.0.1:{demo.port}/#community=brussels", height=2200)
        page.wait_for(f"{section} !== null")
        page.evaluate(f"{section}.open = true")
        page.wait_for(f"{section}.innerText.includes('Depot Quai de Willebroeck')")
        page.wait_for(f"{section}.innerText.includes('€/kWh')")
        page.wait_for(f"{section}.innerText.includes('Main fuse 300 A')")
        page.picture(tmp_path / "page.png")
        path = "/api/v1/communities/brussels/forecast"  # made anew when the demonstration's past is there
        eventually(
            lambda: demo.get(path)["accuracy"]["pv"]["yesterday_w"], timeout_s=90, what="a forecast that learned"
        )
        page.evaluate("localStorage.setItem('commonwatt.language', 'fr')")
        page.open(f"http://127.0.0.1:{demo.port}/?fr#community=brussels", height=2200)
        page.wait_for(f"{section} !== null")
        page.evaluate(f"{section}.open = true")
        page.wait_for(f"{section}.innerText.includes('Fusible principal 300 A')")
        page.wait_for(f"{section}.innerText.includes('Éteint : le soleil est plus haut que')")
        page.wait_for("document.querySelector('.leases').innerText.includes('Éteint : le soleil est plus haut que')")
        page.wait_for("document.body.innerText.includes('une heure à l\u2019avance')")  # how good forecasts were so far
        assert page.console == []


def registers(demo, device, function, address):
    return demo.simulator(do="registers", device=device, function=function, address=address, count=2)["registers"]


def unsafe(demo, devices):
    """Of these steered devices, those that are not in their safe state by their own registers."""
    truth = demo.simulator(do="truth")["sites"]
    found = []
    for device in devices:
        name, role = device["device"], device["role"]
        if role == "battery":  # it rests when nobody commands it
            safe = truth[name.partition("/")[0]]["battery_w"] == 0
        elif role == "ev":  # 1208: s that a setpoint is valid, when over its own safe current; 1210: the setpoint, A
            valid, told = registers(demo, name, 3, 1208), registers(demo, name, 3, 1210)
            safe = valid == [0, 0] or struct.unpack(">f", struct.pack(">2H", *told))[0] == SAFE_A
        else:  # both contacts open
            safe = registers(demo, name, 1, 0) == [0, 0]
        if not safe:
            found.append(name)
    return found


def steered(demo):
    roles = {"battery", "ev", "heat_pump", "lighting"}
    return [device for device in demo.simulator(do="devices")["devices"] if device["role"] in roles]


def leased(demo):
    return {command["device"] for command in demo.get("/api/v1/commands?active=true&limit=500")["commands"]}


def test_killed_collector_leaves_every_battery_and_load_in_its_safe_state(demo):
    """Stopped for good, as if nobody started it again: no lease outlives its time by more than a cycle."""
    centre = yaml.safe_load((demo.folder / "centre.yaml").read_text())["communities"][0]["balancer"]
    longest_s = (centre["ttl_s"] + centre["cycle_s"]) / SPEED
    devices = steered(demo)
    eventually(lambda: len(leased(demo)) >= 5, what="devices under leases")
    eventually(lambda: len(unsafe(demo, devices)) >= 5, what="devices that do something else than when left alone")
    os.kill(demo.pids["collector"], signal.SIGSTOP)
    try:
        eventually(lambda: leased(demo) == set(), timeout_s=longest_s + 15, what="the end of every lease")
        eventually(lambda: not unsafe(demo, devices), timeout_s=15, what="every device in its safe state")
    finally:
        os.kill(demo.pids["collector"], signal.SIGCONT)


def test_dead_grid_meter_leaves_its_batteries_and_loads_in_their_safe_state_and_no_others(demo):
    site = "brussels-depot"
    here = [device for device in steered(demo) if device["device"].startswith(f"{site}/")]
    assert {device["role"] for device in here} >= {"battery", "ev"}
    ours = {device["device"] for device in here}

    def held():
        said = decisions(demo, "brussels")
        return {name for name in ours if name in said and said[name]["set"] is not None}

    eventually(lambda: held() & leased(demo), timeout_s=60, what="the balancer at the depot")
    meter = next(d["device"] for d in demo.simulator(do="devices")["devices"] if d["device"] == f"{site}/grid")
    demo.simulator(do="fault", device=meter, kind="silent", for_s=3600)
    try:
        eventually(lambda: not held(), timeout_s=60, what="the balancer letting go")
        eventually(lambda: unsafe(demo, here) == [], timeout_s=60, what="every device of the depot in its safe state")
        said = decisions(demo, "brussels")
        assert {said[name]["reason"] for name in ours if name in said} == {f"Let go: the grid meter {meter} is silent."}
        assert any(name.startswith("schaerbeek-") for name in leased(demo)), "other communities go on"
    finally:
        demo.simulator(do="clear", device=meter)
    eventually(held, timeout_s=60, what="the balancer at the depot again")
