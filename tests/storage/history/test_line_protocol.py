"""Line protocol, byte by byte where the server's tolerance would hide a mistake."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import DataError
from energy.quantities import QUANTITIES, Quality, Role
from storage.history import DeviceQuarter, DeviceTags, Row, SiteQuarter
from storage.history.influx_writer import _reading_lines
from storage.history.line_protocol import (
    device_quarter_line,
    plain_lines,
    plain_rows,
    reading_line,
    site_quarter_line,
)

T = 1_750_000_000_000
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
TAGS = "community=ixelles,device=hall/pv,site=hall"


def test_a_reading_names_its_device_its_values_and_what_was_bad():
    row = Row(PV, T, {"power_w": -5.5, "energy_export_wh": 1234, "state": 'a "b" \\'}, bad=("soc_pct", "soh_pct"))
    fields = r'power_w=-5.5,energy_export_wh=1234,state="a \"b\" \\",bad="soc_pct,soh_pct"'
    assert reading_line(row) == f"reading,{TAGS},role=pv {fields} {T}"


def test_a_device_without_role_or_community_has_no_such_tag():
    row = Row(DeviceTags("", "a b", "a b/c,d=e", None), T, {"power_w": 1.0})
    assert reading_line(row) == rf"reading,device=a\ b/c\,d\=e,site=a\ b power_w=1.0 {T}"


@pytest.mark.parametrize("values", [{}, {"mood": 1.0}, {"power_w": math.nan}, {"power_w": math.inf}])
def test_a_reading_without_anything_to_store_is_no_line(values):
    assert reading_line(Row(PV, T, values)) is None


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
ANYTHING = NUMBERS | st.floats() | st.text(alphabet='a":{},= \\né')


@given(st.dictionaries(st.sampled_from([*QUANTITIES, "mood"]), ANYTHING, max_size=6))
def test_every_value_that_can_be_stored_is_a_field_that_reads_back_as_it_was(values):
    kept = {n: v for n, v in values.items() if n in QUANTITIES and (isinstance(v, str) or math.isfinite(v))}
    line = reading_line(Row(PV, T, values))
    if not kept:
        assert line is None
        return
    assert line is not None
    head, tail = f"reading,{TAGS},role=pv ", f" {T}"
    assert line.startswith(head)
    assert line.endswith(tail)
    rest = line[len(head) : -len(tail)]
    for name, value in kept.items():
        assert rest.startswith(f"{name}=")
        rest = rest[len(name) + 1 :]
        if isinstance(value, str):
            written = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            assert rest.startswith(written)
            rest = rest[len(written) + 1 :]
        else:
            number, _, rest = rest.partition(",")
            assert (int(number) if isinstance(value, int) else float(number)) == value
    assert rest == ""


@pytest.mark.parametrize("name", ["a\nb", "a\\", "\x7f"])
def test_a_name_that_cannot_be_written_is_refused_by_its_field(name):
    with pytest.raises(DataError, match="device: "):
        reading_line(Row(DeviceTags("ixelles", "hall", name, None), T, {"power_w": 1.0}))


ROWS = st.builds(
    Row,
    st.sampled_from([PV, DeviceTags("", "a b", "a b/c,d=e", None), DeviceTags("ixelles", "hall", "a\nb", None)]),
    st.integers(0, 2**41),
    st.dictionaries(st.sampled_from([*QUANTITIES, "mood"]), NUMBERS | ANYTHING, max_size=6),
    st.sampled_from([(), ("soc_pct",)]),
)


@given(st.lists(ROWS, max_size=12))
def test_lines_made_together_are_those_made_one_by_one(rows):
    told, refused = {}, []
    for row in rows:
        try:
            told[id(row)] = reading_line(row)
        except DataError as error:
            refused.append((row, str(error)))
    refusals = []
    items, lines = _reading_lines(rows, refusals)
    by_item = dict(zip(map(id, items), lines, strict=True))
    assert by_item == {item: line for item, line in told.items() if line is not None}
    assert sorted(map(repr, refusals)) == sorted(map(repr, refused))


def test_usual_readings_are_made_together_and_a_strange_value_among_them_is_noticed():
    usual = [Row(PV, T + n, {"power_w": 1.5 * n, "energy_export_wh": n}) for n in range(3)]
    others = [Row(PV, T, {}), Row(PV, T, {"state": "on"}), Row(PV, T, {"power_w": 1.0}, ("soc_pct",))]
    assert plain_rows([*others, *usual]) == usual
    assert plain_lines(usual) == [reading_line(row) for row in usual]
    for strange in (math.nan, -math.inf, "1", "},{", None):
        assert plain_lines([*usual, Row(PV, T, {"power_w": strange})]) is None


def test_a_quarter_hour_names_what_is_unknown():
    device = DeviceQuarter(PV, T, None, 2.0, Quality.ESTIMATED)
    assert device_quarter_line(device) == (
        f'device_quarter,{TAGS} export_wh=2.0,unknown="import_wh",quality="estimated",role="pv" {T}'
    )
    site = SiteQuarter("ixelles", "hall", T, 1.0, None, 3.0, 0.0, None, 6.0, Quality.MISSING)
    assert site_quarter_line(site) == (
        "site_quarter,community=ixelles,site=hall pv_wh=1.0,export_wh=3.0,charge_wh=0.0,consumption_wh=6.0,"
        f'unknown="import_wh,discharge_wh",quality="missing" {T}'
    )
