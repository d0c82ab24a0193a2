"""The main job: simulated roofs, Modbus, MQTT, store, API, page. One demonstration serves all tests of this file."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import struct
import time
from pathlib import Path

import pytest

from tests.system.axe import violations_in_all_looks
from tests.system.browser import browser
from tests.system.conftest import SPEED, Demo, eventually, stored

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


def test_demo_has_twelve_sites_of_three_communities_whose_numbers_vary(demo):
    first = demo.live()
    assert len(first["sites"]) == 12
    assert len(first["communities"]) == 3
    seen = {site["id"]: {site["consumption_w"]} for site in first["sites"]}

    def all_vary():
        for site in demo.live()["sites"]:
            seen[site["id"]].add(site["consumption_w"])
        return all(len(values) > 1 for values in seen.values())

    eventually(all_vary, timeout_s=30, what="a change of every site's consumption")


def test_demo_balance_of_every_site_closes_to_one_watt_on_the_simulators_truth(demo):
    """Truth is conserved at every instant, and what the system shows is the truth of the instant it was read.

    On a busy machine the devices of a site may be shown a moment apart, so each site has more than one look.
    """
    names = "grid_w", "pv_w", "battery_w", "consumption_w"
    wrong = {site["id"] for site in demo.live()["sites"]}
    assert len(wrong) == 12

    def look():
        live = demo.live()
        truth = [tick["sites"] for tick in demo.simulator(do="truth", last=30)["ticks"]]
        for tick in (tick for sites in truth for tick in sites.values()):
            assert abs(tick["consumption_w"] - tick["grid_w"] - tick["pv_w"] - tick["battery_w"]) < 1e-6
        for site in live["sites"]:
            shown = [site[name] for name in names]
            ticks = [[sites[site["id"]][name] for name in names] for sites in truth]
            if None not in shown and any(all(abs(a - b) <= 1 for a, b in zip(shown, t, strict=True)) for t in ticks):
                wrong.discard(site["id"])
        return not wrong

    eventually(look, what="each site as it truly was")


def test_demo_silent_inverter_makes_its_site_unknown_and_the_community_says_so(demo):
    site = "ixelles-school"
    demo.simulator(do="fault", device=f"{site}/pv", kind="silent", for_s=600)

    def now(kind, name):
        return next(entry for entry in demo.live()[kind] if entry["id"] == name)

    eventually(lambda: now("sites", site)["stale"] == [f"{site}/pv"], timeout_s=30, what="the stale inverter")
    silent = now("sites", site)
    assert silent["pv_w"] is None
    assert silent["consumption_w"] is None
    assert silent["grid_w"] is not None, "the meter is on another bus and goes on"
    assert silent["quality"] == "missing"
    community = eventually(
        lambda: (said := now("communities", "ixelles"))["stale"] == [site] and said, what="the community without it"
    )
    assert community["pv_w"] is None
    assert community["quality"] == "missing"
    assert (community["known"]["sites"], community["known"]["of"]) == (3, 4)
    others = [entry for entry in demo.live()["sites"] if entry["id"] != site]
    assert all(entry["consumption_w"] is not None for entry in others)
    demo.simulator(do="clear", device=f"{site}/pv")
    eventually(lambda: now("sites", site)["consumption_w"] is not None, timeout_s=40, what="the inverter's return")


def test_demo_silent_inverter_does_not_delay_the_other_sites(demo):
    """Jitter of the neighbours' readings under 10 % of the interval while one inverter is silent."""
    demo.simulator(do="fault", device="schaerbeek-school/pv", kind="silent", for_s=600)
    time.sleep(10)
    found = stored(demo.folder / "history.db")
    newest = max(t for _, t in found)
    times: dict[str, list[int]] = {}
    for device, t in sorted(found):
        if device.endswith("/grid") and t > newest - 36_000:
            times.setdefault(device, []).append(t)
    assert len(times) == 12
    interval_ms = SPEED * 1000
    for device, ts in times.items():
        gaps = [b - a for a, b in itertools.pairwise(ts)]
        late = sorted(abs(gap - interval_ms) for gap in gaps)
        assert late[len(late) // 2] < interval_ms * 0.1, (device, gaps)
    demo.simulator(do="clear", device="schaerbeek-school/pv")


def test_demo_surplus_raises_an_alert_and_offers_it_to_a_car_until_the_lease_ends(demo):
    """The one action all the way: seen in the simulator's own register, in the alert's evidence and in the audit trail."""

    def alert():
        alerts = [
            one
            for one in demo.get("/api/v1/alerts")["alerts"]
            if one["rule"] == "surplus" and one["state"] in {"firing", "acknowledged"}
        ]
        return next((one for one in alerts if any(action["state"] == "applied" for action in one["actions"])), None)

    raised = eventually(alert, timeout_s=120, what="an alert whose action is applied")
    (action,) = raised["actions"]
    assert action["device"].endswith("-depot/ev-1")
    registers = demo.simulator(do="registers", device=action["device"], function=3, address=1210, count=2)["registers"]
    assert struct.unpack(">f", struct.pack(">2H", *registers))[0] == pytest.approx(16)
    command = demo.get(f"/api/v1/commands/{action['command']}")
    assert command["issued_by"] == "rule:surplus"
    assert [entry["state"] for entry in command["trail"]][:2] == ["asked", "applied"]
    events = [entry["event"] for entry in raised["evidence"]]
    assert events[:2] == ["crossed", "raised"]
    assert "applied" in events


def test_demo_surplus_is_stored_by_the_balancer_and_shown(demo):
    """From the roofs' surplus to the battery's register and into the community's balance."""

    def decided():
        now = demo.get("/api/v1/communities/brussels/plan")["now"]
        return next(
            (d for d in now["decisions"] if d["device"] == "brussels-depot/battery" and d["state"] == "applied"), None
        )

    decision = eventually(
        lambda: (d := decided()) and d["set"]["power_w"] < -20_000 and d, timeout_s=60, what="storing"
    )
    assert decision["reason"].startswith("Stores ")
    eventually(
        lambda: demo.simulator(do="truth")["sites"]["brussels-depot"]["battery_w"] < -20_000,
        what="charging in the simulator's truth",
    )
    eventually(
        lambda: next(c for c in demo.live()["communities"] if c["id"] == "brussels")["battery_w"] < -20_000,
        what="the effect in the balance",
    )


def test_demo_battery_is_safe_when_the_lease_ends_though_the_collector_is_dead(demo):
    device = "schaerbeek-depot/battery"
    body = {"device": device, "set": {"power_w": -20000}, "ttl_s": 40, "reason": "test of the end of a lease"}
    eventually(lambda: demo.live()["sites"] and _take_over(demo, device, body), timeout_s=30, what="a command accepted")
    site = device.split("/", maxsplit=1)[0]
    eventually(
        lambda: demo.simulator(do="truth")["sites"][site]["battery_w"] < -19000,
        timeout_s=15,
        what="the battery's obedience",
    )
    os.kill(demo.pids["collector"], 19)  # SIGSTOP: dead to the world, and not started again
    try:
        eventually(
            lambda: demo.simulator(do="truth")["sites"][site]["battery_w"] > -1000, timeout_s=20, what="the safe state"
        )
    finally:
        os.kill(demo.pids["collector"], 18)


def _take_over(demo: Demo, device: str, body: dict) -> bool:
    status, _, answer = demo.request("/api/v1/commands", method="POST", body=body, key=demo.key)
    assert status == 202, answer
    command = json.loads(answer)["id"]
    time.sleep(1)
    return demo.get(f"/api/v1/commands/{command}")["state"] == "applied"


def test_demo_fresh_folder_starts_with_seven_days_of_history(demo):
    def filled():
        now = demo.live()["t"]
        history = demo.get(f"/api/v1/communities/brussels/history?from={now - 7 * 86_400_000}&to={now}")
        known = [value for value in history["consumption_w"] if value is not None]
        return len(known) > 600 and history

    history = eventually(filled, timeout_s=120, what="seven days of quarter-hours")
    assert max(value for value in history["pv_w"] if value is not None) > 50_000
    for imported, exported, shared in zip(history["import_w"], history["export_w"], history["shared_w"], strict=True):
        if None not in (imported, exported, shared):
            assert shared == pytest.approx(min(imported, exported), abs=0.2)


@pytest.mark.browser
def test_demo_page_is_alive_in_a_browser(demo, tmp_path):
    """Chromium shows the numbers and the sites, and they move. COMMONWATT_SCREENSHOT=1 renews the README's picture."""
    eventually((demo.folder / "backfilled").exists, timeout_s=120, what="the end of the back-fill")
    eventually(
        lambda: all(one["today"]["self_sufficiency"] for one in demo.live()["communities"]),
        what="energies since midnight",
    )
    with browser(tmp_path) as page:
        page.open(f"http://127.0.0.1:{demo.port}/#community=brussels", height=1750)
        for site in [site for site in demo.get("/api/v1/sites")["sites"] if site["community"] == "brussels"]:
            page.wait_for(f"document.body.innerText.includes({json.dumps(site['name'])})")
        page.wait_for("/[0-9] k?W/.test(document.querySelector('main').innerText)")
        before = page.evaluate("document.querySelector('main').innerText")
        page.wait_for(f"document.querySelector('main').innerText !== {json.dumps(before)}")
        page.wait_for("document.querySelectorAll('canvas').length >= 1")
        time.sleep(1)  # the chart draws itself after its data came
        picture = tmp_path / "page.png"
        page.picture(picture)
        assert picture.stat().st_size > 50_000
        assert page.console == []
    if os.environ.get("COMMONWATT_SCREENSHOT"):
        (ROOT / "docs" / "images").mkdir(exist_ok=True)
        shutil.copy(picture, ROOT / "docs" / "images" / "live-page.png")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("#community=brussels", "main tbody tr"),
        ("#community=brussels", "dialog"),
        ("#community=brussels&site=brussels-depot", "#site-title"),
        ("buildings#community=brussels", "main tbody tr"),
        ("buildings#community=brussels&site=brussels-school", "#building"),
        ("me", "#key"),
        ("advice/brussels", "#ahead"),
        ("advice/brussels/poster", "main"),
    ],
)
def test_demo_page_breaks_no_rule_of_accessibility(demo, tmp_path, address, shown):
    eventually(lambda: demo.get("/api/v1/alerts")["alerts"], timeout_s=120, what="an alert to show")
    with browser(tmp_path) as page:
        page.open(f"http://127.0.0.1:{demo.port}/{address}")
        page.wait_for(f"document.querySelector({shown!r}) !== null")
        if shown == "dialog":
            page.evaluate("document.querySelector('button.key').click()")
        assert violations_in_all_looks(page) == []


def test_demo_killed_and_started_again_goes_on_without_doubling(demo):
    eventually((demo.folder / "backfilled").exists, timeout_s=120, what="the end of the back-fill")
    demo.stop(9)
    rows, distinct, newest = _readings(demo)
    assert rows == distinct
    demo.start()
    eventually(lambda: demo.ready(12), timeout_s=60, what="life after the restart")
    eventually(lambda: _readings(demo)[2] > newest, what="a reading newer than those from before")
    more_rows, more_distinct, _ = _readings(demo)
    assert more_rows == more_distinct
    assert more_rows > rows


def _readings(demo: Demo) -> tuple[int, int, int]:
    """(stored readings, distinct ones, time of the newest)."""
    found = stored(demo.folder / "history.db")
    return len(found), len(set(found)), max(t for _, t in found)
