"""One sentence on a quarter-hour of a file: keys with and without coefficients, and what is refused."""

import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from energy.errors import ConfigError

HALL, LIBRARY, ROOF, SUN = "541448911000000003", "541449020000123458", "541448820000000015", "541448900000000007"
NOON = "2026-06-15T12:00:00Z"
ROWS = (
    f"{HALL},{NOON},3.0,\n{LIBRARY},{NOON},2.4,\n{ROOF},{NOON},,4.0\n{SUN},{NOON},,2.0\n"
    f"{HALL},2026-06-15T12:15:00Z,3.0,\n{LIBRARY},2026-06-15T12:15:00Z,,\n{ROOF},2026-06-15T12:15:00Z,,4.0\n"
    f"{SUN},2026-06-15T12:15:00Z,,2.0\n"
)


@pytest.fixture
def why(tmp_path):
    """why(key, ean, start, coefficients, *options): what the command prints."""
    readings, rules, parts = tmp_path / "readings.csv", tmp_path / "key.yaml", tmp_path / "parts.csv"

    def run(key, ean, start=NOON, coefficients=None, *options):
        readings.write_text("ean,start,withdrawal_kwh,injection_kwh\n" + ROWS)
        rules.write_text(key)
        command = ["sharing", "why", "--readings", str(readings), "--key", str(rules), "--ean", ean, "--start", start]
        if coefficients:
            parts.write_text(coefficients)
            command += ["--coefficients", str(parts)]
        result = CliRunner().invoke(app, [*command, *options])
        if result.exception:
            raise result.exception
        return result.stdout.strip()

    return run


PARTICIPANTS = f'participants: {{"{HALL}": {{}}, "{LIBRARY}": {{name: Library}}}}\n'
BY_QUARTER = PARTICIPANTS + "rounds: fixed\ncoefficients: by_quarter\n"
BY_PAIR = PARTICIPANTS + "rounds: fixed\ncoefficients: by_pair\n"
PARTS = f"start,ean,coefficient\n{NOON},{HALL},0.25\n{NOON},{LIBRARY},0.75\n"
PAIRS = (
    "start,producer,ean,coefficient\n"
    f"{NOON},{ROOF},{HALL},0.5\n{NOON},{ROOF},{LIBRARY},0.25\n{NOON},{SUN},{LIBRARY},1\n"
)


def test_why_tells_of_a_key_without_coefficients(why):
    assert why("rounds: prorata\n", HALL) == (
        f"{HALL} withdrew 3.000 kWh and received 3.000 kWh: 3.000 kWh in round 1 (pro rata of withdrawal not yet covered, "
        "6.000 kWh for 3.000 kWh of 5.400 kWh not covered before), which is all it withdrew."
    )


def test_why_tells_the_coefficient_of_that_quarter_hour(why):
    assert why(BY_QUARTER, HALL, NOON, PARTS) == (
        f"{HALL} withdrew 3.000 kWh and received 1.500 kWh: 1.500 kWh in round 1 (fixed 25 % of 6.000 kWh); "
        "the other 1.500 kWh came from its supplier."
    )


def test_why_tells_the_part_of_each_producer_and_what_was_used_of_it(why):
    assert why(BY_PAIR, LIBRARY, NOON, PAIRS) == (
        f"Library ({LIBRARY}) withdrew 2.400 kWh and received 2.400 kWh: 25 % of 4.000 kWh of {ROOF} and 100 % of 2.000 kWh of "
        f"{SUN} are 3.000 kWh, of each of which it took the same part, which is all it withdrew."
    )
    assert why(BY_PAIR, HALL, NOON, PAIRS) == (
        f"{HALL} withdrew 3.000 kWh and received 2.000 kWh: 50 % of 4.000 kWh of {ROOF}; "
        "the other 1.000 kWh came from its supplier."
    )
    assert why(BY_PAIR, ROOF, NOON, PAIRS) == (
        f"{ROOF} is no participant and received nothing; it gave 2.800 kWh of the 4.000 kWh it injected "
        "(4.400 kWh shared in all, from each producer what its consumers used of their parts)."
    )


def test_why_tells_what_is_held_and_speaks_json(why):
    told = json.loads(why(BY_QUARTER, HALL, "2026-06-15T14:15:00+02:00", PARTS, "--json"))
    assert told == {
        "ean": HALL,
        "start": "2026-06-15T12:15:00Z",
        "why": "nothing was shared then: 1 value is missing, and the key says on_missing: hold",
    }


@pytest.mark.parametrize(
    ("ean", "start", "field", "words"),
    [
        ("541448910000123453", NOON, "--ean", "is not in the readings"),
        (HALL, "2026-06-16T12:00:00Z", "--start", "they go from 2026-06-15T12:00:00Z to 2026-06-15T12:15:00Z"),
        (HALL, "2026-06-15T12:00:00", "--start", "has no offset"),
        (HALL, "noon", "--start", "is no ISO 8601 instant"),
    ],
)
def test_why_refuses_what_is_not_there(why, ean, start, field, words):
    with pytest.raises(ConfigError) as caught:
        why("rounds: prorata\n", ean, start)
    assert caught.value.field == field
    assert words in f"{caught.value} {caught.value.hint}"
