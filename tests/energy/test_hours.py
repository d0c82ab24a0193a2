"""Opening hours: what can be read, what cannot, and what they say of a moment."""

from contextlib import suppress
from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from energy.alerts.rules import NightFlow, QuietLoad
from energy.balancing.settings import Steer
from energy.hours import OpeningHours, within

BRUSSELS = "Europe/Brussels"


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BRUSSELS)).timestamp() * 1000)


@pytest.mark.parametrize(("text", "moment", "is_open"), [
    ("Mo-Fr 08:00-18:00", "2026-06-17T08:00", True),
    ("Mo-Fr 08:00-18:00", "2026-06-17T18:00", False),
    ("Mo-Fr 08:00-18:00", "2026-06-20T12:00", False),
    ("Mo-Fr 08:00-12:00, 13:00-18:00", "2026-06-17T12:30", False),
    ("Mo,We 08:00-18:00", "2026-06-17T12:00", True),
    ("Mo-Su 08:00-18:00; We off", "2026-06-17T12:00", False),
    ("Fr-Mo 08:00-18:00", "2026-06-21T12:00", True),
    ("Fr 20:00-02:00", "2026-06-20T01:00", True),
    ("24/7", "2026-06-20T03:00", True),
    ("Mo-Fr 08:00-18:00", "2026-10-26T08:30", True),  # the day after winter time begins
])  # fmt: skip
def test_open_at_follows_local_time(text, moment, is_open):
    assert OpeningHours.parse(text).open_at(at(moment), BRUSSELS) is is_open


def test_margin_widens_both_ends_over_midnight():
    hours = OpeningHours.parse("Fr 08:00-23:30")
    assert hours.open_at(at("2026-06-20T00:15"), BRUSSELS, margin_s=3600)
    assert hours.open_at(at("2026-06-19T07:15"), BRUSSELS, margin_s=3600)
    assert not hours.open_at(at("2026-06-20T00:31"), BRUSSELS, margin_s=3600)


@pytest.mark.parametrize("text", ["daily", "Mo-Fr", "Xx 08:00-18:00", "Mo 8-18", "Mo 08:00-25:00", "Mo 08:70-09:00"])
def test_what_cannot_be_read_is_told(text):
    with pytest.raises(ValueError, match=r"opening hours|no day|no span"):
        OpeningHours.parse(text)


@given(st.text(alphabet="MoTuWeFrSa-,;: 0123456789/off", max_size=30))
def test_any_text_is_read_or_refused(text):
    with suppress(ValueError):
        assert OpeningHours.parse(text).open_at(at("2026-06-17T08:00"), BRUSSELS) in {True, False}


def test_within_may_span_midnight():
    assert within(at("2026-06-17T23:30"), BRUSSELS, time(23), time(5))
    assert not within(at("2026-06-17T12:00"), BRUSSELS, time(23), time(5))


@pytest.mark.parametrize("text", ["22:00Z", "22:00+01:00"])
def test_time_of_day_with_an_offset_is_refused_in_every_setting(text):
    """It was taken, and the first comparison with the clock ended the balancer."""
    for model, field in (
        (Steer, "dim_from"),
        (Steer, "dim_until"),
        (Steer, "ready_by"),
        (NightFlow, "begin"),
        (QuietLoad, "end"),
    ):
        with pytest.raises(ValidationError, match="leave out the offset"):
            TypeAdapter(model).validate_python({"id": "a", field: text})
