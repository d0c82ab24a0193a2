"""`backtest` of a pool that pays the grid and each other for what it shares: what the fee does, and what no price may do."""

import shutil
from pathlib import Path

import pytest
import yaml

from cli.backtest.command import backtest
from energy.errors import ConfigError, DataError

HOMES = Path(__file__).parent / "homes"
DAY_FROM = "2016-01-01"


def _run(tmp_path, *, days=9, **sharing):
    """The four homes with `fees` and `internal`, EUR/kWh."""
    case = tmp_path / f"case-{len(list(tmp_path.iterdir()))}"
    shutil.copytree(HOMES, case)
    facts = yaml.safe_load((case / "case.yaml").read_text())
    entries = {name: [{"valid_from": DAY_FROM, "eur_kwh": price, "source": "test"}] for name, price in sharing.items()}
    if entries:
        facts["tariffs"]["tou"]["sharing"] = entries
    (case / "case.yaml").write_text(yaml.safe_dump(facts))
    rows = (case / "data.csv").read_text().splitlines()
    (case / "data.csv").write_text("\n".join(rows[: 1 + 4 * 24 * days]) + "\n")
    return backtest(case, case / "out")


def _costs(facts):
    return {name: each["cost_eur"] for name, each in facts["controllers"].items()}


def test_fee_of_nothing_changes_nothing_and_a_dearer_one_shares_less(tmp_path):
    plain, free, cheap, dear = (_run(tmp_path, **with_) for with_ in ({}, {"fees": 0.0}, {"fees": 0.03}, {"fees": 0.1}))
    assert _costs(free) == _costs(plain)
    assert free["communities"][0]["members"] == plain["communities"][0]["members"]
    best = [each["controllers"]["perfect_foresight"] for each in (cheap, dear)]
    assert best[0]["shared_kwh"] >= best[1]["shared_kwh"]
    assert free["controllers"]["commonwatt"]["shared_kwh"] > dear["controllers"]["commonwatt"]["shared_kwh"]
    for facts, fee in ((cheap, 0.03), (dear, 0.1)):
        costs = _costs(facts)
        assert costs["perfect_foresight"] < costs["commonwatt"] < costs["plain_rule"]
        assert facts["communities"][0]["members_worse_than_plain_rule"] == []
        for each in facts["controllers"].values():
            assert each["grid_fees_eur"] == pytest.approx(fee * each["shared_kwh"], abs=0.001)
            bought, used = each["import_kwh"] + each["pv_kwh"] + each["discharged_kwh"], each["load_kwh"]
            assert bought == pytest.approx(used + each["export_kwh"] + each["charged_kwh"], abs=0.01)


def test_internal_price_moves_money_between_members_and_no_battery(tmp_path):
    low, high = (_run(tmp_path, fees=0.03, internal=price) for price in (0.1, 0.18))
    assert _costs(low) == _costs(high)
    bills = [
        {each["site"]: each["commonwatt_eur"] for each in facts["communities"][0]["members"]} for facts in (low, high)
    ]
    assert bills[0] != bills[1]
    for facts, bill in zip((low, high), bills, strict=True):
        assert sum(bill.values()) == pytest.approx(_costs(facts)["commonwatt"], abs=0.05)  # the key shares whole Wh
        assert facts["communities"][0]["members_worse_than_plain_rule"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"valid_from": "2016-10-05"}, "no entry holds on 2016-09-30"),
        ({"eur_kwh": {"B": 0.05}}, "no grid_type"),
        ({"eur_kwh": -1.0}, "from 0 to 1"),
        ({"source": ""}, "source"),
    ],
)
def test_fee_that_cannot_hold_is_told_before_anything_is_written(tmp_path, changes, said):
    case = tmp_path / "case"
    shutil.copytree(HOMES, case)
    facts = yaml.safe_load((case / "case.yaml").read_text())
    entry = {"valid_from": DAY_FROM, "eur_kwh": 0.05, "source": "test"} | changes
    facts["tariffs"]["tou"]["sharing"] = {"fees": [entry]}
    (case / "case.yaml").write_text(yaml.safe_dump(facts))
    with pytest.raises((ConfigError, DataError)) as error:
        backtest(case, tmp_path / "out")
    assert said in str(error.value)
    assert not (tmp_path / "out").exists()


def test_sharing_prices_of_sites_that_share_nothing_are_refused(tmp_path):
    case = tmp_path / "case"
    shutil.copytree(HOMES, case)
    facts = yaml.safe_load((case / "case.yaml").read_text())
    facts["tariffs"]["tou"]["sharing"] = {"fees": [{"valid_from": DAY_FROM, "eur_kwh": 0.05, "source": "test"}]}
    facts["communities"][0]["metering"] = "own"
    (case / "case.yaml").write_text(yaml.safe_dump(facts))
    with pytest.raises(ConfigError, match="shares nothing"):
        backtest(case, tmp_path / "out")
