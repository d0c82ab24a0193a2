"""What a farther site would cost everybody, as facts and as text for a board."""

from __future__ import annotations

from typing import Any

from energy.settlement.far_site import FarSite
from energy.settlement.inputs import Inputs

__all__ = ["far_site_facts", "far_site_text"]


def far_site_facts(found: FarSite) -> dict[str, Any]:
    """Amounts are text, with VAT."""
    return {
        "grid_type": {"before": found.before, "after": found.after},
        "members": [
            {
                "member": each.member,
                "received_kwh": each.received_wh / 1000,
                "before": str(each.before),
                "after": str(each.after),
                "more": str(each.more),
                "warnings": list(each.warnings),
            }
            for each in found.members
        ],
        "more": str(found.more),
    }


def far_site_text(inputs: Inputs, found: FarSite) -> str:
    """A line for each member, and the sum."""
    head = f"{inputs.community} {inputs.month}:"
    if found.before == found.after:
        return f"{head} the whole operation is of type {found.before} already, nothing changes"
    lines = [f"{head} one such site makes the whole operation of type {found.after}, which is {found.before}"]
    for each in found.members:
        lines.append(
            f"  {each.member} pays {each.after} EUR instead of {each.before} ({each.more:+}) "
            f"for {each.received_wh / 1000:,.3f} kWh"
        )
        lines += [f"    warning: {warning}" for warning in each.warnings]
    lines.append(f"  all together: {found.more:+} EUR, with VAT, by the network prices of the terms")
    return "\n".join(lines)
