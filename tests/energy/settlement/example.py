"""Terms of a Brussels community with the worked example's prices, and volumes of one member."""

from decimal import Decimal

from energy.settlement.statement import Setting
from energy.settlement.terms import Month, Terms
from energy.settlement.volumes import Volume

EAN, OTHER, SUN = "541448910000123453", "541448911000000003", "541448900000000007"
MONTH = Month(2026, 6)
YEAR = {"valid_from": "2026-01-01", "valid_to": "2027-01-01"}
NETWORK = {"kind": "network", "reduction": {"A": "1", "B": "0.5"}, "source": "tariff cards of 2026"}


def terms(**fields):
    """The worked example's: 14 cents, distribution and transport less by type, excise and contribution, 6 % VAT."""
    return Terms.model_validate(
        {
            "network": "passed_on",
            "shared_energy": [{"eur_kwh": "0.14", "source": "agreement, art. 7", **YEAR}],
            "remuneration": [{"eur_kwh": "0.06", "source": "agreement, art. 8", **YEAR}],
            "charges": [
                {"name": "network", "eur_kwh": "0.11538", **NETWORK, **YEAR},
                {"name": "excise", "kind": "levy", "eur_kwh": "0.0494061", "source": "tariff cards of 2026", **YEAR},
            ],
            "vat": [
                {"rate": "0.06", "classes": ["citizen", "social_housing"], "source": "to be confirmed", **YEAR},
                {"rate": "0.21", "classes": ["sme", "municipality"], "source": "to be confirmed", **YEAR},
            ],
            "remuneration_vat": [{"rate": "0", "source": "small enterprise", **YEAR}],
            "social": [{"reference_eur_kwh": "0.24927", "source": "social tariff, July 2026", **YEAR}],
        }
        | fields
    )


def volume(received_wh, *, member="m-1", point=EAN, given_wh=0, withdrawal_wh=None):
    return Volume(
        member, point, received_wh if withdrawal_wh is None else withdrawal_wh, received_wh, given_wh, given_wh, 2880, 0
    )


def setting(grid_type="D", grid_fees=None, **fields):
    fees = None if grid_fees is None else {ean: Decimal(fee) for ean, fee in grid_fees.items()}
    return Setting("ixelles", MONTH, terms(**fields), grid_type, fees)
