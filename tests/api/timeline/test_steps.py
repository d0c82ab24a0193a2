"""Instants and grids: formats, aligned steps, local days and months across daylight saving."""

from __future__ import annotations

import contextlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.problems import Problem
from api.timeline.steps import Grid, Step, parse_instant, period

BRUSSELS = "Europe/Brussels"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    "text",
    [
        "1781517600000",
        "2026-06-15T12:00:00+02:00",
        "2026-06-15T12:00:00 02:00",  # a `+` that was not encoded
        "2026-06-15T10:00:00Z",
        "2026-06-15 10:00Z",
        " 2026-06-15T10:00:00.000Z ",
    ],
)
def test_parse_instant_takes_ms_and_iso_8601(text: str):
    assert parse_instant(text, "query.from") == ms("2026-06-15T10:00:00Z")


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-06-15", "2026-06-15T10:00:00", "1e400", "NaN", "-1", "0", "9" * 60, "2026-13-45T00:00Z",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-06-15T10:00:00+99:00", "²", "\x00"],
)  # fmt: skip
def test_parse_instant_refuses_the_rest_naming_the_field(text: str):
    with pytest.raises(Problem) as refused:
        parse_instant(text, "query.from")
    assert (refused.value.status, refused.value.field) == (422, "query.from")
    assert "2026-06-15" in (refused.value.hint or "")


@given(st.text(max_size=60))
def test_parse_instant_raises_nothing_but_a_problem(text: str):
    with contextlib.suppress(Problem):
        assert parse_instant(text, "query.from") > 0


def test_period_defaults_to_the_last_24_hours_and_refuses_the_reverse():
    assert period(None, None, 1_750_000_000_000) == (1_749_913_600_000, 1_750_000_000_000)
    with pytest.raises(Problem, match="before"):
        period("1750000000001", "1750000000000", 0)
    with pytest.raises(Problem, match="before"):
        period("1750000000000", "1750000000000", 0)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-06-15", 24), ("2026-10-25", 25)])
def test_grid_of_days_follows_daylight_saving(day: str, hours: int):
    noon = ms(f"{day}T12:00:00Z")
    grid = Grid.over(noon, noon + 1, Step.D1, BRUSSELS)
    [(start, end)] = grid.spans()
    assert (end - start) / 3_600_000 == hours
    assert start <= noon < end


def test_grid_of_months_has_whole_local_months():
    grid = Grid.over(ms("2025-12-31T22:59:00Z"), ms("2026-03-01T00:00:00+01:00"), Step.MONTH, BRUSSELS)
    assert grid.starts == tuple(
        ms(text) for text in ("2025-12-01T00:00:00+01:00", "2026-01-01T00:00:00+01:00", "2026-02-01T00:00:00+01:00")
    )
    assert grid.end == ms("2026-03-01T00:00:00+01:00")


@given(
    st.integers(946_684_800_000, 4_102_444_799_998),
    st.integers(1, 40 * 86_400_000),
    st.sampled_from([Step.M15, Step.H1, Step.D1, Step.MONTH]),
)
def test_grid_covers_the_period_with_steps_that_touch_it(start: int, length: int, step: Step):
    grid = Grid.over(start, start + length, step, BRUSSELS)
    spans = grid.spans()
    assert spans[0][0] <= start < spans[0][1]
    assert spans[-1][0] < start + length <= spans[-1][1]
    assert all(grid.index(left) == grid.index(right - 1) == n for n, (left, right) in enumerate(spans))
