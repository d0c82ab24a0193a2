"""The demonstration's tour: a cloud, cars, a peak and a failing inverter, each with alert, action and evidence; and a dead collector."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import yaml

from cli.demo.tour import SCENES, play

from .browser import browser
from .conftest import SPEED, eventually

pytestmark = pytest.mark.system


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
        assert page.console == []


def test_killed_collector_leaves_every_battery_and_load_in_its_safe_state(demo):
    """Stopped for good, as if nobody started it again: no lease outlives its time by more than a cycle."""
    centre = yaml.safe_load((demo.folder / "centre.yaml").read_text())["communities"][0]["balancer"]
    longest_s = (centre["ttl_s"] + centre["cycle_s"]) / SPEED

    def leased():
        return demo.get("/api/v1/commands?active=true&limit=500")["commands"]

    eventually(lambda: len(leased()) >= 5, what="devices under leases")
    os.kill(demo.pids["collector"], signal.SIGSTOP)
    try:
        eventually(lambda: leased() == [], timeout_s=longest_s + 15, what="the end of every lease")
        devices = [device["device"] for device in demo.simulator(do="devices")["devices"] if device["role"] == "ev"]
        for device in devices:  # 1208: seconds for which a setpoint is valid, 0: the charger's own safe current
            eventually(
                lambda device=device: (
                    demo.simulator(do="registers", device=device, function=3, address=1208, count=2)["registers"]
                    == [0, 0]
                ),
                timeout_s=60 / SPEED + 15,
                what=f"{device} at its safe current",
            )
        truth = demo.simulator(do="truth")["sites"]
        for site in ("brussels-depot", "schaerbeek-depot", "ixelles-pool"):  # they rest when nobody commands them
            assert truth[site]["battery_w"] == 0, site
    finally:
        os.kill(demo.pids["collector"], signal.SIGCONT)
