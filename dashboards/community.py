"""The community board: what all sites produce, take, give and share, and which of them are silent."""

# ruff: noqa: S608 - the queries are fixed text: nothing in them comes from outside

from __future__ import annotations

from typing import Final

from dashboards import influxql
from dashboards.model import Board, Link, Look, Panel, Row, Target, Variable

__all__ = ["COMMUNITY", "COMMUNITY_UID"]

COMMUNITY_UID: Final = "commonwatt-community"

_HERE: Final = "\"community\" = '$community'"
_BALANCE: Final = """"role" =~ /^(grid|pv|battery)$/"""

_TO_SITE: Final = Link(
    "Open this site", "/d/commonwatt-site?var-community=${community}&var-site=${__data.fields.site}", field="site"
)
_REPORTING: Final = (
    "Sum of the last reading, not older than 5 minutes, of every device that reports; a silent device is not in it. "
    "Compare with Devices heard."
)
_COMPLETE: Final = (
    "A quarter-hour of which a site knows only a part is left out and shows as a gap. A site that is wholly silent is "
    "not in the sums until it speaks again: the number of sites known, on the right axis, drops."
)
_SITES_KNOWN: Final = Target(influxql.sites_known(_HERE), "sites known")
_SITES_LOOK: Final = Look("sites known", unit="none", colour="text", right_axis=True, dashed=True, step=True)

_NOW: Final = Row(
    "Now",
    (
        Panel(
            "PV now",
            f"Production of all PV inverters, W. {_REPORTING}",
            "watt",
            (Target(influxql.power_now(f"{_HERE} AND \"role\" = 'pv'"), "PV"),),
            type="stat",
            width=3,
            height=4,
        ),
        Panel(
            "Grid now",
            f"Exchange with the grid over all sites, W: positive is withdrawn, negative is injected. {_REPORTING}",
            "watt",
            (Target(influxql.power_now(f"{_HERE} AND \"role\" = 'grid'"), "Grid"),),
            type="stat",
            width=3,
            height=4,
        ),
        Panel(
            "Battery now",
            f"All batteries, W: positive is discharging, negative charging. {_REPORTING}",
            "watt",
            (Target(influxql.power_now(f"{_HERE} AND \"role\" = 'battery'"), "Battery"),),
            type="stat",
            width=3,
            height=4,
        ),
        Panel(
            "Consumption now",
            f"Grid + PV + battery over all sites, W. {_REPORTING}",
            "watt",
            (Target(influxql.power_now(f"{_HERE} AND {_BALANCE}"), "Consumption"),),
            type="stat",
            width=3,
            height=4,
        ),
        Panel(
            "Devices heard",
            "Devices that gave a power in the last 5 minutes, and in the last 24 hours. Where the first is smaller, "
            "the sums beside are too low by what the silent devices do; the table below names them.",
            "none",
            (
                Target(influxql.heard(_HERE, influxql.NOW), "last 5 minutes"),
                Target(influxql.heard(_HERE, "24h"), "last 24 hours"),
            ),
            type="stat",
            width=3,
            height=4,
            no_value="0",
        ),
        Panel(
            "Self-sufficiency today",
            "Share of the consumption since midnight that came from own production or from sharing: (consumption - "
            "withdrawal that sharing does not cover) / consumption, over the quarter-hours without an unknown part. "
            "Compare with Sites counted today.",
            "percentunit",
            (Target(influxql.self_sufficiency(_HERE), "Self-sufficiency"),),
            type="stat",
            width=3,
            height=4,
            step=influxql.QUARTER,
            low=0,
            high=1,
            decimals=0,
            today=True,
        ),
        Panel(
            "Shared today",
            "Energy shared since midnight: per quarter-hour the smaller of all injection and all withdrawal, over the "
            "quarter-hours without an unknown part. Compare with Sites counted today.",
            "watth",
            (Target(influxql.shared_total(_HERE), "Shared"),),
            type="stat",
            width=3,
            height=4,
            step=influxql.QUARTER,
            today=True,
        ),
        Panel(
            "Sites counted today",
            "The most and the fewest sites known in a quarter-hour since midnight. Where they differ a site was "
            "silent for a while (or was added), and today's sums are without what it did in that time.",
            "none",
            (Target(influxql.sites_spread(_HERE), "$col"),),
            type="stat",
            width=3,
            height=4,
            step=influxql.QUARTER,
            today=True,
        ),
    ),
)

