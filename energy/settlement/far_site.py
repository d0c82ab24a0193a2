"""What one site of a farther proximity type costs everybody: the whole operation has the type of its least local member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from energy.errors import ConfigError
from energy.settlement.inputs import Inputs
from energy.settlement.lines import Statement
from energy.settlement.money import ZERO
from energy.settlement.operator import operator_volumes
from energy.settlement.statement import statements
from energy.settlement.terms import GridType, MemberClass, Month, Terms, least_local
from energy.settlement.volumes import Volume

__all__ = ["Dearer", "FarSite", "far_site", "network_eur_kwh"]


@dataclass(frozen=True, slots=True)
class Dearer:
    """A member's month as it is and as it would be, euros with VAT; `warnings`: those of the social guard then."""

    member: str
    received_wh: int
    before: Decimal
    after: Decimal
    warnings: tuple[str, ...]

    @property
    def more(self) -> Decimal:
        """What it would pay more."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class FarSite:
    """Of a kept month: the operation's grid type as it is and as it would be, and every member that pays."""

    before: GridType
    after: GridType
    members: tuple[Dearer, ...]

    @property
    def more(self) -> Decimal:
        """What all would pay more together."""
        return sum((each.more for each in self.members), ZERO)


def far_site(inputs: Inputs, ours: Sequence[Volume], joining: GridType) -> FarSite:
    """The month charged again as if a site of that type had joined and shared nothing itself.

    Both sides are by the terms: network cost that the operator's file told is of the type as it was. Raises ConfigError
    when the month has no grid type.
    """
    setting = replace(inputs.setting(), grid_fees=None)
    if setting.grid_type is None:
        hint = "register the type of the least local site that it has now"
        raise ConfigError(f"the grid type of {setting.community} is not known", hint=hint)
    volumes = ours if inputs.operator is None else operator_volumes(inputs.operator, inputs.tenures, inputs.window)
    before, after = setting.grid_type, least_local([setting.grid_type, joining])
    setting = replace(setting, terms=_warning(setting.terms))
    was = statements(setting, inputs.members, volumes)
    pairs = zip(was, statements(replace(setting, grid_type=after), inputs.members, volumes), strict=True)
    return FarSite(before, after, tuple(_dearer(*pair) for pair in pairs if pair[0].side == "consumer"))


def network_eur_kwh(terms: Terms, month: Month, member_class: MemberClass, grid_type: GridType) -> Decimal:
    """Network cost of a shared kWh with VAT, by the terms. 0 where the suppliers bill the network."""
    due = (each.due(grid_type) for each in terms.charges_for(month, member_class) if each.kind == "network")
    return sum(due, Decimal(0)) * (1 + terms.vat_rate(month, member_class).rate)


def _warning(terms: Terms) -> Terms:
    """Where the social guard would stop the run it warns: what it says is what is asked for."""
    guards = tuple(
        each.model_copy(update={"action": "warn"}) if each.action == "stop" else each for each in terms.social
    )
    return terms.model_copy(update={"social": guards})


def _dearer(was: Statement, then: Statement) -> Dearer:
    return Dearer(was.member, was.energy.received_wh, was.totals.gross, then.totals.gross, then.warnings)
