"""A sizing as plain facts, rounded as they are shown: what the command prints, the API answers and files keep."""

from __future__ import annotations

from typing import Any

from energy.sizing.outcome import Energy, NextStep, Outcome, Sizing, next_steps
from energy.sizing.worth import Worth

__all__ = ["facts_of"]


def facts_of(sizing: Sizing) -> dict[str, Any]:
    """Energies in kWh, money in EUR, rates as parts of 1, unknown as None."""
    steps = {(each.pv_kwp, each.battery_kwh): each for each in next_steps(sizing.outcomes)}
    return {
        "point": sizing.point,
        "quarters": sizing.quarters,
        "left_out": sizing.left_out,
        "whole_year": sizing.whole_year,
        "before": _energy(sizing.outcomes[0].energies.before),
        "cost_before_eur": _eur(sizing.outcomes[0].cost_before_eur),
        "sizes": [_size(each, steps[each.size]) for each in sizing.outcomes],
        "best": _named(sizing.best),
        "best_for_owner": _named(sizing.best_for_owner),
        "bands": {band.cause: [_eur(band.low_eur), _eur(band.high_eur)] for band in sizing.bands},
    }


def _named(outcome: Outcome | None) -> dict[str, float] | None:
    return None if outcome is None else {"pv_kwp": outcome.pv_kwp, "battery_kwh": outcome.battery_kwh}


def _size(outcome: Outcome, step: NextStep) -> dict[str, Any]:
    of = outcome.energies
    return {
        "pv_kwp": outcome.pv_kwp,
        "battery_kwh": outcome.battery_kwh,
        "production_kwh": _kwh(of.production_kwh),
        "charged_kwh": _kwh(of.charged_kwh),
        "discharged_kwh": _kwh(of.discharged_kwh),
        "losses_kwh": _kwh(of.losses_kwh),
        "after": _energy(of.after),
        "cost_after_eur": _eur(outcome.cost_after_eur),
        "saved_eur": _eur(outcome.saved_eur),
        "community_eur": _eur(outcome.community_eur),
        "co2_saved_kg": None if outcome.co2_saved_kg is None else round(outcome.co2_saved_kg, 1),
        "next_kwp_eur": None if step.eur_kwp is None else _eur(step.eur_kwp),
        "next_kwh_eur": None if step.eur_kwh is None else _eur(step.eur_kwh),
        "worth": _worth(outcome.worth),
        "owner": _worth(outcome.owner),
        "points": [
            {
                "point": gain.point,
                "received_kwh": [_kwh(gain.received_before_kwh), _kwh(gain.received_after_kwh)],
                "given_kwh": [_kwh(gain.given_before_kwh), _kwh(gain.given_after_kwh)],
                "saved_eur": _eur(gain.saved_eur),
            }
            for gain in outcome.gains
        ],
    }


def _energy(of: Energy) -> dict[str, float | None]:
    return {
        "import_kwh": _kwh(of.import_kwh),
        "export_kwh": _kwh(of.export_kwh),
        "self_consumption": _rate(of.self_consumption),
        "self_sufficiency": _rate(of.self_sufficiency),
        "shared_kwh": _kwh(of.shared_kwh),
        "sharing_rate": _rate(of.sharing_rate),
        "covered": _rate(of.covered),
    }


def _worth(of: Worth | None) -> dict[str, float | None] | None:
    if of is None:
        return None
    return {
        "investment_eur": _eur(of.investment_eur),
        "upkeep_eur_year": _eur(of.upkeep_eur_year),
        "support_eur_year": _eur(of.support_eur_year),
        "gain_eur_year": _eur(of.gain_eur_year),
        "payback_years": None if of.payback_years is None else round(of.payback_years, 2),
        "npv_eur": _eur(of.npv_eur),
        "years": of.years,
    }


def _kwh(value: float) -> float:
    return round(value, 3) + 0.0


def _eur(value: float) -> float:
    return round(value, 2) + 0.0


def _rate(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
