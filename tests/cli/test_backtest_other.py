"""Cases as other people write them: steps, names, signs, zones, cars without sessions, keys; each runs or is told by file and field."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.backtest.command import backtest
from energy.errors import CommonwattError

BATTERY = "batteries: [{capacity_kwh: 5, power_kw: 2}]"
ONE = f"tariffs: {{t: {{}}}}\ncommunities: [{{id: c, sites: [{{id: a, {BATTERY}}}]}}]\n"
TWO = f"tariffs: {{t: {{}}}}\ncommunities: [{{id: c, KEY, sites: [{{id: a, {BATTERY}}}, {{id: b}}]}}]\n"
CARS = "tariffs: {t: {}}\ncommunities: [{id: c, sites: [{id: a, charging: {charger_kw: 7.4}}]}]\n"
SESSIONS = "site,arrival,departure,energy_kwh\n"


def data(change=None, *, minutes=30, steps=96, sites=("a",), start="2026-06-01T00:00:00Z", zone=UTC, less=()):
    """data.csv of two days; `change` gives other cells for a step, `less` names columns left out."""
    text = io.StringIO()
    columns = [
        name for name in ("start", "site", "load_kw", "pv_kw", "price_eur_kwh", "feed_in_eur_kwh") if name not in less
    ]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for step in range(steps):
        at = (datetime.fromisoformat(start) + timedelta(minutes=minutes * step)).astimezone(zone)
        sun = max(0.0, 3 - abs(step * minutes / 60 % 24 - 12))
        row = {"start": at.isoformat(), "load_kw": 1 + step % 3, "pv_kw": sun, "price_eur_kwh": 0.2 + step % 7 / 50}
        for site in sites:
            cells = row | {"site": site, "feed_in_eur_kwh": 0.05}
            writer.writerow(cells | (change(step) if change else {}))
    return text.getvalue()


@pytest.fixture
def run(tmp_path):
    """run(case, data, sessions): the costs by controller; what stands in result.json is real JSON."""

    def tried(case, text, sessions=None):
        for name, content in (("case.yaml", case), ("data.csv", text), ("sessions.csv", sessions)):
            if content is not None:
                (tmp_path / name).write_text(content, encoding="utf-8")
        backtest(tmp_path, tmp_path / "out", quiet=True)
        facts = json.loads((tmp_path / "out" / "result.json").read_text())
        json.dumps(facts, allow_nan=False)
        return {name: each["cost_eur"] for name, each in facts["controllers"].items()}

    return tried


@pytest.mark.parametrize("minutes", [5, 15, 20, 30, 60, 120])
@pytest.mark.parametrize("case", [ONE, TWO.replace("KEY", "key: prorata")])
def test_step_of_any_usual_length_is_planned_and_foresight_costs_least(run, minutes, case):
    costs = run(case, data(minutes=minutes, steps=2 * 1440 // minutes, sites=("a", "b")))
    assert costs["perfect_foresight"] <= min(costs.values()) + 1e-6
    assert costs["perfect_foresight"] < costs["no_control"]


@pytest.mark.parametrize(
    ("what", "cells"),
    [
        ("paid to take", {"price_eur_kwh": -0.05, "feed_in_eur_kwh": -0.1}),
        ("pays to give", {"feed_in_eur_kwh": -0.05}),
        ("feed-in above the price", {"price_eur_kwh": 0.05, "feed_in_eur_kwh": 0.1}),
        ("nothing consumed or made", {"load_kw": 0, "pv_kw": 0}),
    ],
)
def test_odd_prices_and_empty_sites_are_planned(run, what, cells):
    costs = run(ONE, data(lambda _: cells))
    assert costs["perfect_foresight"] <= min(costs.values()) + 1e-6, what


def test_clock_change_and_a_fixed_offset_are_the_same_instants(run):
    told = [
        run(ONE, data(start="2026-03-28T12:00:00+01:00", zone=zone)) for zone in (UTC, timezone(timedelta(hours=1)))
    ]
    assert told[0] == told[1]


def test_without_battery_nothing_can_be_won(run):
    assert len(set(run("tariffs: {t: {}}\ncommunities: [{id: c, sites: [{id: a}]}]\n", data()).values())) == 1


def test_names_of_any_kind_are_kept_and_escaped_in_the_report(run, tmp_path):
    names = ("École n°7 / <b>x</b>", "=1+1", "7")
    sites = ", ".join(f"{{id: {json.dumps(name)}}}" for name in names[:2])
    run(f"tariffs: {{t: {{}}}}\ncommunities: [{{id: c, sites: [{sites}, {{id: 7, {BATTERY}}}]}}]\n", data(sites=names))
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>x</b>" not in report


@pytest.mark.parametrize(
    "sessions",
    [
        "",
        "a,2026-06-01T08:00:00Z,2026-06-01T16:00:00Z,12\n",
        "a,2026-06-01T08:03:12Z,2026-06-01T08:05:00Z,0.1\n",
        "a,2026-06-01T08:00:00Z,2026-06-01T08:30:00Z,50\n",  # more than it can get
        "a,2026-06-02T20:00:00Z,2026-06-03T08:00:00Z,20\n",  # stays on after the data end
    ],
)
def test_site_with_cars_only_runs_whatever_they_ask(run, sessions):
    costs = run(CARS, data(), SESSIONS + sessions)
    assert costs["perfect_foresight"] <= costs["no_control"] + 1e-6


@pytest.mark.parametrize(
    ("case", "text", "sessions", "told"),
    [
        (ONE, data(minutes=7), None, "data.csv:2 start: steps of 7 minutes"),
        (ONE, data(lambda step: {"price_eur_kwh": 0.2 if step % 2 == 0 else ""}), None, "repeat an hour's in each"),
        (ONE, data(less=("price_eur_kwh",)), None, "data.csv:1: price_eur_kwh: column is missing"),
        (ONE, data(less=("feed_in_eur_kwh",)), None, "data.csv:1: feed_in_eur_kwh: column is missing"),
        (ONE, data(sites=("",)), None, "data.csv:2 site: is empty"),
        (ONE, data(sites=("b",)), None, "site 'a' of the case has no rows"),
        (ONE, data(lambda step: {"load_kw": -1} if step == 4 else {}), None, "data.csv:6 load_kw"),
        (ONE, data().replace("+00:00", ""), None, "data.csv:2 start: has no offset"),
        (ONE.replace("tariffs", "tarifs"), data(), None, "case.yaml:1: tarifs"),
        (CARS, data(), None, "sessions.csv: cannot be read"),
        (CARS, data(), SESSIONS + "a,2026-05-30T20:00:00Z,2026-05-31T08:00:00Z,20\n", "sessions.csv:2 arrival"),
        (CARS, data(), SESSIONS + "a,2026-06-01T08:00:00Z,2026-06-01T08:00:00Z,1\n", "sessions.csv:2 departure"),
        (
            TWO.replace("KEY", "key: {participants: {zz: {weight: 0.5}}, rounds: hybrid}"), data(sites=("a", "b")), None,
            "case.yaml:2: communities.0.key: participants.zz is no site of the community; there are a, b",
        ),
        (
            TWO.replace("KEY", "key: {coefficients: by_quarter, rounds: fixed}"), data(sites=("a", "b")), None,
            "case.yaml:2: communities.0.key: a back-test takes no file of coefficients",
        ),
    ],
)  # fmt: skip
def test_case_that_cannot_run_is_told_by_file_and_field(run, tmp_path, case, text, sessions, told):
    with pytest.raises(CommonwattError) as caught:
        run(case, text, sessions)
    assert told in str(caught.value)
    assert caught.value.hint
    assert not (tmp_path / "out").exists()
