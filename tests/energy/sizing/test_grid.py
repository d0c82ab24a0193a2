"""Sizing of PV and batteries: a case worked by hand, conservation, and the same figures as sharing all of it anew."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import ConfigError, DataError
from energy.sharing.key import SharingKey
from energy.sharing.settlement import settle_quarters
from energy.sizing.change import Serves, with_point, with_production, with_store
from energy.sizing.grid import last_year, size_up
from energy.sizing.outcome import next_steps
from energy.sizing.store import Store, run_store
from energy.sizing.study import Place, Question
from energy.sizing.yields import production_of
from tests.energy.sizing.case import ENERGY, FROM, TERMS, readings, terms

PAIRS = 17_520  # of a quarter-hour by day and one by night: a year
YEAR = readings({"hall": [1000] * 2 * PAIRS, "school": [3000] * 2 * PAIRS}, {})
SUN = np.tile([100.0, 0.0], PAIRS)  # Wh of a kWp
KEY = SharingKey.model_validate({"rounds": "prorata"})
HALL = Place(YEAR, KEY, "hall", "Europe/Brussels")
FIFTY = Question((0, 50), (0, 4), SUN)
ANNUITY = (1 - 1.04**-25) / 0.04


def outcome(sizing, kwp, kwh):
    (found,) = [each for each in sizing.outcomes if each.size == (kwp, kwh)]
    return found


@pytest.fixture(scope="module")
def hall():
    return size_up(HALL, FIFTY, terms())


def test_fifty_kwp_by_hand(hall):
    """By day 5 kWh: 1 for the hall itself, 3 for the school, 1 for the supplier. By night all is bought."""
    found = outcome(hall, 50, 0)
    school, town = found.gains[1], found.gains[0]
    assert found.energies.production_kwh == 5 * PAIRS
    assert found.energies.after.shared_kwh == 3 * PAIRS
    assert (town.cost_before_eur, school.cost_before_eur) == pytest.approx((0.60 * PAIRS, 1.80 * PAIRS))
    assert town.cost_after_eur == pytest.approx((0.30 - 3 * 0.08 - 1 * 0.04) * PAIRS)
    assert school.cost_after_eur == pytest.approx((0.90 + 3 * 0.24) * PAIRS)
    assert found.community_eur == pytest.approx(3 * 0.06 * PAIRS)
    assert found.saved_eur == pytest.approx(0.94 * PAIRS)
    assert found.co2_saved_kg == pytest.approx(5 * PAIRS * 0.2)
    assert found.worth.payback_years == pytest.approx(55_000 / (0.94 * PAIRS - 600))
    assert found.worth.npv_eur == pytest.approx((0.94 * PAIRS - 600) * ANNUITY - 55_000)
    assert found.owner.npv_eur == pytest.approx((0.58 * PAIRS - 600) * ANNUITY - 55_000)


def test_battery_beside_it_by_hand(hall):
    """4 kWh and 4 kW move 1 kWh from day to night: 0.30 not bought for 0.04 not sold."""
    found = outcome(hall, 50, 4)
    assert (found.energies.charged_kwh, found.energies.discharged_kwh) == (PAIRS, PAIRS)
    assert found.energies.after.self_sufficiency == 1.0
    assert found.energies.after.self_consumption == pytest.approx(2 / 5)
    assert found.saved_eur == pytest.approx((0.94 + 0.26) * PAIRS)
    ten = [1 / 1.04**year for year in (10, 20)]
    bought = -1600 * (1 + sum(ten)) + 800 / 1.04**25
    assert found.worth.npv_eur == pytest.approx((1.20 * PAIRS - 620) * ANNUITY - 55_000 + bought)


def test_nothing_added_changes_nothing(hall):
    found = outcome(hall, 0, 0)
    assert found.energies.before == found.energies.after
    assert found.saved_eur == found.worth.npv_eur == found.co2_saved_kg == 0
    assert found.worth.payback_years is None


def test_best_has_the_highest_value_and_steps_tell_what_the_next_adds(hall):
    assert hall.best.size == (50, 4)
    assert hall.whole_year
    steps = {(each.pv_kwp, each.battery_kwh): each for each in next_steps(hall.outcomes)}
    assert steps[50, 0].eur_kwp == pytest.approx(0.94 * PAIRS / 50)
    assert steps[50, 4].eur_kwh == pytest.approx(0.26 * PAIRS / 4)
    assert steps[0, 0].eur_kwp is None
    assert steps[0, 4].eur_kwh == 0


def test_bands_are_of_what_was_assumed_and_no_wider():
    off = [{**FROM, "production": 0.1, "prices": 0.2, "investment": 0.1}]
    found = size_up(HALL, replace(FIFTY, battery_kwh=(0,)), terms(uncertainty=off))
    bands = {band.cause: (band.low_eur, band.high_eur) for band in found.bands}
    gain = 0.94 * PAIRS * ANNUITY
    assert bands["prices"] == pytest.approx(
        (found.best.worth.npv_eur - 0.2 * gain, found.best.worth.npv_eur + 0.2 * gain)
    )
    assert bands["investment"] == pytest.approx((found.best.worth.npv_eur - 5500, found.best.worth.npv_eur + 5500))
    half = 0.5 * 0.04 * PAIRS * ANNUITY  # a tenth of 5 kWh is half a kWh for the supplier
    assert bands["production"] == pytest.approx((found.best.worth.npv_eur - half, found.best.worth.npv_eur + half))
    assert bands["all"][0] < min(low for low, _ in bands.values() if low != bands["all"][0])
    assert size_up(HALL, FIFTY, terms()).bands == ()


def test_roof_of_its_own_gives_all_it_makes():
    found = size_up(replace(HALL, point="roof"), replace(FIFTY, battery_kwh=(0,)), terms())
    after = outcome(found, 50, 0).energies.after
    assert (after.export_kwh, after.shared_kwh) == (5 * PAIRS, 4 * PAIRS)
    assert found.points == ("hall", "roof", "school")


def test_site_alone_shares_nothing_and_needs_no_price_of_sharing():
    found = size_up(replace(HALL, key=None), FIFTY, terms(sharing=None))
    assert [gain.point for gain in outcome(found, 50, 0).gains] == ["hall"]
    assert outcome(found, 50, 0).saved_eur == pytest.approx((0.30 + 4 * 0.04) * PAIRS)


def test_battery_of_the_community_takes_what_nobody_could_use():
    """By day 1 kWh of the hall's roof is left over; by night the hall, where it stands, uses it."""
    found = size_up(HALL, replace(FIFTY, serves=Serves.COMMUNITY), terms())
    with_battery = outcome(found, 50, 4).energies
    assert with_battery.charged_kwh == PAIRS
    assert with_battery.after.shared_kwh == 3 * PAIRS
    assert with_battery.after.import_kwh == 0
    assert with_battery.after.self_consumption is None