_OVER_TIME: Final = Row(
    "Energy per quarter-hour",
    (
        Panel(
            "Production, grid and consumption",
            f"Mean power of each quarter-hour summed over all sites, W (energy x 4). {_COMPLETE}",
            "watt",
            (
                Target(influxql.complete(_HERE, "pv_wh", factor=4), "PV"),
                Target(influxql.complete(_HERE, "import_wh", factor=4), "Withdrawn from the grid"),
                Target(influxql.complete(_HERE, "export_wh", factor=4), "Injected into the grid"),
                Target(influxql.complete(_HERE, "consumption_wh", factor=4), "Consumption"),
                _SITES_KNOWN,
            ),
            height=9,
            step=influxql.QUARTER,
            looks=(
                Look("PV", colour="yellow"),
                Look("Withdrawn from the grid", colour="red"),
                Look("Injected into the grid", colour="blue"),
                Look("Consumption", colour="purple"),
                _SITES_LOOK,
            ),
        ),
        Panel(
            "Shared per quarter-hour",
            "Energy shared in each quarter-hour: the smaller of all injection and all withdrawal, before any key "
            f"divides it. The grid operator's allocation is the legal one. {_COMPLETE}",
            "watth",
            (
                Target(influxql.shared(_HERE), "Shared"),
                Target(influxql.complete(_HERE, "export_wh"), "Injected"),
                Target(influxql.complete(_HERE, "import_wh"), "Withdrawn"),
                _SITES_KNOWN,
            ),
            height=9,
            step=influxql.QUARTER,
            looks=(
                Look("Shared", colour="green"),
                Look("Injected", colour="blue"),
                Look("Withdrawn", colour="red"),
                _SITES_LOOK,
            ),
        ),
    ),
)

_LIVE: Final = Row(
    "Live power",
    (
        Panel(
            "Power by role, devices reporting",
            "Mean power in each interval summed over the devices that reported, W, with their number on the right "
            "axis. Where that number drops, the sum is without the missing devices. Signs: grid + withdrawn, "
            "- injected; battery + discharging, - charging.",
            "watt",
            (
                Target(influxql.power_sum("sum", f"{_HERE} AND {_BALANCE}", ', "role"'), "$tag_role, reporting"),
                Target(influxql.power_sum("count", f"{_HERE} AND {_BALANCE}"), "devices reporting"),
            ),
            height=9,
            looks=(
                Look("pv, reporting", colour="yellow"),
                Look("grid, reporting", colour="red"),
                Look("battery, reporting", colour="green"),
                Look("devices reporting", unit="none", colour="text", right_axis=True, dashed=True, step=True),
            ),
        ),
        Panel(
            "Battery state of charge",
            "State of charge of each battery, %. A silent battery shows as a gap.",
            "percent",
            (
                Target(
                    f'SELECT mean("soc_pct") FROM "reading" WHERE {_HERE} AND "role" = \'battery\' AND $timeFilter '
                    'GROUP BY time($__interval), "device" fill(null)',
                    "$tag_device",
                ),
            ),
            height=9,
            low=0,
            high=100,
        ),
    ),
)

_SITES: Final = Row(
    "Sites",
    (
        Panel(
            "Sites and devices by last reading",
            "Every device that gave a power in the last 30 days, with the age of its last reading. Sort by the first "
            "column to see the longest silent first. A click on a site opens its board.",
            "watt",
            (
                Target(
                    f'SELECT last("power_w") AS "power" FROM "reading" WHERE {_HERE} AND time > now() - 30d '
                    'GROUP BY "site", "device", "role"',
                    result_format="table",
                ),
            ),
            type="table",
            height=10,
            looks=(Look("Time", unit="dateTimeFromNow"),),
            links=(_TO_SITE,),
        ),
        Panel(
            "Consumption of each site",
            "Mean power of each site's consumption in each quarter-hour, W. An unknown quarter-hour shows as a gap.",
            "watt",
            (
                Target(
                    f'SELECT max("consumption_wh") * 4 FROM "quarters"."site_quarter" WHERE {_HERE} AND $timeFilter '
                    f'GROUP BY time({influxql.QUARTER}), "site" fill(null)',
                    "$tag_site",
                ),
            ),
            height=10,
            step=influxql.QUARTER,
            links=(
                Link("Open this site", "/d/commonwatt-site?var-community=${community}&var-site=${__field.labels.site}"),
            ),
        ),
        Panel(
            "Sites per quarter-hour by quality",
            "How many sites' quarter-hours are measured, estimated or missing. Anything missing makes the community's "
            "sums of that quarter-hour a gap. A lower stack means that a site was wholly silent.",
            "none",
            tuple(
                Target(
                    f'SELECT count("quality") FROM "quarters"."site_quarter" WHERE {_HERE} AND "quality" = \'{quality}\' '
                    f"AND $timeFilter GROUP BY time({influxql.QUARTER}) fill(null)",
                    quality,
                )
                for quality in ("measured", "estimated", "missing")
            ),
            width=24,
            height=6,
            step=influxql.QUARTER,
            bars=True,
            stacked=True,
            looks=(
                Look("measured", colour="green"),
                Look("estimated", colour="yellow"),
                Look("missing", colour="red"),
            ),
        ),
    ),
)

COMMUNITY: Final = Board(
    uid=COMMUNITY_UID,
    title="Community",
    description="Production, exchange with the grid, consumption and sharing of one energy community.",
    variables=(Variable("community", "Community", "Whose sites are shown", influxql.tag_values("community")),),
    rows=(_NOW, _OVER_TIME, _LIVE, _SITES),
    links=(Link("Site", "/d/commonwatt-site?var-community=${community}"),),
)
