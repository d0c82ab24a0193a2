"""The benchmark's cases of real homes: any days of them, shorter steps that keep each hour's mean, a plan followed as the centre does."""

import csv
import gzip

import numpy as np
import pytest

from benchmarks.homes import Part, as_the_centre_follows, write_case
from energy.dispatch.capacity import MonthPeaks
from energy.dispatch.fleet import tanks_of
from energy.dispatch.planner import Outlook, Planner
from energy.dispatch.storage import Battery


@pytest.fixture
def file(tmp_path):
    """Three days and the hour before them; the load of home h in hour i is i + h / 100."""
    name = tmp_path / "homes.csv.gz"
    with gzip.open(name, "wt", encoding="utf-8", newline="") as out:
        homes = range(1, 18)
        rows = csv.writer(out)
        rows.writerow(["price", *(f"{kind}_{home}" for home in homes for kind in ("load", "pv"))])
        rows.writerows(
            [0.2 + hour / 1000, *(x for home in homes for x in (hour + home / 100, 0))] for hour in range(73)
        )
    return name


def _rows(case):
    with (case / "data.csv").open(encoding="utf-8") as source:
        return list(csv.DictReader(source))


def test_case_of_a_year_has_every_hour_of_every_home(file, tmp_path):
    write_case("own", file, tmp_path / "case")
    rows = _rows(tmp_path / "case")
    assert len(rows) == 73 * 17
    assert rows[17]["start"] == "2016-08-01T00:00:00+00:00"
    assert (rows[17]["site"], float(rows[17]["load_kw"])) == ("home-01", pytest.approx(1.01))


@pytest.mark.parametrize("minutes", [15, 30])
def test_case_of_some_days_begins_at_midnight_and_keeps_the_mean_of_each_hour(file, tmp_path, minutes):
    write_case("own-capacity", file, tmp_path / "case", Part((2, 5), first_day=1, days=2, minutes=minutes))
    rows, within = _rows(tmp_path / "case"), 60 // minutes
    assert rows[0]["start"] == "2016-08-02T00:00:00+00:00"
    assert {row["site"] for row in rows} == {"home-02", "home-05"}
    load = np.array([float(row["load_kw"]) for row in rows if row["site"] == "home-05"]).reshape(48, within)
    assert load.mean(axis=1) == pytest.approx(np.arange(25, 73) + 0.05, abs=1e-3)
    assert (load.std(axis=1) > 0).all()
    assert rows[-1]["price_eur_kwh"] == "0.272"


def test_centre_follows_the_curve_in_hundredths_and_holds_the_peak_target():
    tanks, _ = tanks_of([Battery(6.4, 5.0, 5.0, 0.95, 0.95)], [0], 1)
    net = np.full((1, 3, 24), 1.0)
    net[:, 1, 3] = 4.0
    prices = np.full((1, 24), 0.2), np.full((1, 24), 0.05)
    outlook = Outlook(net, *prices, np.zeros(1), peaks=MonthPeaks(np.full(1, 1.5), 400, np.zeros((0, 1))))
    own = Planner(tanks, 24, 1.0, 4.0).plan(outlook, np.full(1, 4.0))
    with as_the_centre_follows():
        followed = Planner(tanks, 24, 1.0, 4.0).plan(outlook, np.full(1, 4.0))
    assert followed.peak_value is None
    assert followed.over_eur_kwh[0] > 1000
    parts = followed.value_eur_kwh.reshape(100, -1)
    assert (parts == parts[:, :1]).all()
    assert followed.value_eur_kwh.mean() == pytest.approx(own.value_eur_kwh.mean())
    target = float(followed.peak_target_kw[0])
    now = np.array([target + 2.0])
    assert now[0] + followed.battery_kw(now, np.full(1, 6.0), 1.0)[0] <= target + 1e-6
    assert Planner(tanks, 24, 1.0, 4.0).plan(outlook, np.full(1, 4.0)).peak_value is not None  # as before, after it