def test_month_peaks_count_for_the_point_that_has_them():
    tariff = {**ENERGY["tariff"], "capacity": {"eur_kw": 5}}
    found = size_up(HALL, replace(FIFTY, pv_kwp=(0,), battery_kwh=(0, 4)), terms(energy=[{**ENERGY, "tariff": tariff}]))
    town, school = outcome(found, 0, 0).gains
    assert town.cost_before_eur == pytest.approx(0.60 * PAIRS + 12 * 5 * 4)
    assert school.cost_before_eur == pytest.approx(1.80 * PAIRS + 12 * 5 * 12)


def test_support_on_production_is_part_of_the_worth():
    supported = [{**TERMS["pv"][0], "support_eur_kwh": 0.05, "support_years": 10}]
    found = outcome(size_up(HALL, FIFTY, terms(pv=supported)), 50, 0).worth
    assert found.support_eur_year == pytest.approx(0.25 * PAIRS)
    assert found.npv_eur == pytest.approx(
        (0.94 * PAIRS - 600) * ANNUITY + 0.25 * PAIRS * (1 - 1.04**-10) / 0.04 - 55_000
    )


def test_less_than_a_year_says_nothing_of_worth():
    month = readings({"hall": [1000] * 2880, "school": [3000] * 2880}, {})
    found = size_up(replace(HALL, readings=month), replace(FIFTY, yield_wh=SUN[:2880]), terms())
    assert not found.whole_year
    assert found.best is None
    assert outcome(found, 50, 0).worth is None
    assert outcome(found, 50, 0).energies.production_kwh == 5 * 1440


