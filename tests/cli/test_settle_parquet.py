"""Readings as Parquet: the same readings as the CSV, and the same refusals by row."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.settle.readings import read_readings
from energy.errors import DataError

A, B = "541448910000123453", "541448911000000003"
START = datetime(2026, 6, 1, 10, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def read(tmp_path):
    """read(**columns): the readings of a good Parquet file with those columns put in its place."""

    def run(**columns):
        good = {
            "ean": [A, B, A, B],
            "start": pa.array([START, START, START + QUARTER, START + QUARTER], pa.timestamp("ms", "UTC")),
            "withdrawal_kwh": [0.1, 0.25, None, 1e-05],
            "injection_kwh": [0.0, 2.0, 0.0, 3.0],
        }
        path = tmp_path / "readings.parquet"
        pq.write_table(pa.table({name: column for name, column in (good | columns).items() if column}), path)
        return read_readings(path, 1)

    return run


def test_parquet_readings_are_those_of_the_same_csv(read, tmp_path):
    csv = tmp_path / "readings.csv"
    csv.write_text(
        "ean,start,withdrawal_kwh,injection_kwh\n"
        f"{A},2026-06-01T10:00:00Z,0.1,0\n{B},2026-06-01T10:00:00Z,0.25,2\n"
        f"{A},2026-06-01T10:15:00Z,,0\n{B},2026-06-01T10:15:00Z,0.00001,3\n"
    )
    ours, text = read(), read_readings(csv, 1)
    assert ours.readings.withdrawal.tolist() == text.readings.withdrawal.tolist() == [[100, 250], [0, 0]]
    assert ours.readings.withdrawal_known.tolist() == text.readings.withdrawal_known.tolist()
    assert ours.readings.injection.tolist() == text.readings.injection.tolist() == [[0, 2000], [0, 3000]]
    assert ours.readings.starts.tolist() == text.readings.starts.tolist()
    assert (ours.cut, ours.cut_wh) == (text.cut, text.cut_wh)
    assert ours.starts == ("2026-06-01T10:00:00+00:00", "2026-06-01T10:15:00+00:00")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0.1, 0.25, None, 0], pa.float32()),
        pa.array(["0.1", " 0.25", "", "0"]),
        pa.array([Decimal("0.100"), Decimal("0.250"), None, Decimal(0)]),
        pa.array(["0.1", "0.25", None, "0"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2]), ["0.1", "0.25", "0", "unused and no number"]),
    ],
    ids=["float32", "text", "decimal", "dictionary", "dictionary with unused values"],
)
def test_energy_of_any_column_type_is_read_exactly(read, column):
    file = read(withdrawal_kwh=column)
    assert file.readings.withdrawal.tolist() == [[100, 250], [0, 0]]
    assert file.readings.withdrawal_known.tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.timestamp("ns", "UTC"), "2026-06-01T10:00:00+00:00"),
        (pa.timestamp("s", "+02:00"), "2026-06-01T12:00:00+02:00"),
        (pa.timestamp("us", "Europe/Brussels"), "2026-06-01T12:00:00+02:00"),
    ],
)
def test_start_of_any_unit_and_zone_is_the_same_instant(read, kind, text):
    file = read(start=pa.array([START, START, START + QUARTER, START + QUARTER], kind))
    assert file.readings.starts.tolist() == [1780308000000, 1780308900000]
    assert file.starts[0] == text


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"ean": [A, B, A, A[:-1] + "9"]}, r"parquet:4 ean"),
        ({"withdrawal_kwh": [0.1, -1.0, None, 0.0]}, r"parquet:2 withdrawal_kwh.*negative"),
        ({"withdrawal_kwh": [0.1, float("nan"), None, 0.0]}, r"parquet:2 withdrawal_kwh.*no number"),
        ({"start": pa.array([START.replace(tzinfo=None)] * 4, pa.timestamp("ms"))}, r"parquet:1 start.*no offset"),
        ({"start": pa.array([START, START, START + QUARTER, None])}, r"parquet:4 start.*no ISO 8601"),
        (
            {"start": pa.array([1, 1, 2, 3], pa.timestamp("ns", "UTC"))},
            r"no readable Parquet.*finer than a microsecond",
        ),
        ({"start": pa.array([2**50] * 4, pa.timestamp("s", "UTC"))}, r"no readable Parquet.*out of range"),
        ({"start": pa.array([START, START, START, START + QUARTER])}, r"parquet:3 ean, start.*repeats line 1"),
        ({"injection_kwh": None}, r"injection_kwh.*missing"),
        ({"weather": [1, 2, 3, 4]}, r"weather.*unknown column"),
        ({"withdrawal_kwh": [[1], [2], [3], [4]]}, r"no readable Parquet"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(read, columns, told):
    with pytest.raises(DataError, match=told):
        read(**columns)


def test_broken_parquet_is_refused(tmp_path):
    path = tmp_path / "readings.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match="no readable Parquet"):
        read_readings(path, 1)


def test_float_that_is_no_whole_wh_is_cut_and_counted_exactly(read):
    file = read(withdrawal_kwh=[0.1, 0.0019, None, 1.23456789], injection_kwh=[1e9, 0.3, 0.30000000000000004, 0.0])
    assert file.readings.withdrawal.tolist() == [[100, 1], [0, 1234]]
    assert file.readings.injection.tolist() == [[10**12, 300], [300, 0]]
    assert file.cut == 3
    assert file.cut_wh == Fraction("0.9") + Fraction("0.56789") + Fraction("0.00000000000004")
