"""The lines of a member's month: shared energy, network, levies; or what a producer is paid. Money is decimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from energy.errors import ConfigError
from energy.settlement.guard import guarded
from energy.settlement.lines import Line, Statement, Totals, totals
from energy.settlement.money import cents, energy_price
from energy.settlement.terms import GridType, MemberClass, Month, Terms, VatRate
from energy.settlement.volumes import Volume

__all__ = ["Member", "Setting", "statements"]


@dataclass(frozen=True, slots=True)
class Member:
    """Who is charged or paid. `id` is a pseudonym."""

    id: str
    member_class: MemberClass
    social_tariff: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What a community's month is charged by. `grid_fees`: network cost of each EAN before VAT as the operator's file has it."""

    community: str
    month: Month
    terms: Terms
    grid_type: GridType | None = None
    grid_fees: Mapping[str, Decimal] | None = None


def statements(setting: Setting, members: Sequence[Member], volumes: Sequence[Volume]) -> tuple[Statement, ...]:
    """One for each member that withdrew, and one for each that injected and is paid, by member and side.

    Raises ConfigError when the terms lack something for the month, RefusedError when the social guard stops it.
    """
    _check_fees(setting, volumes)
    found = []
    for member in sorted(members, key=lambda each: each.id):
        own = [volume for volume in volumes if volume.member == member.id]
        if any(volume.withdrawal_wh for volume in own):
            found.append(guarded(setting.terms, setting.month, member.social_tariff, _consumer(setting, member, own)))
        if any(volume.injection_wh for volume in own) and setting.terms.remuneration:
            found.append(_producer(setting, member, own))
    return tuple(found)


def _check_fees(setting: Setting, volumes: Sequence[Volume]) -> None:
    if setting.grid_fees is None:
        return
    if setting.terms.network == "billed_by_supplier":
        raise ConfigError("are given, but the suppliers bill the network", field="grid_fees", hint="leave them out")
    without = sorted({volume.point for volume in volumes if volume.received_wh} - setting.grid_fees.keys())
    if without:
        raise ConfigError(f"have none for {without[0]}", field="grid_fees", hint="it received shared energy")


def _consumer(setting: Setting, member: Member, volumes: Sequence[Volume]) -> Statement:
    terms, month = setting.terms, setting.month
    vat, price = terms.vat_rate(month, member.member_class), terms.price(month, member.member_class)
    lines = []
    for volume in volumes:
        if not volume.received_wh:
            continue
        lines.append(_line("energy", "shared_energy", volume, volume.received_wh, price.eur_kwh, vat, price.source))
        if setting.grid_fees is not None:
            fee = cents(setting.grid_fees[volume.point])
            source = "the grid operator's monthly file"
            lines.append(
                Line(
                    "network",
                    "grid_fee",
                    volume.point,
                    volume.received_wh,
                    None,
                    fee,
                    vat.rate,
                    source,
                    vat.code,
                    vat.exemption,
                )
            )
        for charge in terms.charges_for(month, member.member_class):
            if charge.kind == "network" and setting.grid_fees is not None:
                continue
            due = charge.due(setting.grid_type)
            lines.append(_line(charge.kind, charge.name, volume, volume.received_wh, due, vat, charge.source))
    return _statement(setting, member, "consumer", lines, volumes)


def _producer(setting: Setting, member: Member, volumes: Sequence[Volume]) -> Statement:
    price = setting.terms.paid(setting.month, member.member_class)
    vat = setting.terms.remuneration_vat_rate(setting.month, member.member_class)
    assert price is not None
    lines = [
        _line("remuneration", "shared_injection", volume, volume.given_wh, price.eur_kwh, vat, price.source)
        for volume in volumes
        if volume.given_wh
    ]
    return _statement(setting, member, "producer", lines, volumes)


def _line(
    kind: Literal["energy", "network", "levy", "remuneration"],
    name: str,
    volume: Volume,
    energy_wh: int,
    eur_kwh: Decimal,
    vat: VatRate,
    source: str,
) -> Line:
    net = energy_price(energy_wh, eur_kwh)
    return Line(kind, name, volume.point, energy_wh, eur_kwh, net, vat.rate, source, vat.code, vat.exemption)


def _statement(
    setting: Setting,
    member: Member,
    side: Literal["consumer", "producer"],
    lines: Sequence[Line],
    volumes: Sequence[Volume],
) -> Statement:
    return Statement(
        community=setting.community,
        month=str(setting.month),
        member=member.id,
        member_class=member.member_class,
        side=side,
        lines=tuple(lines),
        totals=totals(lines),
        energy=_energy(volumes),
        grid_type=setting.grid_type,
        warnings=(),
    )


def _energy(volumes: Sequence[Volume]) -> Totals:
    return Totals(
        withdrawal_wh=sum(volume.withdrawal_wh for volume in volumes),
        received_wh=sum(volume.received_wh for volume in volumes),
        injection_wh=sum(volume.injection_wh for volume in volumes),
        given_wh=sum(volume.given_wh for volume in volumes),
        quarters=sum(volume.quarters for volume in volumes),
        estimated=sum(volume.estimated for volume in volumes),
    )
