"""InfluxQL for the boards: sums over devices and sites that never hide a part that is missing.

InfluxQL is the one language that InfluxDB 1.x, 2.x, 3.x and Grafana all speak. Two rules hold here:

Sums over quarter-hours leave out what is incomplete: `count("quality")` is how many sites have a row and
`count("pv_wh")` how many of them know the value; where the second is less than the first the chart shows a gap. A
site that is wholly silent has no row until it speaks again, which no query can see from within the quarter-hour; so
`sites_known` stands beside every such sum.

Sums over raw readings are named "reporting" and stand beside the number of devices that reported.

`fill()` is used in the outermost query only: InfluxDB 1.6.7 gives wrong rows for a filled sub-query that is grouped
by a tag (every bucket but the first takes the fill value; measured).
"""

# ruff: noqa: S608 - the queries are fixed text: nothing in them comes from outside

from __future__ import annotations

from typing import Final

__all__ = [
    "NOW",
    "QUARTER",
    "community_quarters",
    "complete",
    "heard",
    "power_now",
    "power_sum",
    "self_sufficiency",
    "shared",
    "shared_total",
    "sites_known",
    "sites_spread",
    "tag_values",
]

QUARTER: Final = "15m"
NOW: Final = "5m"
"""A last reading not older than this counts as the value now: three intervals of a slow (100 s) device."""


def power_now(where: str) -> str:
    """The sum of the last power of each device that reported within `NOW`, W."""
    recent = f"{where} AND time > now() - {NOW}"
    last = f'SELECT last("power_w") AS "w" FROM "reading" WHERE {recent} GROUP BY "device"'
    return f'SELECT sum("w") FROM ({last}) WHERE time > now() - {NOW}'


def heard(where: str, within: str) -> str:
    """How many devices gave a power within the duration `within`, up to now."""
    recent = f"{where} AND time > now() - {within}"
    last = f'SELECT last("power_w") AS "w" FROM "reading" WHERE {recent} GROUP BY "device"'
    return f'SELECT count("w") FROM ({last}) WHERE time > now() - {within}'


def power_sum(function: str, where: str, group: str = "") -> str:
    """`function` (sum, count) over the devices' mean power in each interval, W; `group`: further tags, ", role"."""
    means = (
        f'SELECT mean("power_w") AS "w" FROM "reading" WHERE {where} AND $timeFilter '
        f'GROUP BY time($__interval), "device"{group} fill(none)'
    )
    return f'SELECT {function}("w") FROM ({means}) WHERE $timeFilter GROUP BY time($__interval){group} fill(null)'


def community_quarters(where: str, *fields: str) -> str:
    """Sub-query: per quarter-hour the sum of each field, `n_<field>` known sites and `sites` sites, Wh."""
    sums = ", ".join(f'sum("{field}") AS "{field}", count("{field}") AS "n_{field}"' for field in fields)
    return (
        f'SELECT {sums}, count("quality") AS "sites" FROM "quarters"."site_quarter" WHERE {where} AND $timeFilter '
        f"GROUP BY time({QUARTER}) fill(none)"
    )


def sites_known(where: str) -> str:
    """How many sites know their consumption in each quarter-hour."""
    return (
        f'SELECT count("consumption_wh") FROM "quarters"."site_quarter" WHERE {where} AND $timeFilter '
        f"GROUP BY time({QUARTER}) fill(null)"
    )


def sites_spread(where: str) -> str:
    """The most and the fewest sites that know their consumption in a quarter-hour of the range that has any."""
    counts = (
        f'SELECT count("consumption_wh") AS "n" FROM "quarters"."site_quarter" WHERE {where} AND $timeFilter '
        f"GROUP BY time({QUARTER}) fill(none)"
    )
    return f'SELECT max("n") AS "most", min("n") AS "fewest" FROM ({counts}) WHERE $timeFilter'


def _known(*fields: str) -> str:
    return " AND ".join(f'"n_{field}" >= "sites"' for field in fields)


def complete(where: str, field: str, *, factor: float = 1) -> str:
    """`field` summed over the sites of each quarter-hour times `factor`; null where a site's row lacks it."""
    value = f'max("{field}") * {factor:g}' if factor != 1 else f'max("{field}")'
    return (
        f"SELECT {value} FROM ({community_quarters(where, field)}) "
        f"WHERE {_known(field)} AND $timeFilter GROUP BY time({QUARTER}) fill(null)"
    )


def _split(where: str, when_covered: str, when_short: str, *fields: str) -> str:
    """Two sub-queries: quarter-hours whose withdrawal the injection covers, and the others.

    InfluxQL's min() is over time, not of two values; a choice by WHERE says the same and runs on every version.
    """
    quarters = community_quarters(where, *fields)
    known = _known(*fields)
    return (
        f'(SELECT {when_covered} FROM ({quarters}) WHERE "import_wh" <= "export_wh" AND {known}), '
        f'(SELECT {when_short} FROM ({quarters}) WHERE "import_wh" > "export_wh" AND {known})'
    )


def _shared_parts(where: str) -> str:
    return _split(where, '"import_wh" AS "shared"', '"export_wh" AS "shared"', "import_wh", "export_wh")


def shared(where: str) -> str:
    """Per quarter-hour min(sum of injections, sum of withdrawals), Wh; null where a site's row lacks one."""
    return f'SELECT max("shared") FROM {_shared_parts(where)} WHERE $timeFilter GROUP BY time({QUARTER}) fill(null)'


def shared_total(where: str) -> str:
    """The sum of `shared` over the range's known quarter-hours, Wh."""
    return f'SELECT sum("shared") FROM {_shared_parts(where)} WHERE $timeFilter'


def self_sufficiency(where: str) -> str:
    """(consumption - withdrawal that sharing does not cover) / consumption over the range's known quarter-hours, 0..1."""
    parts = _split(
        where,
        '"import_wh" - "import_wh" AS "outside", "consumption_wh" AS "used"',
        '"import_wh" - "export_wh" AS "outside", "consumption_wh" AS "used"',
        "import_wh",
        "export_wh",
        "consumption_wh",
    )
    totals = f'SELECT sum("outside") AS "outside", sum("used") AS "used" FROM {parts} WHERE $timeFilter'
    return f'SELECT 1 - "outside" / "used" FROM ({totals}) WHERE "used" > 0 AND $timeFilter'


def tag_values(key: str, where: str = "") -> str:
    """All values of a tag of `reading`."""
    condition = f" WHERE {where}" if where else ""
    return f'SHOW TAG VALUES FROM "reading" WITH KEY = "{key}"{condition}'
