"""Any key and any readings that the contract allows, from file to file, beside an oracle written from its words alone.

COMMONWATT_CASES=100000 makes it so many files; COMMONWATT_LONG=1 some 25,000.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.settle.command import settle
from tests.cli.settle_oracle import DAY, QUARTER, WEEK, Readings, Result, instant, settled

CASES = int(os.environ.get("COMMONWATT_CASES", "25000" if os.environ.get("COMMONWATT_LONG") else "0"))
EANS = ("541448820000000015", "541448910000123453", "541448911000000003", "541449020000123458", "541448900000000007")
BEGIN = datetime(2026, 3, 28, 22, 45, tzinfo=UTC)  # an hour and a half before Brussels skips one
ZONES = (UTC, timezone(timedelta(hours=1)), timezone(timedelta(hours=2)), timezone(-timedelta(hours=3, minutes=30)))
TENTH_WH = 10_000  # per kWh: readings finer than the resolution

energies = st.one_of(st.none(), st.just(0), st.integers(0, 40), st.integers(0, 60_000), st.integers(0, 10**9))


@st.composite
def keys(draw, eans):
    """A key as the contract writes it, parts as floats or texts."""
    key = {"rounds": draw(st.one_of(st.sampled_from(["equal", "prorata", "priority"]), rounds_of(draw(st.booleans()))))}
    if draw(st.booleans()):
        people = draw(st.lists(st.sampled_from(eans), min_size=1, unique=True))
        parts = [draw(st.integers(0, 9)) for _ in people]
        parts[0] += not any(parts)
        whole = sum(parts) + draw(st.integers(0, 3))
        as_text = draw(st.booleans())
        key["participants"] = {
            ean: {"weight": f"{part}/{whole}" if as_text else part / whole}
            | draw(st.sampled_from([{}, {"tier": 1}, {"tier": 2}, {"tier": 7, "name": "Hall"}]))
            for ean, part in zip(people, parts, strict=True)
        }
        key["rounds"] = draw(
            st.one_of(st.sampled_from(["fixed", "fixed-multi", "hybrid"]), rounds_of(True), st.just(key["rounds"]))
        )
        key["producers"] = draw(st.sampled_from(["prorata", "fixed", "priority"]))
    elif "fixed" in str(key["rounds"]):
        key["rounds"] = "equal"
    if draw(st.booleans()):
        key |= {"resolution_wh": draw(st.sampled_from([0, 1]))}
    return key | draw(st.sampled_from([{}, {"on_missing": "hold"}, {"on_missing": "zero"}, {"on_missing": "estimate"}]))


@st.composite
def rounds_of(draw, fixed):
    """One to four rounds that give out all of the injection or less."""
    number = draw(st.integers(1, 4))
    shares = draw(st.lists(st.sampled_from([0, 0.1, 0.2, 0.25]), min_size=number, max_size=number))
    made = []
    for place in range(number):
        method = draw(st.sampled_from(["equal", "prorata", "priority", *(["fixed"] if fixed else [])]))
        each = {"method": method}
        if draw(st.integers(0, 3)) or place == 0:
            each["share"] = shares[place] if place else draw(st.sampled_from([0.25, 0.1, 1 if number == 1 else 0.2]))
        if method == "prorata" and draw(st.booleans()):
            each["basis"] = draw(st.sampled_from(["residual", "withdrawal"]))
        if method in {"equal", "fixed"} and draw(st.booleans()):
            each["max_rounds"] = draw(st.sampled_from([1, 2, 3, None]))
        made.append(each)
    return made


@st.composite
def files(draw):
    """(readings in tenths of a Wh, starts as written, key): gaps, prosumers, pure producers, silent points, any order."""
    eans = draw(st.lists(st.sampled_from(EANS), min_size=1, max_size=5, unique=True))
    moments = [BEGIN + n * QUARTER for n in range(draw(st.integers(1, 4)))]
    moments += [moment + draw(st.sampled_from([DAY, WEEK])) for moment in moments if not draw(st.integers(0, 9))]
    kinds = {ean: draw(st.sampled_from(["consumer", "producer", "prosumer"])) for ean in eans}
    readings, written = {}, {}
    for moment in dict.fromkeys(moments):
        zone = draw(st.sampled_from(ZONES))
        for ean in eans:
            if not draw(st.integers(0, 11)):
                continue
            readings[moment, ean] = (
                draw(energies) if kinds[ean] != "producer" else None,
                draw(energies) if kinds[ean] != "consumer" else None,
            )
            text = moment.astimezone(zone).isoformat()
            written[moment, ean] = text.replace("+00:00", "Z")
    if not readings:
        readings[BEGIN, eans[0]], written[BEGIN, eans[0]] = (10, None), "2026-03-28T22:45:00Z"
    present = sorted({ean for _, ean in readings})
    order = draw(st.permutations(list(readings)))
    return {place: readings[place] for place in order}, written, draw(keys(present))


def file_text(readings, written):
    """The readings as CSV."""

    def cell(value):
        return "" if value is None else f"{value // TENTH_WH}.{value % TENTH_WH:04d}"

    rows = [f"{ean},{written[moment, ean]},{cell(w)},{cell(i)}" for (moment, ean), (w, i) in readings.items()]
    return "\n".join(["ean,start,withdrawal_kwh,injection_kwh", *rows]) + "\n"


def in_wh(readings, resolution) -> Readings:
    """At 1 Wh a finer reading counts for its whole Wh."""
    return {
        place: tuple(
            None if cell is None else Fraction(cell // 10 if resolution else Fraction(cell, 10)) for cell in row
        )
        for place, row in readings.items()
    }


def compare(out: list[dict[str, str]], facts, expected: Result, resolution: int) -> None:
    """Every cell of the result and the totals of the summary."""
    decimals = 3 if resolution else 12
    near = Fraction(0) if resolution else Fraction(2, 10**12)

    def check(text, wh):
        assert (text == "") == (wh is None), text
        if wh is not None:
            assert len(text.split(".")[1]) == decimals
            assert abs(Fraction(text) - wh / 1000) <= near, (text, wh)

    found = {(instant(row["start"]), row["ean"]): row for row in out}
    assert list(found) == sorted(found)
    assert found.keys() == expected.rows.keys()
    for place, row in found.items():
        wanted = expected.rows[place]
        check(row["withdrawal_kwh"], wanted.withdrawal)
        check(row["injection_kwh"], wanted.injection)
        check(row["received_kwh"], wanted.received)
        check(row["given_kwh"], wanted.given)
        if row["residual_kwh"] or wanted.withdrawal is not None:
            check(row["residual_kwh"], (wanted.withdrawal or 0) - wanted.received)
        if row["surplus_kwh"] or wanted.injection is not None:
            check(row["surplus_kwh"], (wanted.injection or 0) - wanted.given)
        assert row["quality"] == wanted.quality
    assert {instant(held["start"]) for held in facts["held"]} == expected.held
    received = sum(row.received for row in expected.rows.values())
    injected = sum(row.injection or 0 for row in expected.rows.values())
    assert abs(facts["totals"]["received_kwh"] * 1000 - received) < 1e-4
    assert abs(facts["totals"]["surplus_kwh"] * 1000 - (injected - received)) < 1e-4
    assert (facts["sharing_rate"] is None) == (injected == 0)
    if injected:
        assert abs(facts["sharing_rate"] - received / injected) < 1e-12


@pytest.mark.timeout(30 * 3600 if CASES else 120)
@settings(max_examples=CASES or 60, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_any_file_and_key_give_what_the_contract_says(case):
    readings, written, key = case
    resolution = key.get("resolution_wh", 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "readings.csv").write_text(file_text(readings, written))
        (folder / "key.yaml").write_text(yaml.safe_dump(key))
        settle(folder / "readings.csv", folder / "key.yaml", folder / "out.csv", folder / "summary.json")
        with (folder / "out.csv").open(newline="") as file:
            out = list(csv.DictReader(file))
        facts = json.loads((folder / "summary.json").read_text())
    compare(out, facts, settled(in_wh(readings, resolution), key), resolution)
