"""Parquet readings of other types, columns and values than they should be: refused by row and column, or taken in as what they say."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.damage.harness import Desk
from tests.damage.parquet import PARQUET, columns, parquet


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The border with its good file."""
    return Desk(PARQUET[0], tmp_path_factory.mktemp("desk"))


def changed(name, array):
    return parquet(columns() | {name: array})


def kwh(*first, kind=None):
    """Withdrawals of which these are the first."""
    return pa.array([*first, *[1.0] * (8 - len(first))], kind)


def starts(number, kind):
    return pa.array([number + 900 * 10**3 * (n // 2) for n in range(8)], pa.int64()).cast(kind)


@pytest.mark.parametrize(
    ("what", "content", "told"),
    [
        ("nothing", b"PAR1", ("no readable Parquet",)),
        ("only its ends", b"PAR1" + bytes(100) + b"PAR1", ("no readable Parquet",)),
        ("no rows", parquet({name: array[:0] for name, array in columns().items()}), ("has no rows",)),
        ("a column less", parquet({name: array for name, array in columns().items() if name != "start"}), ("start", "missing")),
        ("a column more", parquet(columns() | {"price": kwh()}), ("price", "unknown column")),
        ("other letters", parquet({name.upper(): array for name, array in columns().items()}), ("EAN", "unknown column")),
        ("not a number", changed("withdrawal_kwh", kwh(1.0, float("nan"))), (":2 withdrawal_kwh",)),
        ("infinite", changed("withdrawal_kwh", kwh(1.0, 1.0, float("inf"))), (":3 withdrawal_kwh",)),
        ("negative", changed("withdrawal_kwh", kwh(-0.5)), (":1 withdrawal_kwh", "negative")),
        ("too much", changed("withdrawal_kwh", kwh(1e30)), (":1 withdrawal_kwh",)),
        ("truths", changed("withdrawal_kwh", pa.array([True] * 8)), (":1 withdrawal_kwh",)),
        ("lists", changed("withdrawal_kwh", pa.array([[1.0]] * 8)), ("readings.parquet",)),
        ("records", changed("withdrawal_kwh", pa.array([{"kwh": 1.0}] * 8)), ("readings.parquet",)),
        ("bytes", changed("ean", pa.array([b"\xff"] * 8)), ("readings.parquet",)),
        ("no EAN", changed("ean", pa.nulls(8, pa.string())), (":1 ean",)),
        ("an EAN as a float", changed("ean", pa.array([5.41448910000123453e17] * 8)), (":1 ean",)),
        ("no start", changed("start", pa.nulls(8, pa.timestamp("ms", "UTC"))), (":1 start",)),
        ("a start without zone", changed("start", starts(1_780_272_000_000, pa.timestamp("ms"))), (":1 start", "no offset")),
        ("a start off the grid", changed("start", starts(1_780_272_000_001, pa.timestamp("ms", "UTC"))), (":1 start",)),
        ("a start as a number", changed("start", starts(1_780_272_000_000, pa.int64())), (":1 start",)),
        ("a start as a day", changed("start", pa.array([20605] * 8, pa.int32()).cast(pa.date32())), (":1 start",)),
        ("a far start", changed("start", starts(2**60, pa.timestamp("ms", "UTC"))), ("readings.parquet",)),
        ("a row twice", parquet({name: pa.concat_arrays([array, array[:1]]) for name, array in columns().items()}), (":9", "repeats")),
    ],
)  # fmt: skip
def test_parquet_that_is_wrong_is_refused_by_row_and_column(desk, what, content, told):
    desk.try_bytes(content).refused("readings.parquet", *told)


@pytest.mark.parametrize(
    "kind", [pa.float32(), pa.decimal128(12, 6), pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.float64())]
)
def test_energies_of_other_types_are_taken_in_as_the_same(desk, kind):
    good = desk.try_bytes(parquet(columns()))
    same = columns()["withdrawal_kwh"]
    same = pa.array(["0.512", "1.25"] * 4, kind) if "string" in str(kind) else same.dictionary_encode() if "dict" in str(kind) else same.cast(kind)  # fmt: skip
    desk.try_bytes(changed("withdrawal_kwh", same)).same_as(good)