def test_longer_readings_count_by_their_last_year():
    longer = readings({"hall": range(40_000)}, {})
    assert last_year(longer).withdrawal[0, 0] == 40_000 - 35_040


def test_quarter_hours_that_somebody_does_not_know_count_for_nobody():
    held = readings({"hall": [1000, 1000, None, 1000], "school": [3000, None, 3000, 3000]}, {})
    found = size_up(replace(HALL, readings=held), Question((0, 50), (0,), np.full(4, 100.0)), terms())
    assert (found.quarters, found.left_out) == (2, 2)
    assert outcome(found, 50, 0).energies.production_kwh == 10


def test_pv_that_is_there_makes_the_rates_whole():
    """Hall: 2 kWh made, 1 used, 1 injected; without being told, its use is not known."""
    sunny = readings({"hall": [0, 1000]}, {"hall": [1000, 0]})
    place = Place(sunny, None, "hall", "Europe/Brussels", np.array([2000.0, 0.0]))
    question = Question((0,), (0, 4))
    before = outcome(size_up(place, question, terms()), 0, 0).energies.before
    assert (before.self_consumption, before.self_sufficiency) == (0.5, 0.5)
    unknown = outcome(size_up(replace(place, produced_wh=None), question, terms()), 0, 4).energies
    assert unknown.before.self_consumption is None
    assert unknown.after.import_kwh == 0


@pytest.mark.parametrize(
    ("question", "changed", "told"),
    [
        (replace(FIFTY, pv_kwp=(-1,)), {}, "pv: sizes go from 0"),
        (replace(FIFTY, battery_kwh=()), {}, "battery: sizes go from 0"),
        (replace(FIFTY, yield_wh=None), {}, "yield: is needed for PV"),
        (FIFTY, {"pv": None}, "pv: no cost holds"),
        (FIFTY, {"sharing": None}, "sharing: nothing holds"),
        (replace(FIFTY, pv_kwp=tuple(range(101))), {}, "more than 100 pairs"),
    ],
)
def test_question_that_cannot_be_answered_is_refused(question, changed, told):
    with pytest.raises(ConfigError, match=told):
        size_up(HALL, question, terms(**changed))


def test_nothing_known_of_everybody_is_an_error():
    place = replace(HALL, readings=readings({"hall": [1, None], "school": [None, 1]}, {}))
    with pytest.raises(DataError, match="no quarter-hour is known"):
        size_up(place, Question((0,), (0,)), terms())


WH = st.one_of(st.none(), st.integers(0, 4000))
KEYS = st.sampled_from(["prorata", "equal", "hybrid", "fixed-multi", "priority"])


@st.composite
def places(draw):
    number = draw(st.integers(1, 12))

    def series(values):
        return draw(st.lists(values, min_size=number, max_size=number))

    given_ = readings({"a": series(WH), "b": series(WH)}, {"a": series(st.integers(0, 4000)), "c": series(WH)})
    people = {"a": {"weight": "0.5", "tier": 1}, "b": {"weight": "0.25"}}
    missing = draw(st.sampled_from(["hold", "zero"]))
    key = SharingKey.model_validate({"participants": people, "rounds": draw(KEYS), "on_missing": missing})
    sun = np.array(series(st.floats(0, 300)), dtype=np.float64)
    return Place(given_, key, draw(st.sampled_from(["a", "b", "c"])), "Europe/Brussels"), sun


def _study(place, sun, serves):
    lossy = [{**TERMS["battery"][0], "efficiency": 0.81}]
    try:
        return size_up(place, Question((0, 10, 20), (0, 1, 3), sun, serves=serves), terms(battery=lossy))
    except DataError:
        return None


