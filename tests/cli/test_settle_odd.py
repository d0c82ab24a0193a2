"""Odd files that the contract allows or refuses, each with its numbers or its words; found by trying to break `settle`."""

import csv

import pytest

from cli.settle.command import settle
from energy.errors import ConfigError, DataError

HALL, SHOP, SUN = "541448910000123453", "541448911000000003", "541448900000000007"
HEADER = "ean,start,withdrawal_kwh,injection_kwh\n"
NOON = "2026-06-01T10:00:00Z"
ROWS = f"{HALL},{NOON},1.0,\n{SHOP},{NOON},2.0,\n{SUN},{NOON},,1.5\n"


@pytest.fixture
def desk(tmp_path):
    """desk(text or bytes of readings, key): (rows by EAN, or by (start, EAN) of several quarter-hours, summary)."""

    def run(text, key="rounds: prorata\n"):
        readings, rules, out = tmp_path / "readings.csv", tmp_path / "key.yaml", tmp_path / "out.csv"
        readings.write_bytes(text if isinstance(text, bytes) else text.encode())
        rules.write_text(key)
        report = settle(readings, rules, out)
        with out.open(newline="") as file:
            return [(row["ean"], row["received_kwh"], row["given_kwh"]) for row in csv.DictReader(file)], report.summary

    return run


PLAIN = [(SUN, "0.000", "1.500"), (HALL, "0.500", "0.000"), (SHOP, "1.000", "0.000")]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + (HEADER + ROWS).encode(),
        (HEADER + ROWS).replace("\n", "\r\n"),
        (HEADER + ROWS).replace("\n", "\r"),
        HEADER + "".join(reversed(ROWS.splitlines(keepends=True))),
        (HEADER + ROWS).replace(NOON, "2026-06-01T12:00:00+02:00"),
        (HEADER + ROWS).replace("1.5\n", '"1.5"\n'),
        (HEADER + ROWS).rstrip("\n"),
    ],
)
def test_settle_takes_the_same_file_from_any_program(desk, text):
    assert desk(text)[0] == PLAIN


def test_settle_shares_both_hours_of_the_night_that_clocks_go_back(desk):
    """02:15 in Brussels twice: two quarter-hours, told apart by their offsets."""
    text = HEADER + "".join(ROWS.replace(NOON, f"2026-10-25T02:15:00+0{hours}:00") for hours in (2, 1))
    rows, summary = desk(text)
    assert len(rows) == 6
    assert summary["quarter_hours"]["settled"] == 2
    assert summary["quarter_hours"]["held"] == 3  # what lies between them, of which there are no rows


def test_settle_gives_nobody_its_own_injection_even_where_it_is_the_only_one(desk):
    rows, _ = desk(HEADER + f"{HALL},{NOON},1.0,2.0\n{SHOP},{NOON},0.5,\n")
    assert rows == [(HALL, "0.000", "0.500"), (SHOP, "0.500", "0.000")]


def test_settle_serves_tiers_in_order_and_caps_each_at_its_withdrawal(desk):
    key = f'participants: {{"{HALL}": {{tier: 2}}, "{SHOP}": {{tier: 1}}}}\nrounds: priority\n'
    rows, _ = desk(HEADER + ROWS.replace(",2.0,", ",1.2,"), key)
    assert rows == [(SUN, "0.000", "1.500"), (HALL, "0.300", "0.000"), (SHOP, "1.200", "0.000")]


def test_settle_without_injection_in_any_quarter_hour_shares_nothing(desk):
    rows, summary = desk(HEADER + ROWS.replace(",,1.5", ",,0"))
    assert {row[1:] for row in rows} == {("0.000", "0.000")}
    assert summary["sharing_rate"] is None


def test_settle_estimates_from_a_week_before_and_holds_where_nothing_was_measured(desk):
    before, now = ROWS.replace(NOON, "2026-05-25T10:00:00Z"), ROWS.replace(f"{HALL},{NOON},1.0,", f"{HALL},{NOON},,")
    rows, summary = desk(HEADER + before + now, "rounds: prorata\non_missing: estimate\n")
    assert rows[-3:] == PLAIN
    assert summary["quarter_hours"]["settled"] == 3  # also a day after the first, of which nobody has a row
    rows, summary = desk(HEADER + now, "rounds: prorata\non_missing: estimate\n")
    assert (rows, summary["quarter_hours"]["held"]) == ([], 1)


def test_settle_at_resolution_zero_leaves_thirds_unrounded(desk):
    rows, _ = desk(HEADER + ROWS.replace(",,1.5", ",,1"), "rounds: prorata\nresolution_wh: 0\n")
    assert rows[1:] == [(HALL, "0.333333333333", "0.000000000000"), (SHOP, "0.666666666667", "0.000000000000")]


@pytest.mark.parametrize(
    ("text", "where", "words", "step"),
    [
        ((HEADER + ROWS).replace(".", "§").replace(",", ";").replace("§", ","), ":1 header", "semicolons", "import"),
        (HEADER + ROWS.replace(",1.0,", ',"1,0",'), ":2 withdrawal_kwh", "'1,0' is no number", "decimal point"),
        (HEADER + ROWS + f"{HALL},2026-06-01T12:00:00+02:00,1.0,\n", ":5 ean, start", "repeats line 2", "keep one"),
        (HEADER + ROWS.replace(HALL, HALL[:-1] + "4"), ":2 ean", "it ends in 4, its other digits give 3", "18 digits"),
        (HEADER + ROWS.replace(NOON, "2026-03-29T02:15:00"), ":2 start", "clocks skipped it", "with its offset"),
        (HEADER + ROWS.replace(NOON, "2026-10-25T02:15:00"), ":2 start", "exists twice in Brussels", "with its offset"),
    ],
)
def test_settle_says_file_line_field_and_next_step_of_a_wrong_file(desk, text, where, words, step):
    with pytest.raises(DataError) as caught:
        desk(text)
    assert f"readings.csv{where}" in str(caught.value)
    assert words in str(caught.value)
    assert step in caught.value.hint


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (f'participants: {{"{HALL}": {{weight: 0.7}}, "{SHOP}": {{weight: 0.4}}}}\nrounds: fixed\n', "add up to 1.1"),
        (f'participants: {{"{HALL}": {{weight: 70}}}}\nrounds: fixed\n', r"70 % is 0.7"),
    ],
)
def test_settle_says_what_weights_may_be(desk, key, words):
    with pytest.raises(ConfigError, match=words) as caught:
        desk(HEADER + ROWS, key)
    assert (caught.value.line, caught.value.hint) == (1, "correct it; `commonwatt schema key` shows what is allowed")
