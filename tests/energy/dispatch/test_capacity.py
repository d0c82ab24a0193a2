"""Capacity tariffs: what a month's peak costs and what is billed already."""

import numpy as np
import pytest

from energy.dispatch.capacity import CapacityTariff, RunningPeaks
from energy.tariff import CARRIED_PEAK, Capacity

EXAMPLE = [0.632, 4.600, 0, 1.028, 3.444, 4.164, 4.564, 6.000, 9.200, 5.000, 4.120, 4.880]


def test_flemish_year_costs_the_mean_times_the_yearly_price_as_in_the_published_example():
    rule = Capacity(rule="flanders", eur_kw=52.3679)
    tariff = CapacityTariff(rule.month_rate_eur_kw, rule.least_kw)
    assert tariff.cost_eur(np.array(EXAMPLE)[:, None])[0] == pytest.approx(4.456 * 52.3679)
    assert tariff.cost_eur(np.full((12, 1), 1.0))[0] == pytest.approx(130.92, abs=0.005)


def test_month_peak_is_the_highest_mean_of_an_interval_and_ignores_injection():
    tariff = CapacityTariff(4.0, 0.0, 1.0)
    grid = np.array([8.0, 0, 0, 0, 1, 1, 1, 1, -9, -9, -9, -9, 3, 3, 3, 3])[:, None]
    month = np.array([0] * 12 + [1] * 4)
    assert tariff.month_peaks_kw(grid, month, 0.25)[:, 0] == pytest.approx([2.0, 3.0])


def test_month_peak_of_a_series_that_begins_within_an_interval_follows_the_clock():
    grid = np.array([4.0, 0, 0, 4, 4, 0])[:, None]
    month = np.zeros(6, dtype=int)
    assert CapacityTariff(4.0, 0.0, 0.5).month_peaks_kw(grid, month, 0.25)[:, 0] == pytest.approx([2.0])
    assert CapacityTariff(4.0, 0.0, 0.5, begun=1).month_peaks_kw(grid, month, 0.25)[:, 0] == pytest.approx([4.0])


def test_running_peak_grows_within_an_interval_and_starts_anew_with_a_month():
    running = RunningPeaks(CapacityTariff(4.0, 0.5, 0.5), 1, 0.25)
    assert running.billed_kw(0) == pytest.approx([0.5])
    for block, power in ((0, 4.0), (0, 0.0), (1, 3.0), (1, 3.0)):
        running.update(block, np.array([power]))
    assert running.billed_kw(0) == pytest.approx([3.0])
    assert running.billed_kw(1) == pytest.approx([3.0 * CARRIED_PEAK])


def test_running_peaks_know_each_days_highest_import_and_the_months_without_what_is_carried():
    running = RunningPeaks(CapacityTariff(4.0, 0.5, 6.0), 1, 6.0)
    for step in range(9):
        running.billed_kw(step // 6)
        running.update(step, np.array([float(step)]))
    known = running.known(1, 7)
    assert known.daily_kw[:, 0] == pytest.approx([3.0, 7.0])  # the third day is not over
    assert known.so_far_kw == pytest.approx([8.0])
    assert running.known(2, 9).so_far_kw == pytest.approx([0.5])