@settings(deadline=None)
@given(places(), st.sampled_from(Serves))
def test_energy_is_conserved_and_nobody_gets_what_is_not_there(case, serves):
    place, sun = case
    found = _study(place, sun, serves)
    for each in found.outcomes if found else ():
        of = each.energies
        turned = of.before.import_kwh - of.before.export_kwh - of.production_kwh + of.charged_kwh - of.discharged_kwh
        assert of.after.import_kwh - of.after.export_kwh == pytest.approx(turned, abs=1e-6)
        assert of.after.shared_kwh <= min(of.after.injected_kwh, of.after.withdrawn_kwh) + 1e-9
        assert of.losses_kwh >= 0
        assert of.discharged_kwh <= of.charged_kwh * 0.81 + 1e-6
        assert sum(gain.received_after_kwh for gain in each.gains) == pytest.approx(of.after.shared_kwh)
        assert sum(gain.given_after_kwh for gain in each.gains) == pytest.approx(of.after.shared_kwh)
        assert sum(gain.saved_eur for gain in each.gains) + each.community_eur == pytest.approx(each.saved_eur)
    if found:
        assert found.outcomes[0].energies.before == found.outcomes[0].energies.after


@settings(deadline=None)
@given(places())
def test_more_pv_buys_less_and_a_larger_battery_exports_less(case):
    place, sun = case
    found = _study(place, sun, Serves.SITE)
    if found is None:
        return
    energies = {each.size: each.energies.after for each in found.outcomes}
    rounding = 2 * 12 / 1000
    for kwh in (0, 1, 3):
        for less, more in ((0, 10), (10, 20)):
            assert energies[more, kwh].import_kwh <= energies[less, kwh].import_kwh + rounding
    for kwp in (0, 10, 20):
        for less, more in ((0, 1), (1, 3)):
            assert energies[kwp, more].export_kwh <= energies[kwp, less].export_kwh + rounding
            assert energies[kwp, more].import_kwh <= energies[kwp, less].import_kwh + rounding


@settings(deadline=None)
@given(places(), st.sampled_from(Serves))
def test_what_changed_quarter_hours_tell_is_what_settling_everything_anew_tells(case, serves):
    """The whole path of production over all readings, for one size."""
    place, sun = case
    found = _study(place, sun, serves)
    if found is None:
        return
    each = outcome(found, 20, 0)
    before = settle_quarters(place.key, place.readings)
    column = place.readings.points.index(place.point)
    rows = ~before.held
    for known in (before.readings.withdrawal_known[:, column], before.readings.injection_known[:, column]):
        rows &= known | ~known.any()
    roofed = with_production(before.readings, place.point, np.where(rows, production_of(sun, 20), 0))
    after = settle_quarters(place.key.model_copy(update={"on_missing": "zero"}), roofed)
    assert each.energies.after.shared_kwh == pytest.approx(after.received[rows].sum() / 1000)
    given_wh = after.given[rows].sum(axis=0) / 1000
    assert [gain.given_after_kwh for gain in each.gains] == pytest.approx(given_wh.tolist())


def test_battery_on_whole_readings_keeps_the_balance_of_each_quarter_hour():
    whole = with_point(readings({"hall": [500, 0, 900]}, {"hall": [0, 700, 100]}), "park")
    course = run_store(Store(600, 4000, 1.0), np.array([-500, 700, -800]))
    after = with_store(whole, "hall", course)
    net = whole.injection - whole.withdrawal
    net[:, 0] += course.discharged - course.charged
    assert (after.injection - after.withdrawal == net).all()


def test_planner_runs_batteries_within_their_limits_and_learns_from_the_past_only():
    """Two weeks of cheap nights: the planner buys then for the evening, the plain rule has nothing to store."""
    starts = readings({"hall": [0] * 96 * 14}, {}).starts
    hours = np.array([datetime.fromtimestamp(t / 1000, UTC).hour for t in starts])
    evening = readings({"hall": np.where((hours >= 16) & (hours < 20), 2000, 100).tolist()}, {})
    bands = [{"from": "00:00", "until": "06:00", "eur_kwh": 0.05}]
    tariff = {"import_eur_kwh": 0.40, "feed_in_eur_kwh": 0.02, "bands": bands}
    place = Place(evening, None, "hall", "Europe/Brussels")
    prices = terms(energy=[{**ENERGY, "tariff": tariff}], sharing=None)
    plain, planned = (
        outcome(size_up(place, Question((0,), (0, 10), steered=steered), prices), 0, 10) for steered in (False, True)
    )
    assert plain.saved_eur == 0
    assert planned.saved_eur > 0.25 * 10 * 10, "ten of fourteen days of 10 kWh at 35 cent are learned"
    assert planned.energies.losses_kwh >= 0
