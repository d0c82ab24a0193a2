"""`commonwatt statements late | correct`: late readings reopen a settled month, and one command corrects it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli.options import CentreOption, CommunityOption, JsonOption, MonthOption, WhoOption, WhyOption
from cli.register.command import open_register, who
from runtime.clock import clock_from_env

if TYPE_CHECKING:
    from storage.register.reopened import Reopened

__all__ = ["correct_command", "late_command", "reopened_text"]


def late_command(
    config: CentreOption,
    community: CommunityOption,
    month: MonthOption,
    readings: Annotated[Path, typer.Option(help="The month's readings as they are known now, CSV or Parquet.")],
    by: WhoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compares late readings with a settled month; where they change anything the month is reopened until it is corrected."""
    from cli.settle.readings import read_readings
    from cli.settlement.command import settled_of
    from energy.settlement.terms import Month
    from storage.register.month_runs import closed, reopen

    wanted, file = str(Month.parse(month)), read_readings(readings, 1).readings
    with open_register(config) as database:
        with database.read() as connection:
            _, run = closed(connection, community, wanted)
        settled, now_ms = settled_of(run.inputs, file, readings), clock_from_env().now_ms()
        with database.write() as connection:
            found = reopen(connection, settled, file, by=who(by), now_ms=now_ms)
    if as_json:
        print(json.dumps({"community": community, "month": wanted, "reopened": found and _facts(found)}))
    elif found is None:
        print(f"{community} {wanted}: these readings change nothing for anybody")
    else:
        print("\n".join(reopened_text(found)))


def correct_command(
    config: CentreOption,
    community: CommunityOption,
    month: MonthOption,
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Corrects a reopened month with the readings that reopened it: credit notes, and the documents anew."""
    from cli.settlement.command import run_json, run_text
    from cli.settlement.facts import month_facts
    from energy.settlement.terms import Month
    from storage.register.month_runs import keep, settled_late

    wanted, now_ms = Month.parse(month), clock_from_env().now_ms()
    with open_register(config) as database:
        with database.read() as connection:
            zone = ZoneInfo(month_facts(connection, community, wanted).timezone)
            settled, digest, late = settled_late(connection, community, str(wanted))
        issued = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
        with database.write() as connection:
            made = keep(
                connection,
                settled,
                digest,
                "correction",
                issued=issued,
                by=who(by),
                why=why,
                now_ms=now_ms,
                readings=late,
            )
    print(run_json(*made) if as_json else run_text(*made))


def reopened_text(found: Reopened) -> list[str]:
    """A line for the month, for each member, and for each metering point whose readings are others."""
    at = datetime.fromtimestamp(found.at / 1000, UTC)
    head = f"{found.community} {found.month}, version {found.version}, is reopened since {at:%Y-%m-%d %H:%M} UTC"
    return (
        [f"{head}: `statements correct` makes the correction"]
        + [
            f"  {change.member} {'receives' if change.side == 'consumer' else 'gives'} {change.energy_wh / 1000:+,.3f} kWh, "
            f"{change.gross:+} EUR with VAT"
            for change in found.changes
        ]
        + [
            f"  {point.point}: {point.quarters:,} quarter-hours, withdrawal {point.withdrawal_wh / 1000:+,.3f} kWh, "
            f"injection {point.injection_wh / 1000:+,.3f} kWh"
            for point in found.points
        ]
    )


def _facts(found: Reopened) -> dict[str, Any]:
    return {
        "version": found.version,
        "at": found.at,
        "by": found.by,
        "changes": [
            {"member": each.member, "side": each.side, "energy_wh": each.energy_wh, "gross": str(each.gross)}
            for each in found.changes
        ],
        "quarters": found.quarters,
        "points": [asdict(point) for point in found.points],
    }
