"""The side door: one JSON line in, one out, never a traceback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from runtime.clock import ManualClock
from simulator.service import Simulator


async def ask(simulator: Simulator, *lines: bytes) -> list[Any]:
    assert simulator.config.control is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.config.control.port, limit=1 << 24)
    answers = []
    try:
        for line in lines:
            writer.write(line + b"\n")
            answers.append(json.loads(await asyncio.wait_for(reader.readline(), timeout=5)))
    finally:
        writer.close()
        await writer.wait_closed()
    return answers


async def test_truth_now_and_over_the_last_ticks(simulator: Simulator, clock: ManualClock) -> None:
    await clock.advance(5)
    now, last = await ask(simulator, b'{"do": "truth"}', b'{"do": "truth", "last": 3}')
    assert now["t"] == clock.now_ms()
    assert [tick["t"] for tick in last["ticks"]] == [now["t"] - 2000, now["t"] - 1000, now["t"]]
    assert last["ticks"][-1] == now
    site = now["sites"]["hall"]
    assert site["consumption_w"] == site["grid_w"] + site["pv_w"] + site["battery_w"]
    assert set(site) == {"t", "grid_w", "pv_w", "battery_w", "consumption_w", "loads", "soc_pct", "counters"}


async def test_fault_is_made_listed_and_cleared(simulator: Simulator) -> None:
    made, listed, cleared, healthy = await ask(
        simulator,
        b'{"do": "fault", "device": "hall/pv", "kind": "silent", "for_s": 30}',
        b'{"do": "devices"}',
        b'{"do": "clear", "device": "hall/pv"}',
        b'{"do": "devices"}',
    )
    assert made == cleared == {"ok": True}
    assert {row["device"]: row["fault"] for row in listed["devices"]}["hall/pv"] == "silent"
    assert {row["fault"] for row in healthy["devices"]} == {None}
    assert {"device", "kind", "role", "host", "port", "unit", "framing", "fault"} == set(listed["devices"][0])


async def test_registers_are_what_the_device_would_answer(simulator: Simulator) -> None:
    found, refused = await ask(
        simulator,
        b'{"do": "registers", "device": "hall/pv", "function": 3, "address": 40000, "count": 4}',
        b'{"do": "registers", "device": "hall/pv", "function": 3, "address": 1, "count": 4}',
    )
    assert found == {"registers": [0x5375, 0x6E53, 1, 66]}
    assert refused == {"registers": None}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"nonsense", "malformed"),
        (b"[]", "object"),
        (b'{"do": "dance"}', "dance"),
        (b'{"do": "fault", "device": "hall/pv", "kind": "sad"}', "sad"),
        (b'{"do": "fault", "device": "hall/x", "kind": "silent"}', "hall/x"),
        (b'{"do": "truth", "last": 0}', "last"),
        (b'{"do": "clear"}', "device"),
        (b"\xff\xfe", "malformed"),
        (b'{"do": "clear", "device": "' + b"x" * 100_000 + b'"}', "65536"),
    ],
)
async def test_wrong_request_is_told_what_is_wrong(simulator: Simulator, line: bytes, says: str) -> None:
    [answer] = await ask(simulator, line)
    assert says in answer["error"]
    assert "Traceback" not in answer["error"]


async def test_connection_survives_a_wrong_request(simulator: Simulator) -> None:
    wrong, right = await ask(simulator, b"{", b'{"do": "devices"}')
    assert "error" in wrong
    assert len(right["devices"]) == 7


async def test_scenes_happen_for_a_while_and_are_gone(simulator: Simulator, clock: ManualClock) -> None:
    def site() -> Any:
        return simulator.world.truth()["sites"]["hall"]

    await clock.advance(1)
    before = site()["loads"]["base"]
    answers = await ask(
        simulator,
        b'{"do": "load", "site": "hall", "power_w": 40000, "for_s": 60}',
        b'{"do": "cloud", "site": "hall", "share": 0, "for_s": 60}',
        b'{"do": "load", "site": "nowhere", "power_w": 1, "for_s": 60}',
        b'{"do": "car", "device": "nowhere/ev", "for_s": 60}',
        b'{"do": "cloud", "site": "hall", "share": 2, "for_s": 60}',
    )
    assert answers[:2] == [{"ok": True}, {"ok": True}]
    assert [answer["error"].split()[0] for answer in answers[2:]] == ["site:", "device:", "Expected"]
    await clock.advance(2)
    assert site()["loads"]["base"] == pytest.approx(before + 40_000, abs=500)
    assert site()["pv_w"] == 0
    await clock.advance(61)
    assert site()["loads"]["base"] == pytest.approx(before, abs=500)
    assert site()["pv_w"] > 0
