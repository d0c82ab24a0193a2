"""`commonwatt sharing`: presets, what if, and the recommended key, from files to figures."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.settle.command import settle
from energy.errors import ConfigError, DataError

SCHOOL, HALL, SUN, BAKER = "541448910000123453", "541448911000000003", "541448900000000007", "541449020000123458"
HEADER = "ean,start,withdrawal_kwh,injection_kwh\n"
TIMES = [f"2026-06-01T10:{minute}:00Z" for minute in ("00", "15", "30", "45")]
KEY = f'participants:\n  "{SCHOOL}": {{weight: 0.5, tier: 1}}\n  "{HALL}": {{weight: 0.5}}\nrounds: fixed\n'


@pytest.fixture
def run(tmp_path):
    """run(command, ...): its JSON; readings.csv, key.yaml, more.csv, other.yaml stand in the folder."""
    rows = [
        f"{SCHOOL},{t},1,\n{HALL},{t},3,\n{SUN},{t},,{injected}\n" for t, injected in zip(TIMES, "2900", strict=True)
    ]
    files = {
        "readings.csv": HEADER + "".join(rows),
        "key.yaml": KEY,
        "more.csv": HEADER + "".join(f"{BAKER},{t},2,\n" for t in TIMES),
        "days.csv": HEADER + "".join(f"{BAKER},{t.replace('2026', '2025')},2,\n" for t in TIMES),
        "other.yaml": KEY.replace("rounds: fixed", "preset: sibelga-hybrid"),
        "terms.yaml": (Path(__file__).parents[2] / "deploy/examples/terms-brussels.yaml").read_text(encoding="utf-8"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def invoke(*words, plain=False):
        arguments = [str(tmp_path / word) if word in files else word for word in words]
        result = CliRunner().invoke(
            app, ["sharing", *arguments, *([] if plain else ["--json"])], catch_exceptions=False
        )
        return result.stdout if plain else json.loads(result.stdout)

    return invoke


BOTH = ("--readings", "readings.csv", "--key", "key.yaml")


def test_presets_name_operator_source_and_what_is_not_verified(run):
    found = {preset["name"]: preset for preset in run("presets", "--on", "2026-11-28")["presets"]}
    assert found["sibelga-hybrid"]["unverified"]
    assert found["sibelga-fixed"]["source"].startswith("https://sibelga.be/")
    assert "wallonia-dynamique\t" in run("presets", plain=True)


def test_what_if_of_another_key_tells_who_gains(run):
    """A fixed half of 2 is 1 each; in the second quarter 4.5 each are too much for both."""
    found = run("what-if", *BOTH, "--other-key", "other.yaml")
    assert found["shared_more_kwh"] == 0.0, "2 and 4 kWh are all that can be shared"


def test_what_if_of_one_member_more_puts_it_on_the_list(run):
    found = run("what-if", *BOTH, "--more", "more.csv", "--other-key", "other.yaml")
    gained = {point["ean"]: point["received_kwh"] for point in found["points"]}
    assert gained[BAKER] == [0.0, 2.0]
    assert found["shared_more_kwh"] == 2.0


def test_what_if_of_a_far_member_tells_what_its_grid_type_costs_everybody(run):
    """Distribution and transport of 0.09396 and 0.02142 EUR, halved at B and due in full at D, with 6 or 21 % VAT."""
    far = ("what-if", *BOTH, "--more", "more.csv", "--terms", "terms.yaml", "--grid-types")
    found = run(*far, "B,D")["grid_type"]
    assert (found["before"], found["after"]) == ("B", "D")
    assert found["network_eur_kwh"]["citizen"] == ["0.0611514", "0.1223028"]
    assert found["network_eur_kwh"]["sme"] == ["0.0698049", "0.1396098"]
    told = run(*far, "B,D", plain=True)
    assert "the whole community becomes D, it is B" in told
    assert "citizen: 0.1223 EUR instead of 0.0612 (+0.0612)" in told
    assert "the whole community stays D" in run(*far, "D,A", plain=True)


def test_what_if_of_a_battery_moves_the_surplus_into_the_next_quarter_hours(run):
    """5 kWh kept of the second, a Wh less than 4.5 given later; halves of less leave 1 kWh of the second unused by the hall."""
    found = run("what-if", *BOTH, "--battery", f"{SUN},10,40")
    assert found["shared_more_kwh"] == -1.0 + 3.0 + 0.499
    assert "shared in all: +" in run("what-if", *BOTH, "--battery", f"{SUN},10,40", plain=True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing would change"),
        (("--battery", "much"), "is no battery"),
        (("--battery", f"{SUN},nan,5"), "is no battery"),
        (("--battery", f"{BAKER},10,5"), "is not in the readings"),
        (("--more", "readings.csv"), "is there already"),
        (("--more", "days.csv"), "days.csv: --more: the readings of the new points are of other days"),
        (("--other-key", "other.yaml", "--terms", "terms.yaml"), "says what a joining site costs"),
        (("--more", "more.csv", "--grid-types", "B,D"), "says what a joining site costs"),
        (("--more", "more.csv", "--terms", "terms.yaml", "--grid-types", "B"), "are no two grid types"),
        (("--more", "more.csv", "--terms", "terms.yaml", "--grid-types", "B,E"), "are no two grid types"),
    ],
)
def test_what_if_that_makes_no_sense_is_refused(run, words, told):
    with pytest.raises(ConfigError, match=told) as caught:
        run("what-if", *BOTH, *words)
    assert caught.value.hint


def test_key_goes_out_as_spains_file_with_its_line_ends(run, tmp_path):
    cups = [f"ES003140512345600{n}AB0F" for n in (1, 2, 3)]
    (tmp_path / "spain.yaml").write_text(
        "rounds: fixed\nparticipants:\n" + "".join(f"  {each}: {{stake: 5}}\n" for each in cups)
    )
    where = ("--out", str(tmp_path), "--format", "spain", "--cau", "ES0031405123456001AB0FA000")
    told = run("coefficients", "--key", str(tmp_path / "spain.yaml"), *where, "--year", "2027", plain=True)
    made = tmp_path / "ES0031405123456001AB0FA000_2027.txt"
    assert str(made) in told
    assert made.read_bytes() == "\r\n".join(f"{each};0,33333{n}" for each, n in zip(cups, "334", strict=True)).encode()
    for words, wrong in (((), "is needed"), (("--year", "2027", "--cau", "../x"), "is no CAU")):
        with pytest.raises(ConfigError, match=wrong):
            run("coefficients", "--key", str(tmp_path / "spain.yaml"), *where, *words, plain=True)
    with pytest.raises(ConfigError, match="is no CUPS"):
        run("coefficients", "--key", "key.yaml", *where, "--year", "2027", plain=True)


def test_spains_file_by_the_hour_has_every_hour_of_the_local_year(run, tmp_path):
    cups = [f"ES003140512345600{n}AB0F" for n in (1, 2)]
    (tmp_path / "spain.yaml").write_text(
        "rounds: fixed\ncoefficients: by_quarter\nparticipants:\n" + "".join(f"  {each}: {{}}\n" for each in cups)
    )
    rows = [("2028-01-01T00:00:00+01:00", "0.6", "0.4"), ("2028-07-01T00:00:00+02:00", "0.25", "0.75")]
    parts = tmp_path / "hours.csv"
    parts.write_text("start,ean,coefficient\n" + "".join(f"{t},{cups[0]},{a}\n{t},{cups[1]},{b}\n" for t, a, b in rows))
    where = ("--key", str(tmp_path / "spain.yaml"), "--out", str(tmp_path), "--format", "spain", "--cau", "ES0031A000")
    run("coefficients", *where, "--year", "2028", "--by-hour", str(parts), plain=True)
    lines = (tmp_path / "ES0031A000_2028.txt").read_bytes().decode().split("\r\n")
    assert len(lines) == 2 * 8784, "a leap year"
    assert (lines[0], lines[8783]) == (f"{cups[0]};0001;0,600000", f"{cups[0]};8784;0,250000")
    july = (31 + 29 + 31 + 30 + 31 + 30) * 24 - 1  # a day in March had 23 hours
    assert [line[-8:] for line in lines[july - 1 : july + 1]] == ["0,600000", "0,250000"]
    parts.write_text(parts.read_text().replace("0.75", "0.74"))
    with pytest.raises(ConfigError, match="add up to less than 1 in hour"):
        run("coefficients", *where, "--year", "2028", "--by-hour", str(parts), plain=True)


def test_any_key_goes_out_as_coefficients_that_settle_takes_to_the_same_result(run, tmp_path):
    """A priority that the operator does not know: as coefficients by quarter-hour it is shared the same."""
    by_tier, out = tmp_path / "tiers.yaml", [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    by_tier.write_text(KEY.replace("rounds: fixed", "rounds: priority"))
    given = tmp_path / "given.yaml"
    given.write_text(f'participants:\n  "{SCHOOL}": {{}}\n  "{HALL}": {{}}\npreset: enedis-simple\n')
    run("coefficients", "--key", str(by_tier), "--out", str(out[0]), "--readings", "readings.csv", plain=True)
    assert out[0].read_text().splitlines()[1:3] == [f"{TIMES[0]},{SCHOOL},0.500000", f"{TIMES[0]},{HALL},0.500000"]
    settle(tmp_path / "readings.csv", by_tier, out[1])
    settle(tmp_path / "readings.csv", given, out[2], None, out[0])
    assert out[1].read_text() == out[2].read_text()


def test_weights_go_out_as_constant_coefficients(run, tmp_path):
    run("coefficients", "--key", "key.yaml", "--out", str(tmp_path / "parts.csv"), plain=True)
    assert (tmp_path / "parts.csv").read_text() == f"ean,coefficient\n{SCHOOL},0.500000\n{HALL},0.500000\n"
    with pytest.raises(ConfigError, match="'edi' is no format"):
        run("coefficients", "--key", "key.yaml", "--out", str(tmp_path / "x"), "--format", "edi", plain=True)


def test_recommended_key_comes_first_with_its_figures(run):
    found = run("recommend", *BOTH, "--aim", "vulnerable-first")
    best = found["keys"][0]
    assert best["vulnerable_coverage"] == max(key["vulnerable_coverage"] for key in found["keys"])
    assert {"name", "rounds", "weights", "shared_kwh", "jain", "gini", "min_coverage"} <= best.keys()
    assert run("recommend", *BOTH, "--aim", "most-shared", plain=True).startswith("for most-shared: ")


def test_an_aim_that_is_none_is_refused(run):
    with pytest.raises(ConfigError, match="is no aim"):
        run("recommend", *BOTH, "--aim", "cheapest")


def test_reconcile_finds_the_reading_of_the_key_that_the_operator_uses(run, tmp_path):
    """Of 9 kWh the school takes 1 and the hall 3; of 2 both take 1: only what is told is compared."""
    rows = [
        (SCHOOL, TIMES[1], "1"),
        (HALL, TIMES[1], "3"),
        (SCHOOL, TIMES[0], "1"),
        (HALL, TIMES[0], "1"),
        (SCHOOL, TIMES[2], ""),
    ]
    path = tmp_path / "allotted.csv"
    path.write_text("ean,start,shared_withdrawal_kwh\n" + "".join(",".join(row) + "\n" for row in rows))
    best = run("reconcile", *BOTH, "--allotted", str(path))["fits"][0]
    assert (best["name"], best["apart_kwh"], best["quarters_compared"]) == ("as written", 0.0, 2)
    path.write_text(path.read_text().replace(f"{HALL},{TIMES[1]},3", f"{HALL},{TIMES[1]},2.5"))
    told = run("reconcile", *BOTH, "--allotted", str(path), plain=True)
    assert f"0.500 kWh apart in 1 of 2 quarter-hours, by at most 0.500 kWh, most at {TIMES[1]} for {HALL}" in told


def test_reconcile_with_another_months_file_is_refused(run, tmp_path):
    path = tmp_path / "allotted.csv"
    path.write_text(f"ean,start,shared_withdrawal_kwh\n{SCHOOL},2026-07-01T00:00:00Z,1\n")
    with pytest.raises(DataError, match="tells of no point and quarter-hour"):
        run("reconcile", *BOTH, "--allotted", str(path))
