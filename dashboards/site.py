"""The site board: one building's flows, devices, counters and the gaps in its data."""

# ruff: noqa: S608 - the queries are fixed text: nothing in them comes from outside

from __future__ import annotations

from typing import Final

from dashboards import influxql
from dashboards.model import Board, Link, Look, Panel, Row, Target, Variable

__all__ = ["SITE", "SITE_UID"]

SITE_UID: Final = "commonwatt-site"

_HERE: Final = "\"community\" = '$community' AND \"site\" = '$site'"
_BALANCE: Final = """"role" =~ /^(grid|pv|battery)$/"""
_REPORTING: Final = (
    "Last reading, not older than 5 minutes, summed over the devices that report; compare with Devices heard."
)
_GAP: Final = "A silent device shows as a gap."
_COLOURS: Final = {"pv": "yellow", "grid": "red", "battery": "green"}


def _now(title: str, meaning: str, condition: str) -> Panel:
    return Panel(
        title,
        f"{meaning} {_REPORTING}",
        "watt",
        (Target(influxql.power_now(f"{_HERE} AND {condition}"), title),),
        type="stat",
        width=4,
        height=4,
    )


def _by_device(title: str, description: str, unit: str, fields: dict[str, str], width: int = 12) -> Panel:
    """A line per device and field, W, V, A, ...; `fields`: field to the name it has in the legend, "" for none."""
    columns = ", ".join(f'mean("{field}") AS "{name or field}"' for field, name in fields.items())
    named = any(fields.values())
    return Panel(
        title,
        f"{description} {_GAP}",
        unit,
        (
            Target(
                f'SELECT {columns} FROM "reading" WHERE {_HERE} AND $timeFilter '
                'GROUP BY time($__interval), "device" fill(null)',
                "$tag_device $col" if named else "$tag_device",
            ),
        ),
        width=width,
    )


def _quarters(measurement: str, title: str, description: str, fields: dict[str, str], group: str = "") -> Panel:
    """Bars of energy per quarter-hour, Wh; `fields`: field to its name in the legend."""
    columns = ", ".join(f'max("{field}") AS "{name}"' for field, name in fields.items())
    return Panel(
        title,
        f"{description} An unknown quarter-hour shows as a gap.",
        "watth",
        (
            Target(
                f'SELECT {columns} FROM "quarters"."{measurement}" WHERE {_HERE} AND $timeFilter '
                f"GROUP BY time({influxql.QUARTER}){group} fill(null)",
                "$tag_device $col" if group else "$col",
            ),
        ),
        step=influxql.QUARTER,
        bars=True,
    )


_NOW: Final = Row(
    "Now",
    (
        _now("PV now", "Production of the PV inverters, W.", "\"role\" = 'pv'"),
        _now("Grid now", "At the grid connection, W: positive is withdrawn, negative injected.", "\"role\" = 'grid'"),
        _now("Battery now", "Of the batteries, W: positive is discharging, negative charging.", "\"role\" = 'battery'"),
        _now("Consumption now", "Grid + PV + battery, W.", _BALANCE),
        Panel(
            "State of charge now",
            "Last state of charge of each battery, %, not older than 5 minutes.",
            "percent",
            (
                Target(
                    f'SELECT last("soc_pct") FROM "reading" WHERE {_HERE} AND "role" = \'battery\' '
                    f'AND time > now() - {influxql.NOW} GROUP BY "device"',
                    "$tag_device",
                ),
            ),
            type="gauge",
            width=4,
            height=4,
            low=0,
            high=100,
            decimals=0,
        ),
        Panel(
            "Devices heard",
            "Devices that gave a power in the last 5 minutes, and in the last 24 hours. Where the first is smaller, "
            "the sums beside are without the silent devices.",
            "none",
            (
                Target(influxql.heard(_HERE, influxql.NOW), "last 5 minutes"),
                Target(influxql.heard(_HERE, "24h"), "last 24 hours"),
            ),
            type="stat",
            width=4,
            height=4,
            no_value="0",
        ),
    ),
)

