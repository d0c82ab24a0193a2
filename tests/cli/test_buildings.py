"""`commonwatt buildings` as an energy manager runs it: readings by hand, weather, the year, factors, limits."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from energy.buildings.days import Days
from energy.errors import ConfigError, DataError
from storage.history.sqlite import SqliteHistory

CENTRE = """\
communities:
  - id: ixelles
    name: Ixelles
    municipality: Ixelles
    sites:
      - id: hall
        name: Hall
        kind: social_housing
        gateway: gw
        floor_area_m2: 1000
        supplies: [gas]
        meters: [{{id: gas, carrier: gas, unit: m³, digits: 6}}]
store: {{kind: embedded, path: {folder}/history.db}}
register: {{path: {folder}/register.db}}
buildings: {{factors: {folder}/own.yaml}}
"""
OWN = """\
factors:
  - {what: price, carrier: gas, value: 0.08, unit: EUR/kWh, evidence: secondary, source: contract, as_of: 2026-11-01}
"""
SPAN = Days(date(2025, 1, 1), date(2026, 11, 28))


def temperature(day):
    return 10.5 - 8 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)


@pytest.fixture
def centre(tmp_path, monkeypatch):
    path = tmp_path / "centre.yaml"
    path.write_text(CENTRE.format(folder=tmp_path), encoding="utf-8")
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    SqliteHistory(tmp_path / "history.db").close()
    monkeypatch.setenv("COMMONWATT_CLOCK", "")
    return path


def run(*arguments, code=0):
    done = CliRunner().invoke(app, ["buildings", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def add(centre, day, index, *more):
    return run("index", "add", "hall", "gas", day, index, "--config", centre, "--by", "lea", *more)


def year_of_gas(centre):
    """Readings of each month, and the weather."""
    lines = ["day,temperature_c", *(f"{day},{temperature(day):.2f}" for day in SPAN)]
    weather = centre.with_name("weather.csv")
    weather.write_text("\n".join(lines), encoding="utf-8")
    run("weather", weather, "--config", centre, "--source", "a test")
    index, day = 0.0, SPAN.first
    while day <= date(2026, 11, 1):
        add(centre, day, f"{index:.1f}")
        following = (day + timedelta(days=32)).replace(day=1)
        index += sum(5 + 2 * max(0.0, 15 - temperature(each)) for each in Days(day, following))
        day = following


def test_year_of_a_building_from_readings_by_hand(centre):
    year_of_gas(centre)
    facts = json.loads(run("show", "--config", centre, "--site", "hall", "--year", 2025, "--json"))
    used = sum(5 + 2 * max(0.0, 15 - temperature(day)) for day in Days.of_year(2025)) * 11.39
    (gas,) = facts["carriers"]
    assert gas["amount"] == pytest.approx(used, rel=1e-3)
    assert facts["energy_kwh_m2"] == pytest.approx(used / 1000, rel=1e-3)
    assert facts["cost_eur"] == pytest.approx(used * 0.08, rel=1e-3)
    assert facts["class"] == "B"
    assert (facts["coverage"], facts["unknown"]) == (1.0, [])
    told = run("show", "--config", centre, "--site", "hall", "--year", 2025)
    assert "class B" in told
    assert "100% known" in told
    assert "hall\t" in run("show", "--config", centre, "--year", 2025)


def test_reading_that_goes_back_is_refused_and_correction_needs_a_reason(centre):
    add(centre, "2026-01-01", "1000")
    with pytest.raises(DataError, match="goes back"):
        add(centre, "2026-02-01", "900")
    with pytest.raises(DataError, match="reason"):
        add(centre, "2026-01-01", "1001", "--corrects")
    add(centre, "2026-01-01", "1001", "--corrects", "--why", "misread")
    assert run("index", "list", "hall", "--config", centre) == "gas\t2026-01-01\t1001\tlea\tmisread\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("index", "add", "hall", "oil", "2026-01-01", "1"), "has no meter 'oil'"),
        (("index", "add", "pool", "gas", "2026-01-01", "1"), "no site 'pool'"),
        (("index", "add", "hall", "gas", "1/1/2026", "1"), "is no day"),
        (("index", "add", "hall", "gas", "2026-01-01", "1,5"), "is no number"),
        (("index", "add", "hall", "gas", "2999-01-01", "1"), "has not come yet"),
        (("show", "--site", "pool"), "no site 'pool'"),
    ],
)
def test_wrong_word_is_told(centre, arguments, told):
    with pytest.raises((ConfigError, DataError), match=told):
        run(*arguments, "--config", centre)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("day;temperature_c\n", "csv:1"),
        ("day,temperature_c\n2026-01-01,abc\n", "csv:2"),
        ("day,temperature_c\n2026-01-01,5\n2026-01-01,6\n", "csv:3.*twice"),
        ("day,temperature_c\n2026-01-01,99\n", "csv:2.*cannot be"),
        ("day,temperature_c\n2026-01-01,nan\n", "csv:2.*is no number"),
        ("day,temperature_c\n", "holds no day"),
    ],
)
def test_malformed_weather_is_refused_with_its_line_and_nothing_is_taken_in(centre, text, told):
    path = centre.with_name("weather.csv")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        run("weather", path, "--config", centre, "--source", "KMI")


def test_factors_tell_their_source_and_the_own_come_first(centre):
    lines = run("factors", "--config", centre).splitlines()
    assert lines[0].startswith("price\tgas\t0.08 EUR/kWh")
    assert any("unverified" in line and line.startswith("primary\telectricity\t2.5") for line in lines)


def test_wrong_file_of_factors_is_told_with_its_line(centre):
    centre.with_name("own.yaml").write_text(OWN.replace("EUR/kWh", "EUR/MWh"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"own.yaml:2: factors.0: price is in EUR/kWh"):
        run("factors", "--config", centre)


def test_check_knows_a_file_of_factors(centre):
    done = CliRunner().invoke(app, ["check", str(centre.with_name("own.yaml")), "--json"])
    assert json.loads(done.output)["kind"] == "factors"
    assert yaml.safe_load(OWN)["factors"][0]["value"] == 0.08


def test_limits_of_a_new_unit():
    assert "NHR at most 15, PEC at most 60" in run("limits", "dwelling", "--compactness", 2, "--volume", 192)
    alternative = json.loads(run("limits", "tertiary", "--compactness", 2, "--nhr", 22, "--json"))
    assert alternative == {"kind": "tertiary", "nhr_kwh_m2": 22, "pec_kwh_m2": 98.4}
    assert "PEC at most 90" in run("limits", "tertiary", "--compactness", 2, "--reference", 150)
    with pytest.raises(ConfigError, match="no kind of unit"):
        run("limits", "castle", "--compactness", 2)