_FLOWS: Final = Row(
    "Flows",
    (
        Panel(
            "Flows by role, devices reporting",
            "Mean power in each interval summed over the devices of each role that reported, W, with the number of "
            "devices on the right axis: where it drops, the sums are without the missing ones. Signs: grid "
            "+ withdrawn, - injected; pv + production; battery + discharging, - charging; others + consumption.",
            "watt",
            (
                Target(influxql.power_sum("sum", _HERE, ', "role"'), "$tag_role, reporting"),
                Target(influxql.power_sum("count", _HERE), "devices reporting"),
            ),
            height=9,
            looks=(
                *(Look(f"{role}, reporting", colour=colour) for role, colour in _COLOURS.items()),
                Look("devices reporting", unit="none", colour="text", right_axis=True, dashed=True, step=True),
            ),
        ),
        _quarters(
            "site_quarter",
            "Energy per quarter-hour",
            "Energy of the site in each quarter-hour, Wh; consumption = withdrawn - injected + PV + discharged - "
            "charged.",
            {
                "pv_wh": "PV",
                "import_wh": "withdrawn",
                "export_wh": "injected",
                "charge_wh": "charged",
                "discharge_wh": "discharged",
                "consumption_wh": "consumption",
            },
        ),
    ),
)

_DEVICES: Final = Row(
    "Devices",
    (
        _by_device("Power of each device", "Mean power of each device, W.", "watt", {"power_w": ""}),
        _by_device("State of charge", "State of charge of each battery, %.", "percent", {"soc_pct": ""}),
        _by_device(
            "Voltages",
            "Phase voltages of each device, V.",
            "volt",
            {f"voltage_l{phase}_v": f"L{phase}" for phase in (1, 2, 3)},
        ),
        _by_device(
            "Currents",
            "Phase currents of each device, A.",
            "amp",
            {f"current_l{phase}_a": f"L{phase}" for phase in (1, 2, 3)},
        ),
        _quarters(
            "device_quarter",
            "Counters per quarter-hour",
            "What each device took from (in) and gave to (out) the site in each quarter-hour by its own counters, Wh. "
            "For the grid meter: in is withdrawn from the grid, out injected.",
            {"import_wh": "in", "export_wh": "out"},
            ', "device"',
        ),
        Panel(
            "Devices by last reading",
            "Every device of the site that gave a power in the last 30 days, with the age of its last reading. Sort "
            "by the first column to see the longest silent first.",
            "watt",
            (
                Target(
                    f'SELECT last("power_w") AS "power" FROM "reading" WHERE {_HERE} AND time > now() - 30d '
                    'GROUP BY "device", "role"',
                    result_format="table",
                ),
            ),
            type="table",
            looks=(Look("Time", unit="dateTimeFromNow"),),
        ),
    ),
)

_QUALITY: Final = Row(
    "Data quality",
    (
        Panel(
            "Readings per quarter-hour",
            "How many readings with a power each device gave in each quarter-hour; 90 at an interval of 10 s. A device "
            "that gave none shows 0.",
            "none",
            (
                Target(
                    f'SELECT count("power_w") FROM "reading" WHERE {_HERE} AND $timeFilter '
                    f'GROUP BY time({influxql.QUARTER}), "device" fill(0)',
                    "$tag_device",
                ),
            ),
            width=8,
            step=influxql.QUARTER,
        ),
        Panel(
            "Readings with an invalid value",
            "How many readings per quarter-hour name at least one quantity that the device did not give properly.",
            "none",
            (
                Target(
                    f'SELECT count("bad") FROM "reading" WHERE {_HERE} AND "bad" != \'\' AND $timeFilter '
                    f'GROUP BY time({influxql.QUARTER}), "device" fill(null)',
                    "$tag_device",
                ),
            ),
            width=8,
            step=influxql.QUARTER,
            bars=True,
            stacked=True,
            no_value="none",
        ),
        Panel(
            "Longest gap",
            "The longest time between two readings of each device within the range, and when it ended. A silence that "
            "still lasts is not in it: see Devices by last reading.",
            "s",
            (
                Target(
                    'SELECT max("elapsed") AS "gap" FROM (SELECT elapsed("power_w", 1s) AS "elapsed" '
                    f'FROM "reading" WHERE {_HERE} AND $timeFilter GROUP BY "device") '
                    'WHERE $timeFilter GROUP BY "device"',
                    result_format="table",
                ),
            ),
            type="table",
            width=8,
        ),
    ),
)

SITE: Final = Board(
    uid=SITE_UID,
    title="Site",
    description="Flows, devices, counters and data quality of one building.",
    variables=(
        Variable("community", "Community", "Whose sites are offered", influxql.tag_values("community")),
        Variable("site", "Site", "The building shown", influxql.tag_values("site", "\"community\" = '$community'")),
    ),
    rows=(_NOW, _FLOWS, _DEVICES, _QUALITY),
    links=(Link("Community", "/d/commonwatt-community?var-community=${community}"),),
)
